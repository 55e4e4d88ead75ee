"""How the command line ends: without a command, with the exit codes of its commands, and interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from burnish.compiler import cli
from burnish.compiler.cli import EXIT_CODES, main
from burnish.testing import ScriptedServer


def test_without_a_command_the_help_is_shown_and_the_exit_code_is_2(capsys):
    assert main([]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "recheck" in said.err
    assert "exit codes" in said.err


def test_the_help_lists_every_exit_code_once(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = capsys.readouterr().out.split("exit codes:\n")[1].splitlines()
    assert [int(line.split()[0]) for line in listed] == [0, 1, 2, 3, 4, 130]
    assert "eval --fail-if-worse" in listed[4]
    assert "diff --exit-code" in listed[4]


def test_exit_codes_of_commands_that_are_not_there_are_not_listed(capsys, monkeypatch):
    monkeypatch.setattr(cli, "COMMANDS", tuple(one for one in cli.COMMANDS if one in (cli.running, cli.showing)))
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = capsys.readouterr().out.split("exit codes:\n")[1]
    assert [int(line.split()[0]) for line in listed.splitlines()] == [*list(EXIT_CODES)[:3], 4, 130]
    assert "--fail-unless-ship" not in listed
    assert "--fail-if" not in listed


COMMAND = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell starts with it ignored
from burnish.compiler.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_second_ctrl_c_ends_at_once_and_without_a_traceback(shell, reviews_):
    (shell.folder / "app.py").write_text("import burnish as b\nprogram = b.Predict('review -> label')\n")
    shell.rows("train.jsonl", reviews_(60))
    asked, over = threading.Event(), threading.Event()

    def hang(messages, body):
        asked.set()
        over.wait(60)
        return "positive"

    words = ("compile", "app.py:program", "--train", "train.jsonl", "--metric", "exact_match:label", "-o", "o.json")
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with ScriptedServer(hang) as server:
        where = ("--lm", "small", "--base-url", server.base_url, "--quiet")
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, *words, *where], stderr=subprocess.PIPE, text=True, env=environment
        )
        with process:
            assert asked.wait(60)
            process.send_signal(signal.SIGINT)
            said = [process.stderr.readline(), process.stderr.readline()]
            assert said[1] == "Stopping: calls in flight may land. Ctrl-C again stops at once.\n"
            process.send_signal(signal.SIGINT)
            rest = process.stderr.read()
            over.set()
        assert process.returncode == 130
    assert rest.startswith("\nStopped at once. To go on: burnish compile app.py:program --train train.jsonl")
    assert len(rest.splitlines()) == 2, rest


def test_a_stopped_compile_says_in_one_line_what_is_kept_and_how_to_go_on(shell, reviews_, monkeypatch):
    (shell.folder / "app.py").write_text("import burnish as b\nprogram = b.Predict('review -> label')\n")
    shell.rows("train.jsonl", reviews_(60))
    monkeypatch.setattr("burnish.compiler.compile.search", lambda *_: signal.raise_signal(signal.SIGINT))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        words = ("compile", "app:program", "--train", "train.jsonl", "--metric", "exact_match:label", "-o", "o.json")
        ended = shell(*words, "--quiet", model="small")
    finally:
        signal.signal(signal.SIGINT, before)
        sys.modules.pop("app", None)
        sys.path[:] = [entry for entry in sys.path if entry != str(shell.folder)]
    assert ended.code == 130
    (run,) = (shell.folder / ".burnish" / "runs").iterdir()
    (said,) = [line for line in ended.err.splitlines() if line]
    assert said.startswith("Stopped. What was paid for is kept in ")
    assert run.name in said
    assert "To go on, run the same again: burnish compile app:program --train train.jsonl" in said


@pytest.fixture(name="interrupted")
def _interrupted(monkeypatch):
    """Every command is interrupted with Ctrl-C; the handler of the test run comes back at the end."""

    def parse_args(_):
        return SimpleNamespace(command=lambda _: signal.raise_signal(signal.SIGINT))

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(cli, "_parser", lambda: SimpleNamespace(parse_args=parse_args))
    yield
    signal.signal(signal.SIGINT, before)


def test_in_a_process_that_goes_on_after_a_stopped_command_ctrl_c_is_pythons_again(interrupted):
    assert main(["show", "a.json"]) == 130
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_script_still_ends_at_a_second_ctrl_c_while_it_waits_for_its_threads(interrupted, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["burnish", "show", "a.json"])
    assert main() == 130
    assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
