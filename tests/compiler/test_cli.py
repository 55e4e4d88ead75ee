"""What users of the command line may rely on: what it prints, what it writes, and what it exits with."""

from __future__ import annotations

import inspect
import io
import json
import subprocess
import sys

import pytest

import burnish
from burnish import teleprompters
from burnish.compiler.cli import main
from burnish.compiler.cli.arguments import TELEPROMPTERS
from burnish.testing import ScriptedServer

APP = '''
from typing import Literal
import burnish as b

class Sentiment(b.Signature):
    """Classify the sentiment of a movie review."""
    review: str = b.InputField()
    label: Literal["positive", "negative"] = b.OutputField()

program = b.Predict(Sentiment)

def score(example, prediction, trace=None):
    return float(example.label == prediction.label)

class Tuned:
    teleprompter = b.RandomDemos(demos=2, sets=1)
'''


def respond(messages, body):
    """Right when it is shown demonstrations; "positive" without. Reviews of even number are positive."""
    question = str(messages[-1]["content"])
    shown = any(message["role"] == "assistant" for message in messages)
    number = int(question.split("Review number ")[-1].split()[0])
    label = "negative" if shown and number % 2 else "positive"
    return f"[[ ## label ## ]]\n{label}\n\n[[ ## completed ## ]]" if "[[ ##" in question else label


@pytest.fixture(scope="module")
def server():
    with ScriptedServer(respond) as running:
        yield running


@pytest.fixture(name="folder")
def _folder(tmp_path):
    """The working folder: app.py, train.jsonl (150 rows) and test.jsonl (20 rows)."""
    (tmp_path / "app.py").write_text(APP)
    for name, numbers in (("train", range(150)), ("test", range(1000, 1020))):
        rows = [{"review": f"Review number {n} of a film", "label": ("positive", "negative")[n % 2]} for n in numbers]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    yield tmp_path
    sys.modules.pop("app", None)
    sys.path[:] = [entry for entry in sys.path if entry != str(tmp_path)]


@pytest.fixture
def burnish_(folder, server, capsys):
    """Runs a command against the server and gives (exit code, standard output, standard error)."""

    def run(*arguments, lm=True):
        where = ("--lm", "scripted", "--base-url", server.base_url) if lm else ()
        code = main([*arguments, *where])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


COMPILE = ("app:program", "--train", "train.jsonl", "--metric", "exact_match:label", "--budget", "calls=400")


@pytest.fixture
def compiled(burnish_, folder):
    code, _, err = burnish_("compile", *COMPILE, "-o", "out.json")
    assert code == 0, err
    return folder / "out.json"


def test_compile_writes_the_file_and_prints_verdict_and_parts(burnish_, folder):
    code, out, err = burnish_("compile", *COMPILE, "-o", "out.json", "--fail-unless-ship")
    assert code == 0, err
    assert out.startswith("ship: ")
    assert out.endswith("wrote out.json\n")
    assert "demonstrations" in out
    assert "search: " in err
    assert burnish.load("out.json").inputs == ("review",)


def test_compile_says_what_it_paid_for_and_that_a_second_run_pays_nothing(burnish_, folder):
    _, _, first = burnish_("compile", *COMPILE, "-o", "out.json")
    _, _, second = burnish_("compile", *COMPILE, "-o", "again.json", "--run-dir", "elsewhere")
    calls = int(first.split("paid calls: ")[1].split(";")[0])
    assert calls > 100
    assert f"paid calls: 0; {calls} of {calls} were answered by earlier runs" in second
    assert (folder / "out.json").read_bytes() == (folder / "again.json").read_bytes()


def test_compile_with_json_prints_one_object_for_a_machine(burnish_, folder):
    code, out, _ = burnish_("compile", *COMPILE, "-o", "out.json", "--json", "--quiet")
    printed = json.loads(out)
    assert code == 0
    assert printed["verdict"]["decision"] == "ship"
    assert printed["file"] == "out.json"
    assert printed["digest"] == json.loads((folder / "out.json").read_text())["digest"]


def test_fail_unless_ship_exits_with_3_and_writes_the_file_all_the_same(burnish_, folder):
    arguments = [*COMPILE[:-1], "calls=30"]
    code, _, _ = burnish_("compile", *arguments, "-o", "out.json", "--fail-unless-ship")
    assert code == 3
    assert (folder / "out.json").exists()


def test_plan_says_what_a_compile_would_spend_and_calls_nobody(burnish_, server):
    before = server.requests
    code, out, err = burnish_("plan", *COMPILE)
    assert code == 0, err
    assert "at most" in out
    assert server.requests == before
    code, out, _ = burnish_("plan", *COMPILE, "--json")
    assert json.loads(out)["parts"]


