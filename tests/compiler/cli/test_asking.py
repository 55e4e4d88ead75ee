"""What a command tells before it asks a model, and what it finds out without asking."""

from __future__ import annotations

import json
import re

import pytest

from burnish.compiler.cli import _parser
from burnish.compiler.cli.arguments import lm_of_file
from burnish.testing.servers import Faults

TWENTY = "rows.jsonl"
SCORED = ("--metric", "exact_match:label")


@pytest.fixture(name="files")
def _files(shell, compiled_program, reviews_):
    """new.json, which asks once a row, old.json, which may ask twice, and twenty rows."""
    compiled_program().save("new.json")
    compiled_program("Judge the review.", reply_policy="reask").save("old.json")
    shell.rows(TWENTY, reviews_(20))


def test_eval_says_who_is_asked_and_how_often_at_most_before_it_asks(shell, files):
    done = shell("eval", "new.json", TWENTY, *SCORED, model="small")
    assert done.code == 0, done.err
    first, *_, last = done.err.splitlines()
    assert first == "asking small: 20 rows, at most 20 calls before retries"
    assert last == "paid calls: 20; 0 were answered by the reply cache"
    assert "asking: 1 of 20 calls (5 %)" in done.err
    again = shell("eval", "new.json", TWENTY, *SCORED, model="small")
    assert again.err.splitlines()[-1] == "paid calls: 0; 20 were answered by the reply cache"


@pytest.mark.parametrize("command", ["eval", "recheck"])
def test_attempts_that_may_have_been_billed_are_on_the_bill(shell, files, command):
    shell.server.faults = Faults(reset=0.3, seed=2)
    done = shell(command, "new.json", TWENTY, *SCORED, model="small")
    assert done.code == 0, done.err
    lost = shell.server.billable - 20
    assert lost > 0
    assert "at most 20 calls before retries\n" in done.err
    assert done.err.splitlines()[-1] == (
        f"paid calls: 20, and {lost} that may have been billed without a reply; 0 were answered by the reply cache"
    )


@pytest.mark.parametrize("command", ["eval", "recheck"])
def test_with_a_budget_the_plan_tells_the_bound_of_all_attempts(shell, files, command):
    done = shell(command, "new.json", TWENTY, "--budget", "calls=50", *SCORED, model="small")
    assert "rows, at most 20 calls, 50 with retries\n" in done.err


@pytest.mark.parametrize("command", ["eval", "recheck"])
def test_equal_rows_are_planned_asked_and_billed_once(shell, files, command, reviews_):
    shell.rows("same.jsonl", reviews_(2) * 10)
    done = shell(command, "new.json", "same.jsonl", "--concurrency", "20", *SCORED, model="small")
    assert done.code == 0, done.err
    assert shell.server.requests == 2
    assert "20 rows (2 distinct), at most 2 calls before retries" in done.err.splitlines()[0]
    assert "asking: 1 of 2 calls (50 %)" in done.err
    assert done.err.splitlines()[-1] == "paid calls: 2; 0 were answered by the reply cache"


def test_a_budget_needs_no_more_calls_than_there_are_different_rows(shell, files, reviews_):
    shell.rows("same.jsonl", reviews_(2) * 10)
    done = shell("eval", "new.json", "same.jsonl", "--budget", "calls=2", *SCORED, model="small")
    assert done.err.startswith("asking small: 20 rows (2 distinct), at most 2 calls\n")


@pytest.mark.parametrize(("command", "calls"), [("recheck", 20), ("probe", 180)])
def test_recheck_and_probe_show_the_plan_then_how_far_they_are_and_what_was_paid(shell, files, command, calls):
    done = shell(command, "new.json", TWENTY, *SCORED, "--budget", f"calls={calls}", model="small")
    assert done.code == 0, done.err
    *plan, first, last = done.err.splitlines()
    assert f"{calls}" in plan[0] if command == "recheck" else any("at most" in line for line in plan)
    assert re.match(r"asking: 1 of \d+ calls \(\d+ %\)", first)
    assert last.startswith(f"paid calls: {shell.server.requests}; ")


def test_eval_against_plans_both_files_together(shell, files):
    done = shell("eval", "new.json", TWENTY, "--against", "old.json", *SCORED, model="small")
    assert done.err.startswith("asking small: 20 rows by 2 files, at most 60 calls before retries\n")
    assert shell.server.requests == 40


