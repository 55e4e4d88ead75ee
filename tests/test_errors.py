"""Every error says what happened, where, and what to do: each class as a user meets it, and every place that raises.

docs/errors.md lists what is provoked here, with the messages as they come: `python tests/test_errors.py` writes it.
"""

from __future__ import annotations

import ast
import json
import os
import re
import tempfile
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

import burnish as b
from burnish.signatures.errors import NoLogprobs
from burnish.testing import ScriptedLM, ScriptedServer, ScriptedStatus

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "errors.md"
PACKAGES = ("compiler", "signatures", "teleprompters", "testing")


class Review(b.Signature):
    """Classify the sentiment of a movie review."""

    review: str = b.InputField()
    label: Literal["positive", "negative"] = b.OutputField()


class Gist(b.Signature):
    """Say it in a few words."""

    review: str = b.InputField()
    gist: str = b.OutputField()


class Counted(b.Signature):
    """Count."""

    gist: int = b.InputField()
    label: str = b.OutputField()


class Nothing(b.Signature):
    """Say nothing."""

    review: str = b.InputField()


class Empty(b.Module):
    def forward(self, review):
        return b.Predict(Review)(review=review)


class Text(b.Module):
    """Returns the text of an answer where dspy wants a prediction."""

    def __init__(self):
        super().__init__()
        self.classify = b.Predict(Review, format="plain")

    def forward(self, review):
        return self.classify(review=review).label


class Twice(b.Module):
    """Asks a second time about some reviews, which no budget was told of."""

    def __init__(self):
        super().__init__()
        self.classify = b.Predict(Review, format="plain")

    def forward(self, review):
        for again in range(5 if review[-2] in "13579" else 0):
            self.classify(review=f"{review} {again}")
        return self.classify(review=review)


ROWS = [{"review": f"Review {n}.", "label": ("positive", "negative")[n % 2]} for n in range(60)]
LABEL = b.exact_match("label")


def lm(**options) -> ScriptedLM:
    return ScriptedLM(lambda messages, body: "positive", **options)


def compile_(program=None, rows=ROWS, metric=LABEL, **changed):
    given = {"lm": lm(), "teleprompter": b.RandomDemos(), "budget": b.Budget(calls=200), "progress": False, **changed}
    rows = b.load_examples(rows, inputs=["review"]) if isinstance(rows, list) else rows
    return b.compile(program or b.Predict(Review, format="plain"), trainset=rows, metric=metric, **given)


def file(name: str, text: str) -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def saved(**changed) -> str:
    return str(compile_(**changed).save("sentiment.json"))


def damaged(change: Callable[[dict], object]) -> str:
    """A file in which something was changed by hand."""
    document = json.loads(Path(saved()).read_text("utf-8"))
    change(document)
    return file("sentiment.json", json.dumps(document))


def refused(status: int, message: str):
    """Compiles against a server that answers nothing else."""
    answer = ScriptedStatus(status, {"error": {"message": message}})
    with ScriptedServer(lambda messages, body: answer) as server:
        model = b.LM("my-model", base_url=server.base_url, api_key="k")
        return compile_(lm=model)


def offline():
    os.environ["BURNISH_OFFLINE"] = "1"
    try:
        compile_(lm=lm(model="never-asked"))
    finally:
        os.environ["BURNISH_OFFLINE"] = ""


def with_cache_in(place: str):
    kept = os.environ["BURNISH_CACHE_DIR"]
    os.environ["BURNISH_CACHE_DIR"] = place
    try:
        compile_()
    finally:
        os.environ["BURNISH_CACHE_DIR"] = kept


def in_folder_of_another_run():
    compile_(run_dir="run")
    compile_(run_dir="run", seed=5)


def without_logprobs():
    """A server that knows chat alone."""
    from burnish.teleprompters.demonstrations import Perplexity

    with ScriptedServer(lambda messages, body: "positive") as server:
        model = b.LM("my-model", base_url=server.base_url, api_key="k")
        return compile_(lm=model, teleprompter=b.Demonstrations(select=Perplexity()))