def test_a_program_a_metric_and_a_teleprompter_may_come_from_a_file_or_a_module(burnish_, folder):
    (folder / "elsewhere").mkdir()
    (folder / "app.py").rename(folder / "elsewhere" / "app.py")
    arguments = ["elsewhere/app.py:program", *COMPILE[1:3], "--metric", "elsewhere/app.py:score", *COMPILE[5:]]
    code, _, err = burnish_(
        "compile", *arguments, "--teleprompter", "elsewhere/app.py:Tuned.teleprompter", "-o", "o.json"
    )
    assert code == 0, err
    assert json.loads((folder / "o.json").read_text())["provenance"]["teleprompter"]["sets"] == 1
    sys.path[:] = [entry for entry in sys.path if entry != str(folder / "elsewhere")]


def test_help_and_the_error_for_an_unknown_teleprompter_name_all_that_there_are(burnish_, capsys):
    everything = [getattr(teleprompters, name) for name in teleprompters.__all__]
    searches = [c for c in everything if isinstance(c, type) and issubclass(c, teleprompters.Teleprompter)]
    names = {c.__name__.lower() for c in searches if not inspect.isabstract(c)}
    assert {name.replace("_", "") for name in TELEPROMPTERS} == names
    code, _, err = burnish_("plan", *COMPILE, "--teleprompter", "opra")
    assert code == 1
    assert f"Did you mean opro? Known: {', '.join(TELEPROMPTERS)}, or module:attribute" in err
    with pytest.raises(SystemExit):
        main(["plan", "--help"])
    assert f"{', '.join(TELEPROMPTERS)}, or module:attribute (default: joint)" in " ".join(
        capsys.readouterr().out.split()
    )


@pytest.mark.parametrize("name", [*TELEPROMPTERS, "IterativeAPE", "random-demos"])
def test_every_teleprompter_is_known_by_its_name(burnish_, name):
    code, _, err = burnish_("plan", *COMPILE, "--teleprompter", name)
    if name == "step_by_step":  # the program of these tests has no reasoning
        assert "asks for reasoning" in err
    else:
        assert code == 0, err


def test_eval_scores_a_file_with_the_metric_it_was_compiled_with(burnish_, compiled, server):
    code, out, err = burnish_("eval", "out.json", "test.jsonl")
    assert code == 0, err
    assert out == "out.json: 100.0 on 20 examples (95 % 83.2..100.0)\n"
    before = server.requests
    code, out, _ = burnish_("eval", "out.json", "test.jsonl", "--json")
    assert json.loads(out)["files"]["out.json"]["mean"] == 1.0
    assert server.requests == before  # the second time, the cache answers


def test_eval_against_another_file_compares_the_same_rows(burnish_, compiled, folder):
    burnish_("compile", *COMPILE[:-1], "calls=30", "-o", "student.json")
    code, out, err = burnish_("eval", "out.json", "test.jsonl", "--against", "student.json")
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0] == "out.json: 100.0 on 20 examples (95 % 83.2..100.0)"
    assert lines[1] == "student.json: 50.0 on 20 examples (95 % 27.2..72.8)"
    assert "50.0 -> 100.0 on 20 examples" in lines[2]  # whatever rows these are, nobody has held them out


def test_eval_counts_rows_from_one(burnish_, compiled, folder):
    lines = (folder / "test.jsonl").read_text().splitlines()
    row = {name: value for name, value in json.loads(lines[0]).items() if name != "review"}
    (folder / "holed.jsonl").write_text("\n".join([json.dumps(row), *lines[1:3]]))
    code, _, err = burnish_("eval", "out.json", "holed.jsonl")
    assert code == 1
    assert "row 1 of 3: " in err


def test_a_misspelt_parameter_is_refused_by_its_name(burnish_):
    code, _, err = burnish_("plan", *COMPILE, "--param", "max_token=5")
    assert code == 1
    assert "--param max_token=..." in err
    assert "max_tokens=" in err


def test_eval_of_a_file_with_a_metric_of_the_users_asks_for_it(burnish_, folder):
    arguments = [*COMPILE[:3], "--metric", "app:score", *COMPILE[5:]]
    burnish_("compile", *arguments, "-o", "out.json")
    code, _, err = burnish_("eval", "out.json", "test.jsonl")
    assert code == 1
    assert "Add --metric" in err
    code, _, _ = burnish_("eval", "out.json", "test.jsonl", "--metric", "app:score")
    assert code == 0


def test_offline_answers_from_the_cache_alone_and_says_what_is_missing(burnish_, compiled, monkeypatch):
    monkeypatch.setenv("BURNISH_OFFLINE", "")  # so that what --offline sets is undone after the test
    code, _, err = burnish_("compile", *COMPILE, "-o", "again.json", "--offline")
    assert code == 0, err
    code, _, err = burnish_("eval", "out.json", "test.jsonl", "--offline")
    assert code == 1
    assert "offline" in err


def test_run_calls_a_file_on_one_object(burnish_, compiled):
    code, out, err = burnish_("run", "out.json", '{"review": "Review number 7 of a film"}')
    assert code == 0, err
    assert json.loads(out) == {"label": "negative"}


