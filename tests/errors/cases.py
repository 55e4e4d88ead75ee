"""Each class of error as a user meets it: what provokes it, and what its message has to say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import burnish as b
from burnish.signatures.errors import NoLogprobs

from .programs import (
    ROWS,
    Counted,
    Empty,
    Gist,
    Nothing,
    Review,
    Text,
    Twice,
    broken,
    compile_,
    damaged,
    file,
    half,
    in_folder_of_another_run,
    lm,
    nearest,
    offline,
    own_lm,
    picture,
    refused,
    saved,
    seven,
    with_cache_in,
    without_logprobs,
)


@dataclass(frozen=True)
class Case:
    """error: raised by `run`. names: what the message says: what happened to which value, where. remedy: what to do."""

    error: type[BaseException]
    title: str
    run: Callable[[], object]
    names: tuple[str, ...]
    remedy: str


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