def own_lm():
    import dspy

    program = b.Predict(Review)
    program.lm = dspy.LM("openai/gpt-4o-mini", api_key="k")
    return compile_(program)


def broken(example, prediction, trace=None):
    return example.stars > 3


def seven(example, prediction, trace=None):
    return 7


def half(example):
    return 1


def picture():
    import dspy

    class Picture(b.Signature):
        """Classify the picture."""

        review: dspy.Image = b.InputField()
        label: str = b.OutputField()

    return b.Predict(Picture)


@dataclass(frozen=True)
class Case:
    """error: raised by `run`. names: what the message says: what happened to which value, where. remedy: what to do."""

    error: type[BaseException]
    title: str
    run: Callable[[], object]
    names: tuple[str, ...]
    remedy: str


def nearest():
    from burnish.teleprompters.demonstrations import Nearest

    return compile_(teleprompter=b.Demonstrations(select=Nearest("encoder")))


CASES = [
    # what a program says
    Case(b.SchemaError, "A pipeline without steps", lambda: b.Pipeline(), ("Pipeline", "steps"), "Pipeline(extract="),
    Case(
        b.SchemaError, "A step that is no predictor", lambda: b.Pipeline(first=3), ("'first'", "3"), "Give a signature"
    ),
    Case(
        b.SchemaError,
        "Two steps that give the same field",
        lambda: b.Pipeline(one=b.Predict(Gist), two=b.Predict(Gist)),
        ("'one'", "'two'", "'gist'"),
        "Rename one",
    ),
    Case(
        b.SchemaError,
        "A field that two steps declare with different types",
        lambda: b.Pipeline(shorten=b.Predict(Gist), count=b.Predict(Counted)),
        ("'count'", "'gist'", "int", "str"),
        "Declare both with the same type",
    ),
    Case(
        b.SchemaError,
        "A format that there is not",
        lambda: compile_(b.Predict(Review, format="yaml")),
        ("'yaml'",),
        "Known: ",
    ),
    Case(b.SchemaError, "A program without outputs", lambda: compile_(b.Predict(Nothing)), ("Nothing",), "OutputField"),
    Case(
        b.SchemaError,
        "A field that holds an image",
        lambda: compile_(picture()),
        ("'review'", "Picture", "Image"),
        "Use str",
    ),
    Case(
        b.SchemaError,
        "A frozen program called with an input it has not",
        lambda: b.load(saved(), lm=lm())(text="Fine."),
        ("'text'",),
        "takes 'review'",
    ),
    # rows
    Case(
        b.ExampleError,
        "A file that is not there",
        lambda: b.load_examples("review.jsonl", inputs=["review"]),
        ("review.jsonl", "in the current folder"),
        "Give the path",
    ),
    Case(
        b.ExampleError,
        "A line that is not JSON",
        lambda: b.load_examples(file("rows.jsonl", '{"review": "Fine."}\n{"review": \n'), inputs=["review"]),
        ("row 2", "rows.jsonl"),
        "Mend it",
    ),
    Case(
        b.ExampleError,
        "An input that is no column",
        lambda: b.load_examples(ROWS, inputs=["text"]),
        ("row 1", "'text'", "'review'"),
        "Give inputs= from these",
    ),
    Case(
        b.ExampleError,
        "A value that does not fit the type of its field",
        lambda: compile_(rows=[*ROWS, {"review": "So so.", "label": "meh"}]),
        ("row 61", "'label'", "meh"),
        "mend the column",
    ),
    Case(
        b.ExampleError,
        "A column that the metric reads and the rows have not",
        lambda: compile_(rows=[{"review": row["review"], "stars": 3} for row in ROWS]),
        ("row 1", "'label'", "exact_match('label')"),
        "Rename the column",
    ),
    Case(b.ExampleError, "Too few rows", lambda: compile_(rows=ROWS[:8]), ("at least 20", "there are 8"), "Add rows"),
    # replies
    Case(
        b.ReplyError,
        "A reply that does not hold the outputs",
        lambda: b.load(saved(), lm=lambda messages, settings: "hard to say")(review="Fine."),
        ("'self'", "'label'", "hard to say"),
        "positive",
    ),
    # programs
    Case(b.ProgramError, "A class in place of a program", lambda: compile_(Text), ("Text is a class",), "Text(...)"),
    Case(
        b.ProgramError, "A program that is none", lambda: compile_("app:program"), ("'app:program'",), "burnish.Predict"
    ),
    Case(
        b.ProgramError,
        "A module whose predictors cannot be found",
        lambda: compile_(Empty()),
        ("Empty has no predictors",),
        "Assign",
    ),
    Case(
        b.ProgramError,
        "A predictor that asks for several replies at once",
        lambda: compile_(b.Predict(Review, n=3)),
        ("'self'", "n=3"),
        "several times instead",
    ),
    Case(b.ProgramError, "A predictor with an LM of its own", own_lm, ("'self'", "set_lm"), "compile(lm=...)"),
    Case(
        b.ProgramError,
        "A module that does not return a prediction",
        lambda: compile_(Text()),
        ("Text", "returned str 'positive'"),
        "End forward() with",
    ),
    # metrics
    Case(
        b.MetricError,
        "A metric that raises",
        lambda: compile_(metric=broken),
        ("broken", "AttributeError", "Review "),
        "Mend the metric",
    ),
    Case(
        b.MetricError,
        "A metric that leaves its range",
        lambda: compile_(metric=seven),
        ("'seven' returned 7", "from 0 to 1", "Review "),
        "range=(0, 10)",
    ),
    Case(
        b.MetricError,
        "A metric of a field that the program does not give",
        lambda: compile_(metric=b.exact_match("sentiment")),
        ("exact_match('sentiment')", "'label'"),
        "It gives",
    ),
    Case(b.MetricError, "A metric that is none", lambda: compile_(metric=0.8), ("0.8",), "Pass a function"),
    Case(
        b.MetricError,
        "A metric with other parameters",
        lambda: compile_(metric=half),
        ("half", "(example)"),
        "called with (example, prediction",
    ),
    Case(b.MetricError, "judge() outside of a metric", lambda: b.judge("Is it?"), ("judge()",), "inside a metric"),
    Case(b.MetricError, "A range that is none", lambda: b.metric(seven, range=(1, 0)), ("(1, 0)",), "such as (0, 1)"),
    # budgets
    Case(b.BudgetError, "A budget without a limit", lambda: b.Budget(), ("Budget()",), "Give at least one of calls="),
    Case(b.BudgetError, "A limit below nothing", lambda: b.Budget(usd=-1), ("usd=-1",), "Leave it out"),
    Case(b.BudgetError, "Half a call", lambda: b.Budget(calls=2.5), ("calls=2.5",), "Give one, such as 3"),
    Case(
        b.BudgetError,
        "A number in place of a budget",
        lambda: compile_(budget=500),
        ("budget=500",),
        "Pass burnish.Budget",
    ),
    Case(
        b.BudgetError,
        "Dollars without a price",
        lambda: compile_(budget=b.Budget(usd=2.0)),
        ("Budget(usd=2", "'scripted'"),
        "price=Price(",
    ),
    Case(
        b.BudgetError,
        "A program that makes more calls than it said",
        lambda: compile_(Twice(), budget=b.Budget(calls=300, calls_per_example=2)),
        ("more than 2 calls",),
        "Declare the most",
    ),
    # language models
    Case(b.LMError, "No LM", lambda: compile_(lm=None), ("No LM",), "pass compile(..., lm="),
    Case(b.LMError, "An LM that is none", lambda: compile_(lm=3), ("3 is not a language model",), "burnish.LM"),
    Case(
        b.LMError,
        "No key",
        lambda: compile_(lm=b.LM("gpt-4o-mini")),
        ("'gpt-4o-mini'", "api.openai.com"),
        "OPENAI_API_KEY",
    ),
    Case(
        b.LMError,
        "A key that the server refuses",
        lambda: refused(401, "Incorrect API key provided."),
        ("my-model", "401", "Incorrect API key"),
        "key",
    ),
    Case(
        b.LMError,
        "A model that the server does not have",
        lambda: refused(404, "The model my-model does not exist."),
        ("my-model", "404"),
        "model",
    ),
    Case(
        b.LMError,
        "A misspelt parameter",
        lambda: b.LM("gpt-4o-mini", max_token=40),
        ("max_token", "'max_tokens'"),
        "Write max_tokens=",
    ),
    Case(
        b.LMError,
        "An address that is none",
        lambda: b.LM("my-model", base_url="ftp://host"),
        ("'ftp://host'",),
        "such as 'http",
    ),
    Case(b.LMError, "A local model that nobody knows", lambda: b.LM("local/gpt-9"), ("'local/gpt-9'",), "Known: "),
    Case(
        b.LMError,
        "A model file that is not there",
        lambda: b.LM("local/models/m.gguf"),
        ("models/m.gguf",),
        "burnish models list",
    ),
    Case(b.LMError, "A price that is none", lambda: b.Price("free", 0.6), ("input='free'",), "such as 0.15"),
    Case(b.LMError, "Vectors without an encoder", nearest, ("Nearest(encoder='encoder')",), "tfidf"),
    Case(
        b.LMError,
        "Several LMs for a search that takes one",
        lambda: compile_(lm={"small": lm(), "large": lm(model="large")}),
        ("RandomDemos", "large"),
        "Pass one LM, or Joint()",
    ),
    Case(
        b.LMError,
        "A function as LM that returns no text",
        lambda: b.load(saved(), lm=lambda messages, settings: None)(review="Fine."),
        ("lm=", "NoneType"),
        "Return a str",
    ),
    Case(NoLogprobs, "Log-probabilities that the server does not give", without_logprobs, ("my-model",), "Use "),
    # caches and runs
    Case(
        b.CacheError,
        "Offline, and not in the cache",
        offline,
        ("never-asked", "Offline", "Review "),
        "Run once without offline",
    ),
    Case(
        b.CacheError,
        "A cache folder that is a file",
        lambda: with_cache_in(file("cache.txt", "")),
        ("cache.txt",),
        "BURNISH_CACHE_DIR",
    ),
    Case(
        b.RunError,
        "A run folder that belongs to another run",
        in_folder_of_another_run,
        ("'run'", "data.dev.digest"),
        "Pass another run_dir",
    ),
    Case(b.RunError, "A run folder that is a file", lambda: compile_(run_dir=file("taken", "")), ("taken",), "run_dir"),
    # frozen files
    Case(
        b.FrozenError, "A frozen file that is not there", lambda: b.load("none.json"), ("none.json",), "Give the path"
    ),
    Case(
        b.FrozenError,
        "A file that is not JSON",
        lambda: b.load(file("sentiment.json", "{...")),
        ("sentiment.json", "line 1"),
        "compile again",
    ),
    Case(
        b.FrozenError,
        "A file that was changed by hand",
        lambda: b.load(damaged(lambda d: d["predictors"]["self"].update(instruction="Guess."))),
        ("sentiment.json", "changed after it was written"),
        "Take the file again",
    ),
    Case(
        b.FrozenError,
        "A file of another version",
        lambda: b.load(damaged(lambda d: d.update(format="burnish.program/9"))),
        ("burnish.program/9",),
        "with the version of burnish that wrote it",
    ),
    Case(
        b.FrozenError,
        "A folder that is not there",
        lambda: compile_().save("out/sentiment.json"),
        ("out",),
        "Create it first",
    ),
    Case(
        b.FrozenError,
        "A module's file without the module",
        lambda: b.load(saved(program=Twice(), budget=b.Budget(calls=300, calls_per_example=6)), lm=lm()),
        ("'classify'",),
        "load(path, program=",
    ),
    Case(
        b.FrozenError,
        "A program that has changed since",
        lambda: b.load(saved(), program=b.Predict(Gist), lm=lm()),
        ("'self'", "'label'"),
        "compile the program again",
    ),
    Case(
        b.FrozenError,
        "A finalist where there is none",
        lambda: compile_().finalist(),
        ("no finalist",),
        "compile again with more rows",
    ),
    # settings
    Case(
        b.BurnishError,
        "A search by its name",
        lambda: compile_(teleprompter="opro"),
        ("'opro'",),
        "burnish.RandomDemos()",
    ),
    Case(b.BurnishError, "A seed that is none", lambda: compile_(seed="x"), ("seed='x'",), "Give one"),
    Case(b.BurnishError, "Nothing at a time", lambda: compile_(concurrency=0), ("concurrency=0",), "Leave it out"),
    Case(b.BurnishError, "A gain in points", lambda: compile_(min_gain=5), ("min_gain=5",), "Give 0.02"),
]


