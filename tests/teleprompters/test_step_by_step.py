from __future__ import annotations

import pytest

import burnish as b
from burnish.signatures.errors import BudgetSpent, SchemaError
from burnish.teleprompters import Sizes
from burnish.teleprompters.step_by_step import TRIGGERS, StepByStep
from burnish.testing import ScriptedLM

REASONER = {"self": (("review",), ("reasoning", "label"))}


def by_trigger(candidate, row):
    instruction = candidate.prompt(candidate.predictors[0]).instruction
    return {0: 0.9, 1: 0.4, 2: 0.6}.get(next((n for n, one in enumerate(TRIGGERS) if one in instruction), 3), 0.5)


def test_each_trigger_is_scored_behind_the_instruction_and_the_best_stays(bench, make_student):
    world = bench(by_trigger, given=make_student(**REASONER))
    rounds = list(StepByStep().search(world))
    assert [done.name for done in rounds] == [f"self: {trigger}" for trigger in TRIGGERS]
    best = rounds[-1].best.candidate.prompt("self")
    assert best.instruction == f"Classify the review.\n\n{TRIGGERS[0]}"
    origins = [origin for _, origin, _ in world.recorded if origin]
    assert [origin.detail["trigger"] for origin in origins] == list(TRIGGERS)
    assert world.asked == []
    assert len(world.executed) == 4 * 10


def test_where_no_trigger_helps_the_instruction_stays(bench, make_student):
    world = bench(
        lambda candidate, row: 1.0 - len(candidate["self"].prompt.instruction) / 1000, given=make_student(**REASONER)
    )
    *_, last = StepByStep().search(world)
    assert last.best.candidate == world.student


def test_only_predictors_that_reason_get_a_trigger_one_after_the_other(bench, make_student):
    student = make_student(
        first=(("review",), ("reasoning", "note")), plain=(("note",), ("gist",)), last=(("gist",), ("why", "label"))
    )
    world = bench(lambda candidate, row: 0.5, given=student)
    rounds = list(StepByStep(triggers=("Think.",)).search(world))
    assert [done.name for done in rounds] == ["first: Think.", "last: Think."]


def test_triggers_that_do_not_fit_the_budget_are_left_out(bench, make_student):
    world = bench(by_trigger, given=make_student(**REASONER), budget=25)
    with pytest.raises(BudgetSpent):
        list(StepByStep(triggers=TRIGGERS[:1]).search(bench(by_trigger, given=make_student(**REASONER), budget=15)))
    assert len(list(StepByStep().search(world))) == 1


def test_a_program_without_room_to_think_is_refused_before_any_call(make_student, tmp_path):
    assert "ChainOfThought" in StepByStep().refusal(make_student())
    lm = ScriptedLM(["never"])
    with pytest.raises(SchemaError, match="ChainOfThought"):
        b.compile(
            b.Predict("question -> answer"),
            trainset=[{"question": f"q{n}", "answer": "a"} for n in range(40)],
            metric=b.exact_match("answer"),
            lm=lm,
            teleprompter=StepByStep(),
            budget=b.Budget(calls=100),
            run_dir=tmp_path,
            progress=False,
        )
    assert lm.calls == []


def test_the_forecast_and_settings():
    forecast = StepByStep().forecast(Sizes(pool=10, dev=20, predictors=2, executions=10_000))
    assert (forecast.asks, forecast.executions) == (0, 140)
    for wrong in ((), ("",), "Think."):
        with pytest.raises(ValueError, match="triggers"):
            StepByStep(triggers=wrong)


def test_later_predictors_begin_only_with_what_can_be_scored_whole(bench, make_student):
    student = make_student(first=(("review",), ("reasoning", "note")), last=(("note",), ("why", "label")))
    world = bench(lambda candidate, row: 0.5, given=student, budget=25)
    assert [done.name for done in StepByStep(triggers=("Think.",)).search(world)] == ["first: Think."]
    assert world.budget == 5