def test_a_budget_that_the_plan_exceeds_is_refused_before_the_first_call(shell, files):
    done = shell("eval", "old.json", TWENTY, "--budget", "calls=39", *SCORED, model="small")
    assert done.code == 1
    assert "at most 40 calls, and --budget allows 39. Give calls=40" in done.err
    assert shell.server.requests == 0
    assert shell("eval", "old.json", TWENTY, "--budget", "calls=40", *SCORED, model="small").code == 0
    assert "in calls alone" in shell("eval", "old.json", TWENTY, "--budget", "usd=1", *SCORED, model="small").err


@pytest.mark.parametrize("command", ["eval", "recheck", "probe"])
def test_quiet_leaves_stderr_empty(shell, files, command):
    done = shell(command, "new.json", TWENTY, "--quiet", *SCORED, model="small")
    assert (done.code, done.err) == (0, "")


def test_two_files_that_ask_the_same_are_told_so_without_a_call(shell, files, compiled_program):
    compiled_program().save("same.json")
    done = shell("eval", "new.json", TWENTY, "--against", "same.json", *SCORED, model="small")
    assert (done.code, done.out) == (0, "")
    assert "ask the same model the same" in done.err
    gate = shell("eval", "new.json", TWENTY, "--against", "same.json", "--fail-if-worse", *SCORED, model="small")
    assert (gate.code, gate.out) == (0, "pass: both ask the same model the same\n")
    assert shell.server.requests == 0


def test_files_of_other_inputs_or_outputs_are_refused_before_either_is_asked(shell, files, compiled_pipeline, reviews_):
    compiled_pipeline().save("prices.json")
    done = shell("eval", "new.json", TWENTY, "--against", "prices.json", *SCORED, model="small")
    assert done.code == 1
    assert "prices.json: row 1 of 20: the input 'text' is missing" in done.err
    both = shell.rows("both.jsonl", [{"text": "1 and 2", **row} for row in reviews_(3)])
    done = shell("eval", "new.json", both, "--against", "prices.json", *SCORED, model="small")
    assert "prices.json: metric exact_match('label') reads the output field 'label'" in done.err
    one = shell.rows("one.jsonl", reviews_(1))
    assert "needs at least two" in shell("eval", "new.json", one, "--against", "old.json", *SCORED, model="small").err
    assert shell.server.requests == 0


@pytest.mark.parametrize(
    "words",
    [
        ("run", "new.json", '{"review": "Fine."}'),
        ("eval", "new.json", TWENTY, *SCORED),
        ("recheck", "new.json", TWENTY, *SCORED),
    ],
)
def test_base_url_alone_asks_the_model_of_the_file_there(shell, files, words):
    done = shell(*words, "--base-url", shell.server.base_url)
    assert done.code == 0, done.err
    assert {body["model"] for body in shell.server.bodies} == {"small"}


def test_base_url_without_a_model_says_which_option_is_missing(shell, files, compiled_program):
    (shell.folder / "app.py").write_text("import burnish as b\nprogram = b.Predict('review -> label')\n")
    compile_ = ("plan", "app.py:program", "--train", TWENTY, "--metric", "exact_match:label")
    done = shell(*compile_, "--base-url", "http://127.0.0.1:1/v1")
    assert done.err == (
        "burnish: --base-url without --lm: add --lm MODEL, the name that the server has for the model.\n"
    )
    compiled_program(lm={"model": "local/tiny", "params": {}}).save("local.json")
    done = shell("run", "local.json", '{"review": "Fine."}', "--base-url", "http://127.0.0.1:1/v1")
    assert "local/tiny, runs in this process" in done.err


def test_base_url_is_the_encoders_where_the_model_of_the_file_runs_in_this_process(shell, compiled_program):
    compiled_program(lm={"model": "local/tiny", "params": {}}).save("local.json")
    given = ("local.json", "{}", "--base-url", "http://127.0.0.1:1/v1", "--encoder", "vectors")
    assert lm_of_file(_parser().parse_args(["run", *given]), "local.json") is None


def test_json_stays_alone_on_stdout(shell, files):
    done = shell("eval", "new.json", TWENTY, "--against", "old.json", "--json", *SCORED, model="small")
    printed = json.loads(done.out)
    assert list(printed["files"]) == ["new.json", "old.json"]
    assert printed["comparison"]["n"] == 20