INTERNAL = {
    "Refused": "raised while a file is checked, and told as the FrozenError of the file",
    "RowFailure": "what one row ended with: counted, and shown with the row",
    "TimeUp": "ends the search, or the final comparison, as a spent budget does",
}


def in_home(message: str) -> str:
    """The message, with the folder of the test called /srv/app."""
    return message.replace(str(Path.cwd().resolve()), "/srv/app").replace(str(Path.cwd()), "/srv/app")


def message_of(case: Case) -> str:
    with pytest.raises(case.error) as caught:
        case.run()
    assert type(caught.value) is case.error
    return in_home(str(caught.value))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_the_message_says_what_and_where_and_what_to_do(case):
    message = message_of(case)
    for name in (*case.names, case.remedy):
        assert name in message, message
    assert message[0] not in " \n"
    assert message[-1] in ".)'"
    assert len(message) < 700


def error_classes() -> list[str]:
    """The names of all classes of error in the package."""
    bases = {}
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases[node.name] = {name_of(base) for base in node.bases}
    known = ["BurnishError", "BudgetSpent"]
    for each in known:
        known += [name for name, those in bases.items() if each in those]
    return known


def modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def test_every_class_is_provoked_here_or_never_reaches_a_user():
    provoked = {case.error.__name__ for case in CASES} | {"BudgetSpent"}
    assert set(error_classes()) - provoked == set(INTERNAL)


