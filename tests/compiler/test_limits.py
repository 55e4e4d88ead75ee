"""What users may rely on at the edges: short of money, of time, of rows, and with servers and judges that refuse."""

from __future__ import annotations

import shutil
from functools import partial

import pytest

import burnish as b
from burnish.compiler.budget import Ledger
from burnish.compiler.lm.failures import ContentRefused, ContextOverflow, Permanent
from burnish.testing import ScriptedLM


def better_with_demos(prompt):
    return 0.9 if prompt.count("Review number") > 2 else 0.6


def judged(example, prediction):
    return float("yes" in b.judge(f"Is {prediction.label} right? {example.review}"))


def judged_with_trace(example, prediction, trace=None):
    return float("yes" in b.judge(f"Is {prediction.label} right? {example.review}"))


def judge():
    return ScriptedLM(lambda messages, body: "yes" if "1" in str(messages) else "no", model="judge")


# reports


@pytest.mark.parametrize("metric", [judged, judged_with_trace])
@pytest.mark.parametrize("calls", [150, 250, 400, 1500])
def test_a_report_with_a_judge_is_measured_or_left_out_with_a_note_and_never_an_error(
    compile_apart, program, reviewer, calls, metric
):
    lm, asked = reviewer(better_with_demos), judge()
    arguments = {"rows": 120, "judge_lm": asked, "report_metrics": [metric], "budget": b.Budget(calls=calls)}
    ran = compile_apart("report", program, lm, **arguments)
    assert len(lm.calls) + len(asked.calls) <= calls
    assert ran.compiled.verdict.pairs > 0
    left_out = [note for note in ran.evidence["notes"] if f"report of {metric.__name__} was left out" in note]
    assert (list(ran.compiled.verdict.report), len(left_out)) in (([metric.__name__], 0), ([], 1))
    assert calls < 1500 or not left_out, "this budget pays for it"
    sent = len(asked.calls)
    assert compile_apart("report", program, lm, **arguments).file == ran.file
    assert len(asked.calls) == sent


def test_a_report_whose_judge_costs_more_than_was_foreseen_is_left_out_with_a_note(compile_apart, program, reviewer):
    def thorough(example, prediction):
        return min(float("yes" in b.judge(f"{turn}: is {prediction.label} right?")) for turn in range(30))

    lm, asked = reviewer(better_with_demos), judge()
    ran = compile_apart(
        "report", program, lm, rows=120, judge_lm=asked, report_metrics=[thorough], budget=b.Budget(calls=600)
    )
    assert ran.compiled.verdict.pairs > 0
    assert ran.compiled.verdict.report == {}
    assert any("report of thorough was left out" in note for note in ran.evidence["notes"])
    assert len(lm.calls) + len(asked.calls) <= 600


# time


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("seconds", [0.02, 1, 5])
def test_when_its_seconds_are_over_the_search_stops_and_the_program_comes_back(
    compile_apart, program, reviewer, monkeypatch, concurrency, seconds
):
    lm = reviewer(better_with_demos)
    clock = lambda: 0.01 * len(lm.calls)  # noqa: E731 - a server that takes a hundredth of a second a call
    monkeypatch.setattr("burnish.compiler.work.Ledger", partial(Ledger, clock=clock))
    ran = compile_apart("timed", program, lm, rows=150, budget=b.Budget(seconds=seconds), concurrency=concurrency)
    assert ran.compiled.verdict.decision in ("ship", "keep", "inconclusive")
    assert clock() <= seconds + 0.01 * concurrency
    if seconds >= 5:
        assert ran.evidence["candidates"] > 1
        assert ran.compiled.verdict.pairs >= 12, "a part of the time is kept for the final comparison"


# rows


def test_a_holdout_of_ten_rows_is_the_reason_that_the_verdict_gives(compile_apart, program, reviews, reviewer):
    arguments = {
        "trainset": b.load_examples(reviews(100), inputs=["review"]),
        "holdout": b.load_examples(reviews(10, 500), inputs=["review"]),
        "budget": b.Budget(calls=2000),
    }
    reason = "holdout has 10 rows and a comparison needs 12: give more rows"
    plan = b.plan(program, lm=reviewer(better_with_demos), metric=b.exact_match("label"), **arguments)
    assert reason in str(plan)
    ran = compile_apart("ten", program, reviewer(better_with_demos), **arguments)
    assert ran.compiled.verdict.decision == "inconclusive"
    assert reason in str(ran.compiled.verdict)
    assert "Budget(" not in str(ran.compiled.verdict), "more money would not help"


def test_a_row_that_is_too_long_for_the_student_as_well_rejects_no_candidate(
    compile_apart, program, reviews, review_replies
):
    rows = reviews(90)
    for row in rows[::6]:
        row["review"] += " A very long review." * 400
    answer = review_replies(better_with_demos)

    def respond(messages, body):
        long = sum(len(str(message["content"])) for message in messages) > 6000
        return ContextOverflow("the prompt is too long", status=400) if long else answer(messages, body)

    ran = compile_apart(
        "long",
        program,
        ScriptedLM(respond),
        trainset=b.load_examples(rows, inputs=["review"]),
        budget=b.Budget(calls=900),
    )
    assert ran.evidence["failures"]["overflow"] > 0
    assert ran.evidence["candidates"] > 2
    assert ran.evidence["lineage"][-1]["number"] > 0, "the best is a candidate, not the student"


