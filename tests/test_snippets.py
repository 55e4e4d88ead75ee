"""Every snippet of README and docs runs: python blocks as they stand, console blocks through the command line.

The LM is a scripted server. Models named local/... are answered by it too, so that no snippet downloads anything. Pages
with a file in tests/recorded/ show what the embedded model said: they are run against its recorded replies, and each
text block must be what the python block above it prints.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib.util
import io
import json
import os
import re
import shlex
import sys
import types
from pathlib import Path

import pytest
import yaml

import burnish.compiler.lm.lm as lm_module
from burnish.compiler.cli import main
from burnish.testing import ScriptedServer

ROOT = Path(__file__).resolve().parent.parent
PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
ROWS = [json.loads(line) for line in (ROOT / "examples/data/reviews.jsonl").read_text("utf-8").splitlines()]
LABELS = {row["review"]: row["label"] for row in ROWS}
BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OUTSIDE = ("make ", "pip ", "python ", "head ")  # commands that set up a machine: only what they name is checked


def blocks(page: str) -> list[tuple[str, str, str]]:
    """(language, file to write, text) of each fenced block."""
    return [match.groups(default="") for match in BLOCK.finditer((ROOT / page).read_text(encoding="utf-8"))]


def respond(messages, body):
    """Right when it is shown demonstrations, "positive" without."""
    question = str(messages[-1]["content"])
    shown = any(message["role"] == "assistant" for message in messages)
    truth = next((label for review, label in LABELS.items() if review in question), "positive")
    label = truth if shown else "positive"
    return f"[[ ## label ## ]]\n{label}\n\n[[ ## completed ## ]]" if "[[ ##" in question else label


def recorded_engine():
    spec = importlib.util.spec_from_file_location("recorded_engine", ROOT / "tests/recorded_engine.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def recorded_replies(page: str) -> Path:
    """Where the replies are that the page was written with; it exists for pages that show what the model said."""
    return ROOT / "tests/recorded" / f"{Path(page).stem}.jsonl.xz"


def furnish(folder: Path) -> None:
    """app.py as in the README, reviews.jsonl (200 rows) and test.jsonl (20): what every page may use."""
    app = next(text for _, file, text in blocks("README.md") if file == "app.py")
    (folder / "app.py").write_text(app, encoding="utf-8")
    for name, rows in (("reviews", ROWS[:200]), ("test", ROWS[200:220])):
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")


@pytest.fixture(name="world")
def _world(tmp_path, monkeypatch, request):
    """A furnished folder, and a server that answers for every model."""
    furnish(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("BURNISH_OFFLINE", "")
    replies = recorded_replies(request.getfixturevalue("page"))
    if replies.exists():
        with (module := recorded_engine()).engine(module.Recorded(replies), recording=False):
            yield
    else:
        monkeypatch.setenv("OPENAI_API_KEY", "not-a-key")
        connect = lm_module.connect
        monkeypatch.setattr(lm_module, "connect", lambda model, *rest: connect(model.removeprefix("local/"), *rest))
        with ScriptedServer(respond) as server:
            monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
            yield
    sys.modules.pop("app", None)


def printed(run, *arguments) -> tuple[object, str]:
    """What a call returns, and what it prints."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        returned = run(*arguments)
    return returned, out.getvalue()


def same_text(expected: str, got: str) -> bool:
    """Whether this was printed; "..." stands for anything."""
    return doctest.OutputChecker().check_output(expected, got, doctest.ELLIPSIS)


def run_console(text: str) -> None:
    """Runs each "$ burnish ..." line. Lines below it, if any, are what it must print."""
    for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
        if command.startswith(OUTSIDE):
            check_outside(command)
            continue
        name, *arguments = shlex.split(command)
        assert name == "burnish", command
        wanted = re.search(r"^exit code (\d+)\n\Z", expected, re.MULTILINE)
        expected = expected[: wanted.start()] if wanted else expected
        code, got = printed(main, arguments)
        assert code == (int(wanted[1]) if wanted else 0), f"{command}\n{got}"
        assert not expected or same_text(expected, got), f"{command}\nprinted\n{got}"


def check_outside(command: str) -> None:
    program, *arguments = shlex.split(command)
    if program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert set(arguments) <= set(targets), command
    elif program == "python":
        assert (ROOT / arguments[0]).is_file(), command
    elif program == "head":  # -N FROM > TO: the page was written with just these rows
        count, source, _, target = arguments
        lines = (ROOT / source).read_text(encoding="utf-8").splitlines()[: -int(count)]
        furnished = Path(target).read_text(encoding="utf-8").splitlines()
        assert [json.loads(line) for line in lines] == [json.loads(line) for line in furnished], command


def run_page(page: str, module: types.ModuleType, show) -> None:
    """Runs every block in turn. show(text block, what the python block above it printed): for pages that have them."""
    got = ""
    for language, file, text in blocks(page):
        if file:
            Path(file).write_text(text, encoding="utf-8")
        if language == "python":
            _, got = printed(exec, compile(text, page, "exec", dont_inherit=True), vars(module))
        elif language == "console":
            run_console(text)
            os.environ["BURNISH_OFFLINE"] = ""  # --offline sets it
        elif language == "text" and recorded_replies(page).exists():
            show(text, got)
        elif language == "yaml":
            check_workflow(yaml.safe_load(text))
        else:
            pytest.fail(f"{page} has a block of {language!r}, which nobody runs: use python, console or yaml")


def check_workflow(workflow) -> None:
    """Every command of a CI workflow is one that `burnish` has."""
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    commands = [line for step in steps for line in step.get("run", "").splitlines() if line.startswith("burnish ")]
    assert commands
    for command in commands:
        with pytest.raises(SystemExit) as stop:
            printed(main, [*shlex.split(command)[1:2], "--help"])
        assert stop.value.code == 0, command


@pytest.mark.parametrize("page", PAGES)
def test_every_snippet_of_the_page_runs(page, world, monkeypatch):
    module = types.ModuleType("snippet")
    monkeypatch.setitem(sys.modules, "snippet", module)

    def show(text: str, got: str) -> None:
        assert same_text(text, got), f"{page} shows\n{text}\nand what is printed is\n{got}"

    run_page(page, module, show)


def test_pages_that_show_what_a_model_said_on_the_reviews_name_the_rows_that_it_was():
    recorded = [page for page in PAGES if recorded_replies(page).exists()]
    on_reviews = {page: (ROOT / page).read_text("utf-8") for page in recorded if page_reads(page, "reviews.jsonl")}
    assert len(on_reviews) > 1
    for page, text in on_reviews.items():
        assert "\n$ head -200 examples/data/reviews.jsonl > reviews.jsonl\n" in text, page


def page_reads(page: str, file: str) -> bool:
    return any(file in text for _, _, text in blocks(page))


def test_every_link_of_the_pages_leads_somewhere():
    broken = []
    for page in [*PAGES, "examples/data/README.md", *map(str, (ROOT / "docs/decisions").glob("*.md"))]:
        path = ROOT / page
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8")):
            if "://" not in target and not (path.parent / target).exists():
                broken.append(f"{path.name}: {target}")
    assert broken == []