def test_a_spent_budget_passes_through_code_that_catches_every_exception():
    assert not issubclass(b.BudgetSpent, Exception)


def test_the_command_line_says_an_error_in_one_message_and_returns_1(capsys):
    from burnish.compiler.cli import main

    assert main(["show", "none.json"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    reason = "none.json cannot be read: No such file or directory."
    assert said.err == f"burnish: {reason} Give the path that compiled.save(path) wrote.\n"


# Every place that raises

WHOLE_MESSAGES = ("str(reply)", "said", "refusal")  # expressions that hold one that was made elsewhere


@dataclass(frozen=True)
class Site:
    """Where an error is made, and the literal words of its message; {...} stands for values."""

    place: str
    error: str
    text: str
    passed_on: bool


def words(node: ast.expr, module: ast.Module) -> str:
    """The literal text of an expression, also where a constant or a function of the module gives it."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(
            part.value if isinstance(part, ast.Constant) else " {} " + words(part.value, module) for part in node.values
        )
    if isinstance(node, ast.BinOp | ast.Subscript | ast.IfExp | ast.BoolOp):
        return " ".join(words(part, module) for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr))
    if isinstance(node, ast.Name):
        given = [
            each.value
            for each in ast.walk(module)
            if isinstance(each, ast.Assign) and name_of(each.targets[0]) == node.id
        ]
        return " ".join(strings(value) for value in given)
    if isinstance(node, ast.Call):
        if name_of(node.func) in ("rstrip", "format", "get"):
            return words(node.func.value, module)
        made = [
            each for each in ast.walk(module) if isinstance(each, ast.FunctionDef) and each.name == name_of(node.func)
        ]
        return " ".join(strings(each) for each in made)
    return ""


def strings(node: ast.AST) -> str:
    return " ".join(
        each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)
    )


def name_of(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")


def sites() -> list[Site]:
    classes = error_classes()
    found = []
    for path in modules():
        known = [*classes, "refuse"] if path.name in ("examples.py", "example_sources.py") else classes
        module = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and name_of(node.func) in known:
                place = f"{path.relative_to(ROOT)}:{node.lineno}"
                text = " ".join(words(each, module) for each in node.args)
                passed_on = bool(node.args) and ast.unparse(node.args[-1]) in WHOLE_MESSAGES
                found.append(Site(place, name_of(node.func), text, passed_on))
    return found


# A word of advice, or the list of what there is. "{}": advice of the error that the message passes on.
ADVICE = re.compile(
    r"\b(add|assign|build|calibrate|call|catch|change|check|choose|clean|compile|configure|create|declare|embed|end|"
    r"fetch|fix|free|give|install|keep|known|needs steps|leave|load|lower|make|mend|move|name|pass|put|rename|return|"
    r"run|save|say|set|shorten|sign|start|take|turn|unset|use|wait|write|substitute|it has|it gives|it takes|takes|"
    r"instead|such as|as in|pip install)\b",
    re.IGNORECASE,
)
PASSED_ON = (  # these put a place before, or a promise behind, the message of another error or refusal
    "compiler/lm/cache.py",
    "compiler/runtime/program.py",
    "compiler/task.py",
    "signatures/dspy_program.py",
    "signatures/example_sources.py",
    "signatures/examples.py",
)
NEEDS_NO_ADVICE = {
    "ReplyError",  # read by the LM on a re-ask: what was expected is all it needs
    *INTERNAL,
    "BudgetSpent",
}


def test_no_place_raises_without_words():
    bare = [site for site in sites() if len(site.text) < 12 and not site.passed_on and site.error not in INTERNAL]
    assert [site for site in bare if site.error not in ("BudgetSpent", "ReplyError")] == []


def test_every_place_says_what_to_do():
    silent = [
        site
        for site in sites()
        if site.error not in NEEDS_NO_ADVICE and not site.passed_on and not ADVICE.search(site.text)
    ]
    assert [site for site in silent if not (site.place.startswith(PASSED_ON) and "{}" in site.text)] == []


# The page


def examples(name: str) -> str:
    """What the page shows of a class: each way it is provoked here, and its message."""
    shown = []
    for case in CASES:
        if case.error.__name__ == name:
            message = textwrap.indent(message_of(case), "    ")
            shown.append(f"{case.title}:\n\n{message}\n")
    return "\n".join(shown)


def page() -> str:
    """docs/errors.md with the examples of today between its marks."""

    def fresh(match: re.Match[str]) -> str:
        return f"<!-- {match[1]}: from tests/test_errors.py -->\n\n{examples(match[1])}\n<!-- end -->"

    text = PAGE.read_text(encoding="utf-8")
    return re.sub(r"<!-- (\w+): from tests/test_errors.py -->.*?<!-- end -->", fresh, text, flags=re.DOTALL)


def test_the_page_of_errors_lists_every_class_with_messages_as_they_are():
    written = PAGE.read_text(encoding="utf-8")
    assert [name for name in error_classes() if name not in INTERNAL and f"\n## {name}\n" not in written] == []
    assert written == page(), "run `python tests/test_errors.py`"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["BURNISH_CACHE_DIR"] = str(Path(folder, "cache"))
        PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