def test_a_candidate_that_is_too_long_where_the_student_is_not_is_still_rejected(
    compile_apart, program, review_replies
):
    answer = review_replies(better_with_demos)

    def respond(messages, body):
        has_demos = sum("Review number" in str(message["content"]) for message in messages) > 1
        return ContextOverflow("the prompt is too long", status=400) if has_demos else answer(messages, body)

    ran = compile_apart("demos", program, ScriptedLM(respond), budget=b.Budget(calls=400))
    assert ran.evidence["events"]["rejected"] > 0
    assert not ran.compiled.document["predictors"]["self"].get("demos")


# refusals


def test_an_optimizer_whose_server_refuses_n_is_asked_for_one_reply_at_a_time(compile_apart, program, reviewer):
    def respond(messages, body):
        if (body.get("n") or 1) > 1:
            return Permanent("HTTP 400: 'n': number must be at most 1", status=400)
        return f"Judge the film, seed {body.get('seed')}."

    writer = ScriptedLM(respond, model="writer")
    ran = compile_apart(
        "n",
        program,
        reviewer(better_with_demos),
        rows=80,
        optimizer_lm=writer,
        teleprompter=b.APE(),
        budget=b.Budget(calls=400),
    )
    assert ran.evidence["candidates"] > 2
    assert sum((body.get("n") or 1) > 1 for body in writer.calls) == 1, "found out once"


def test_an_optimizer_that_refuses_everything_stops_the_run_with_its_reason(compile_apart, program, reviewer):
    writer = ScriptedLM(lambda messages, body: Permanent("no such model", status=404), model="writer")
    with pytest.raises(b.LMError, match="no such model"):
        compile_apart(
            "gone",
            program,
            reviewer(better_with_demos),
            optimizer_lm=writer,
            teleprompter=b.APE(),
            budget=b.Budget(calls=400),
        )


def filtered():
    """A judge behind a content filter that lets one row in ten not pass."""
    return ScriptedLM(
        lambda messages, body: ContentRefused("filtered", status=400) if "7 of a" in str(messages) else "yes",
        model="judge",
    )


@pytest.mark.parametrize("refusal", [ContentRefused("filtered", status=400), ContextOverflow("too long", status=400)])
def test_a_judge_that_refuses_a_row_is_a_metric_error_that_says_what_to_do(compile_apart, program, reviewer, refusal):
    with pytest.raises(b.MetricError, match=r"judge.*would not answer.*Catch burnish\.MetricError"):
        compile_apart(
            "refused",
            program,
            reviewer(better_with_demos),
            metric=judged,
            judge_lm=ScriptedLM(lambda messages, body: refusal, model="judge"),
            budget=b.Budget(calls=200),
        )


def test_a_metric_may_catch_the_refusal_of_its_judge_and_say_what_the_row_is_worth(compile_apart, program, reviewer):
    def lenient(example, prediction):
        try:
            return judged(example, prediction)
        except b.MetricError:
            return 0.25

    ran = compile_apart(
        "caught",
        program,
        reviewer(better_with_demos),
        metric=lenient,
        judge_lm=filtered(),
        budget=b.Budget(calls=300),
    )
    assert 0.25 < ran.evidence["dev"]["student"] < 1
    assert ran.evidence["failures"] == {}


# going on


@pytest.mark.parametrize("stop", [5, 60, 150])
def test_a_run_with_free_cached_replies_goes_on_to_the_file_that_it_would_have_had(
    compile_apart, program, review_replies, tmp_path, stop
):
    answer = review_replies(better_with_demos)
    search = b.RandomDemos()  # which goes on when a candidate is right everywhere
    compile_apart("warm", program, ScriptedLM(answer), budget=b.Budget(calls=100), teleprompter=search)
    for name in ("whole", "stopped"):
        shutil.copytree(tmp_path / "cache warm", tmp_path / f"cache {name}")
    free = {"budget": b.Budget(calls=200, cached="free"), "concurrency": 1, "teleprompter": search}
    lm = ScriptedLM(answer)
    whole = compile_apart("whole", program, lm, **free)
    assert stop < len(lm.calls) <= 200
    assert whole.calls > 200, "what other runs had paid for was spent on more search"

    dying = ScriptedLM(
        lambda m, body: answer(m, body) if len(dying.calls) <= stop else Permanent("revoked", status=401)
    )
    with pytest.raises(b.LMError, match="revoked"):
        compile_apart("stopped", program, dying, **free)
    again = ScriptedLM(answer)
    ran = compile_apart("stopped", program, again, **free)
    assert ran.file == whole.file
    assert stop + len(again.calls) == len(lm.calls)
