"""What users may rely on: the command of a report can be typed again, and holds no secret."""

from __future__ import annotations

import shlex

import pytest

from burnish.compiler.report.command_line import WIDE, command


def words(shown: str) -> list[str]:
    """As a shell reads it."""
    return shlex.split(shown.replace("\\\n", " "))


def test_a_command_is_kept_without_what_may_be_a_secret():
    given = ["/usr/bin/burnish", "compile", "--param", "api_key=abc", "--param", "max_tokens=9", "http://me:pw@host/v1"]
    assert command(given) == "burnish compile --param api_key=... --param max_tokens=9 http://host/v1"
    given = ["train.py", "--param=api_key=abc=", "--api-key", "sk-1", "--token=abc", "--max-tokens", "9"]
    assert command(given) == "python train.py --param=api_key=... --api-key ... --token=... --max-tokens 9"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (["--param", 'extra_body={"api_key": "SEKRET"}'], "--param extra_body=..."),
        (['--param=extra_body={"x": "SEKRET=SEKRET"}'], "--param=extra_body=..."),
        (["--options", '{"api_key": "SEKRET=SEKRET"}'], "--options ..."),
        (["--base-url", "u:SEKRET@h/v1"], "--base-url h/v1"),
        (["--base-url=u:SEK=RET@h/v1"], "--base-url=h/v1"),
        (["--base-url", "SEKRET@h/v1"], "--base-url h/v1"),
        (["u:SEK@RET@h/v1"], "h/v1"),
        (["--base-url=http://u:SEKRET@h/?a=1&key=SEKRET"], "'--base-url=http://h/?a=1&key=...'"),
        (["--auth", "SEKRET"], "--auth ..."),
        (["--credential=SEKRET"], "--credential=..."),
        (["--password", "SEKRET"], "--password ..."),
        (["--passwd=SEKRET"], "--passwd=..."),
        (["--tokens", "SEKRET,SEKRET"], "--tokens ..."),
    ],
)
def test_secrets_are_left_out_however_they_are_given(given, shown):
    assert command(["burnish", *given]) == f"burnish {shown}"


def test_limits_names_of_files_and_commits_are_no_secrets():
    given = ["burnish", "--budget", "calls=3,tokens=500", "--metric", "app.py:score", "--judge-lm", "me@example.org"]
    assert words(command(given)) == given
    given = ["burnish", "--budget", "tokens=500", "--encoder", "sentence-transformers:org/name@0123abc"]
    assert words(command(given)) == given


def test_a_module_that_was_run_by_its_path_is_shown_as_it_was_typed():
    assert (
        command(["/opt/venv/lib/site-packages/burnish/__main__.py", "plan", "app:program"])
        == "burnish plan app:program"
    )
    shown = command(["/srv/me/project/trainer/__main__.py", "--seed", "3"])
    assert shown.startswith("python -m ")
    assert shown.endswith(" --seed 3")
    assert "/" not in shown


def test_a_script_in_this_folder_is_shown_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command([str(tmp_path / "jobs" / "train.py"), "3"]) == "python jobs/train.py 3"
    assert command(["/elsewhere/train.py"]) == "python /elsewhere/train.py"


def test_a_long_command_is_one_option_a_line_and_a_shell_reads_it_as_the_same():
    given = ["burnish", "compile", "app:program", "--train", "my reviews.jsonl", "--metric", "exact_match:label"]
    given += ["--lm", "local/smollm2-135m-instruct", "--budget", "calls=300", "-o", "sentiment.json"]
    shown = command(given)
    assert words(shown) == given
    first, *others = shown.splitlines()
    assert first == "burnish compile app:program \\"
    assert all(line.startswith("  -") for line in others)
    assert max(map(len, shown.splitlines())) < WIDE


def test_where_nobody_typed_a_command_there_is_none():
    for argv in (["-c"], [""], [], ["/x/ipykernel_launcher.py", "-f", "k"], ["/x/pytest/__main__.py", "tests"]):
        assert command(argv) == ""