def test_run_reads_json_lines_and_answers_in_their_order(burnish_, compiled, monkeypatch):
    lines = "".join(f'{{"review": "Review number {n} of a film"}}\n' for n in range(100))
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    code, out, _ = burnish_("run", "out.json")
    assert code == 0
    assert [json.loads(line)["label"] for line in out.splitlines()] == ["positive", "negative"] * 50


def test_run_takes_rows_that_hold_their_labels_too(burnish_, compiled, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO('{"review": "Review number 7 of a film", "label": "positive"}\n'))
    code, out, err = burnish_("run", "out.json")
    assert (code, json.loads(out)) == (0, {"label": "negative"}), err


@pytest.mark.parametrize("inputs", ['{"review": ', "[1]", '{"text": "hello"}'])
def test_run_says_what_is_wrong_with_its_input(burnish_, compiled, inputs):
    code, out, err = burnish_("run", "out.json", inputs)
    assert code == 1
    assert out == ""
    assert len(err.strip().splitlines()) == 1


def test_show_and_diff_print_files_for_a_person(burnish_, compiled):
    burnish_("compile", *COMPILE[:-1], "calls=30", "-o", "student.json")
    code, out, _ = burnish_("show", "out.json", lm=False)
    assert code == 0
    assert json.loads(compiled.read_text())["predictors"]["self"]["source"]["instruction"].splitlines()[0] in out
    assert "who had the calls of the search" in out
    code, out, _ = burnish_("show", "out.json", "--json", lm=False)
    assert json.loads(out) == json.loads(compiled.read_text())
    code, out, _ = burnish_("diff", "student.json", "out.json", lm=False)
    assert code == 0
    assert "predictor self" in out


def test_cache_shows_what_it_holds_and_clears_only_when_told_so(burnish_, compiled):
    code, out, _ = burnish_("cache", lm=False)
    assert code == 0
    replies = int(out.split()[0])
    assert replies > 100
    assert "scripted at http://127.0.0.1" in out
    code, out, _ = burnish_("cache", "--json", lm=False)
    assert json.loads(out)["models"][0]["calls"] == replies
    code, _, err = burnish_("cache", "clear", lm=False)
    assert code == 1
    assert "--yes" in err
    code, out, _ = burnish_("cache", "clear", "--yes", lm=False)
    assert out == f"removed {replies} replies\n"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({0: "app"}, "module:attribute"),
        ({0: "app:programm"}, "no 'programm'. It has: Literal, Sentiment"),
        ({0: "nowhere:program"}, "nowhere cannot be imported"),
        ({0: "nowhere.py:program"}, "there is no file 'nowhere.py'"),
        ({2: "nowhere.jsonl"}, "nowhere.jsonl"),
        ({4: "exact_match"}, "exact_match:label"),
        ({4: "accuracy"}, "'accuracy' is unknown"),
        ({4: "exact_match:sentiment"}, "sentiment"),
        ({6: "calls=-1"}, "calls=-1"),
        ({6: "euros=3"}, "'euros' is unknown"),
        ({6: "1500"}, "Give calls=1500"),
        ({4: "exct_match:label"}, "Did you mean exact_match? Give a built-in with its field (contains, exact_match,"),
        ({4: "exact_mach"}, "Did you mean exact_match?"),
        ({4: "nothing_here:score"}, "'nothing_here:score' is unknown. Give a built-in"),
    ],
)
def test_what_is_wrong_is_said_in_one_message_before_anything_is_spent(burnish_, server, changes, named):
    arguments = [changes.get(place, argument) for place, argument in enumerate(COMPILE)]
    before = server.requests
    code, _out, err = burnish_("compile", *arguments, "-o", "out.json")
    assert code == 1
    assert err.startswith("burnish: ")
    assert named in err
    assert "Traceback" not in err
    assert server.requests == before


def test_an_output_folder_that_is_missing_is_told_before_anything_is_spent(burnish_, server):
    before = server.requests
    code, _, err = burnish_("compile", *COMPILE, "-o", "missing/out.json")
    assert code == 1
    assert "there is no folder 'missing'" in err
    assert server.requests == before


def test_a_wrong_command_line_exits_with_2(folder):
    with pytest.raises(SystemExit) as stopped:
        main(["compile", "app:program"])
    assert stopped.value.code == 2


def test_ctrl_c_exits_with_130_and_prints_the_command_to_go_on_with(burnish_, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("burnish.compiler.compile.compile", interrupted)
    code, _, err = burnish_("compile", *COMPILE, "-o", "out.json")
    assert code == 130
    assert "burnish compile app:program --train train.jsonl" in err


def test_models_without_an_action_lists_them(burnish_):
    listed = burnish_("models", "list", lm=False)
    assert listed[0] == 0
    assert burnish_("models", lm=False) == listed


@pytest.mark.parametrize("command", ["", "plan", "compile", "eval", "run", "show", "diff", "cache", "models"])
def test_every_command_has_help_with_an_example(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"] if command else ["--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert f"burnish {command}" in out.split("examples:")[-1] if command else "exit codes" in out


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom burnish.compiler.cli import main\n"
        "try:\n main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'dspy', 'optuna', 'openai', 'aiohttp', 'numpy', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
