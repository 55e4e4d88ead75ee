"""Every snippet of README and docs runs: python blocks as they stand, console blocks through the command line.

The LM is a scripted server. Models named local/... are answered by it too, so that no snippet downloads anything.
"""

from __future__ import annotations

import doctest
import json
import re
import shlex
import sys
import types
from pathlib import Path

import pytest

import burnish.compiler.lm.lm as lm_module
from burnish.compiler.cli import main
from burnish.testing import ScriptedServer

ROOT = Path(__file__).resolve().parent.parent
PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
ROWS = [json.loads(line) for line in (ROOT / "examples/data/reviews.jsonl").read_text("utf-8").splitlines()]
LABELS = {row["review"]: row["label"] for row in ROWS}
BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OUTSIDE = ("make ", "pip ", "python ")  # commands that set up a machine: only what they name is checked


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


@pytest.fixture(name="world")
def _world(tmp_path, monkeypatch):
    """A folder with app.py, reviews.jsonl (200 rows) and test.jsonl (20), and a server that answers for every model."""
    app = next(text for _, file, text in blocks("README.md") if file == "app.py")
    (tmp_path / "app.py").write_text(app, encoding="utf-8")
    for name, rows in (("reviews", ROWS[:200]), ("test", ROWS[200:220])):
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("BURNISH_OFFLINE", "")
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-key")
    connect = lm_module.connect
    monkeypatch.setattr(lm_module, "connect", lambda model, *rest: connect(model.removeprefix("local/"), *rest))
    with ScriptedServer(respond) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        yield
    sys.modules.pop("app", None)


def run_console(text: str, capsys) -> None:
    """Runs each "$ burnish ..." line. Lines below it, if any, are what it must print; "..." stands for anything."""
    for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
        if command.startswith(OUTSIDE):
            check_outside(command)
            continue
        name, *arguments = shlex.split(command)
        assert name == "burnish", command
        capsys.readouterr()
        code = main(arguments)
        printed = capsys.readouterr()
        assert code == 0, f"{command}\n{printed.out}{printed.err}"
        same = doctest.OutputChecker().check_output(expected, printed.out, doctest.ELLIPSIS)
        assert not expected or same, f"{command}\nprinted {printed.out!r}"


def check_outside(command: str) -> None:
    program, *arguments = shlex.split(command)
    if program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert set(arguments) <= set(targets), command
    elif program == "python":
        assert (ROOT / arguments[0]).is_file(), command


@pytest.mark.parametrize("page", PAGES)
def test_every_snippet_of_the_page_runs(page, world, capsys, monkeypatch):
    module = types.ModuleType("snippet")
    monkeypatch.setitem(sys.modules, "snippet", module)
    for language, file, text in blocks(page):
        if file:
            Path(file).write_text(text, encoding="utf-8")
        if language == "python":
            exec(compile(text, page, "exec", dont_inherit=True), vars(module))
        elif language == "console":
            run_console(text, capsys)
            monkeypatch.setenv("BURNISH_OFFLINE", "")
        else:
            pytest.fail(f"{page} has a block of {language!r}, which nobody runs: use python or console")


def test_every_link_of_the_pages_leads_somewhere():
    broken = []
    for page in [*PAGES, "examples/data/README.md", *map(str, (ROOT / "docs/decisions").glob("*.md"))]:
        path = ROOT / page
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8")):
            if "://" not in target and not (path.parent / target).exists():
                broken.append(f"{path.name}: {target}")
    assert broken == []
