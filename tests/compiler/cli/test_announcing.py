"""What a compile says before its first call, and that it says nothing twice."""

from __future__ import annotations

import sys

import pytest

from burnish.testing import ScriptedServer

APP = "import burnish as b\nprogram = b.Predict('review -> label')\n"
COMPILE = ("compile", "app:program", "--train", "train.jsonl", "--metric", "exact_match:label")


@pytest.fixture(name="told")
def _told(shell, reviews_):
    """The shell, with app.py and 150 rows."""
    (shell.folder / "app.py").write_text(APP)
    shell.rows("train.jsonl", reviews_(150))
    yield shell
    sys.modules.pop("app", None)
    sys.path[:] = [entry for entry in sys.path if entry != str(shell.folder)]


SMALL = (*COMPILE, "--budget", "calls=20", "-o", "out.json")
TOO_SMALL = "This budget is too small for a comparison"


def test_the_plan_stands_before_everything_else(told):
    planned = told("plan", *COMPILE[1:], "--budget", "calls=200", model="small")
    assert planned.code == 0
    ended = told(*COMPILE, "--budget", "calls=200", "-o", "out.json", model="small")
    assert ended.code == 0
    assert ended.err.startswith(planned.out)


def test_the_plan_is_shown_before_the_first_call(told, capsys):
    seen = []

    def first(messages, body):
        seen.append(capsys.readouterr().err)
        return "[[ ## label ## ]]\npositive\n\n[[ ## completed ## ]]"

    with ScriptedServer(first) as server:
        assert told(*SMALL, "--lm", "small", "--base-url", server.base_url).code == 0
    assert seen[0].startswith("Plan for 20 calls")


def test_a_budget_that_decides_nothing_is_warned_of_even_when_quiet(told):
    ended = told(*SMALL, "--quiet", model="small")
    assert ended.code == 0
    warnings = ended.err.splitlines()
    assert [line.split(":")[0] for line in warnings] == ["warning", "warning"]
    assert TOO_SMALL in warnings[0]
    assert "pays for no step of the search" in warnings[1]
    enough = told(*COMPILE, "--budget", "calls=200", "-o", "out.json", "--quiet", model="small")
    assert enough.err == ""


def test_a_compile_that_goes_on_says_its_plan_in_one_line(told):
    assert told(*SMALL, model="small").code == 0
    again = told(*SMALL, model="small").err.splitlines()
    assert again[0].startswith("Plan for 20 calls")
    assert [line.split(":")[0] for line in again[1:3]] == ["warning", "warning"]
    assert not any(line.startswith("part ") for line in again)


def test_the_verdict_is_printed_once_and_on_standard_output(told):
    ended = told(*SMALL, model="small")
    verdict = ended.out.splitlines()[0]
    assert verdict.startswith("inconclusive: ")
    assert verdict not in ended.err
    assert "paid calls: 18" in ended.err


def test_replies_that_do_not_parse_are_counted_once(told):
    (told.folder / "app.py").write_text(
        "import burnish as b\nfrom typing import Literal\n"
        "class S(b.Signature):\n    review: str = b.InputField()\n"
        "    label: Literal['positive', 'negative'] = b.OutputField()\nprogram = b.Predict(S)\n"
    )
    with ScriptedServer(lambda messages, body: "[[ ## label ## ]]\nperhaps\n\n[[ ## completed ## ]]") as server:
        ended = told(*SMALL, "--lm", "small", "--base-url", server.base_url)
    assert ended.code == 0, ended.err
    assert (ended.out + ended.err).count("replies that could not be used") == 1
    assert "replies that could not be used" in ended.out


def test_with_json_a_person_reads_the_verdict_on_stderr(told):
    ended = told(*SMALL, "--json", model="small")
    assert "\ninconclusive: " in ended.err
    assert ended.out.startswith("{")
