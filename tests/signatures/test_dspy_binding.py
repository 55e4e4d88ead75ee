"""Binding candidates to copies of a dspy program, and running them."""

from __future__ import annotations

import asyncio
import copy
import datetime
import threading

import dspy
import pydantic
import pytest

from burnish.signatures.dspy_bridge import (
    BoundPredict,
    Called,
    bind,
    read_program,
    run,
    to_prediction,
)
from burnish.signatures.errors import BudgetSpent, ProgramError, ReplyError
from burnish.signatures.pipeline import Pipeline
from burnish.signatures.prompt import Demo

from .dspy_programs import Holder, Judge, Mood, Nested, TwoCalls, answers, state


def test_a_bound_program_asks_the_caller_and_gets_typed_values():
    asked = []

    def call(path, inputs):
        asked.append((path, inputs))
        return answers(path, inputs)

    program = read_program(TwoCalls())
    result = run(bind(program, program.student, call), {"text": "Hello."})
    assert asked == [("judge", {"text": "Hello."}), ("reply.predict", {"text": "Hello.", "mood": "good"})]
    assert result.mood is Mood.GOOD
    assert result.answer == "yes"


def test_a_bare_predictor_binds_and_types_its_outputs():
    program = read_program(dspy.Predict(Judge))
    result = run(bind(program, program.student, answers), {"text": "Hello."})
    assert (result.mood, result.day) == (Mood.GOOD, datetime.date(2024, 2, 29))
    assert result.completions.mood == [Mood.GOOD]


def test_the_users_program_is_never_mutated():
    module = Nested()
    before = state(module)
    program = read_program(module)
    candidate = program.student.with_prompt(
        "first", instruction="Other.", demos=(Demo.of({"text": "a", "topic": "b"}),)
    )
    bound = bind(program, candidate, answers)
    run(bound, {"text": "Hello."})
    assert state(module) == before
    assert not isinstance(module.first, BoundPredict)
    assert isinstance(bound.rows[0][0], BoundPredict)
    assert isinstance(bound.inner.judge, BoundPredict)


def test_a_shared_predictor_stays_shared_in_the_copy():
    program = read_program(Nested())
    bound = bind(program, program.student, answers)
    assert bound.first is bound.named["again"]


def test_calls_are_appended_to_dspys_trace():
    program = read_program(TwoCalls())
    bound = bind(program, program.student, answers)
    with dspy.context(trace=[]):
        bound(text="Hello.")
        trace = dspy.settings.trace
    assert [predictor for predictor, _, _ in trace] == [bound.judge, bound.reply.predict]
    assert trace[0][1] == {"text": "Hello."}
    assert trace[0][2].mood is Mood.GOOD
    with dspy.context(trace=None):
        assert bound(text="Hello.").answer == "yes"


def test_async_programs_run_and_their_calls_do_not_block_the_loop():
    class Both(dspy.Module):
        def __init__(self):
            self.step = dspy.Predict("text -> topic")

        async def aforward(self, text):
            one, two = await asyncio.gather(self.step.acall(text=text), self.step.acall(text=text))
            return dspy.Prediction(topics=[one.topic, two.topic])

    threads = set()
    together = threading.Barrier(2, timeout=20)

    def call(path, inputs):
        threads.add(threading.current_thread())
        together.wait()  # passes only when both calls are under way at once
        return answers(path, inputs)

    program = read_program(Both())
    result = run(bind(program, program.student, call), {"text": "x"})
    assert result.topics == ["dogs", "dogs"]
    assert threading.main_thread() not in threads


def test_an_async_program_runs_also_where_a_loop_is_already_running():
    class OnlyAsync(dspy.Module):
        def __init__(self):
            self.step = dspy.Predict("text -> topic")

        async def aforward(self, text):
            return await self.step.acall(text=text)

    program = read_program(OnlyAsync())
    bound = bind(program, program.student, answers)

    async def notebook():
        return run(bound, {"text": "x"})

    assert asyncio.run(notebook()).topic == "dogs"


class Overriding(dspy.Module):
    def __init__(self, **override):
        self.step = dspy.Predict("text -> topic")
        self.override = override

    def forward(self, text):
        return self.step(text=text, **self.override)


@pytest.mark.parametrize(
    "override", [{"demos": [1]}, {"config": {"temperature": 1}}, {"signature": "a -> b"}, {"lm": "some model"}]
)
def test_overrides_of_one_call_are_refused_with_their_path(override):
    program = read_program(Overriding(**override))
    with pytest.raises(ProgramError, match=f"'step' is called with {next(iter(override))}="):
        run(bind(program, program.student, answers), {"text": "x"})


def test_another_lm_inside_the_program_is_refused_with_the_predictors_path():
    class Cheap(Holder):
        def forward(self, text):
            with dspy.context(lm=dspy.LM("openai/cheap")):
                return self.step(text=text)

    program = read_program(Cheap())
    with pytest.raises(ProgramError, match="'step' is given an LM"):
        run(bind(program, program.student, answers), {"text": "x"})


def test_an_lm_call_around_the_predictors_is_refused():
    class Hidden(Holder):
        def forward(self, text):
            return dspy.Predict("text -> topic")(text=text)

    program = read_program(Hidden())
    with pytest.raises(ProgramError, match="Assign each predictor to an attribute"):
        run(bind(program, program.student, answers), {"text": "x"})


def test_programs_that_resample_copies_of_their_parts_run(capsys):
    best = dspy.BestOfN(dspy.Predict("text -> topic"), N=3, reward_fn=lambda inputs, prediction: 0.0, threshold=1.0)
    asked = []

    def call(path, inputs):
        asked.append(path)
        return answers(path, inputs)

    program = read_program(best)
    assert run(bind(program, program.student, call), {"text": "x"}).topic == "dogs"
    assert asked == ["module"] * 3


def test_inputs_that_are_no_fields_are_ignored_and_typed_inputs_pass_as_they_are():
    asked = []

    class Passing(Holder):
        def forward(self, text):
            return self.step(text=text, unknown=1)

    def call(path, inputs):
        asked.append(inputs)
        return answers(path, inputs)

    program = read_program(Passing())
    day = datetime.date(2024, 1, 1)
    run(bind(program, program.student, call), {"text": day})
    assert asked == [{"text": day}]


def test_an_output_that_does_not_fit_its_annotation_is_a_reply_error():
    program = read_program(dspy.Predict(Judge))
    bound = bind(program, program.student, lambda path, inputs: Called({"mood": "good", "day": "soon"}, ""))
    with pytest.raises(ReplyError, match="field 'day'"):
        run(bound, {"text": "x"})


def test_strict_models_take_json_values():
    class Strict(pydantic.BaseModel, strict=True):
        day: datetime.date

    signature = dspy.Signature({"text": (str, dspy.InputField()), "entry": (Strict, dspy.OutputField())})
    program = read_program(dspy.Predict(signature))
    bound = bind(program, program.student, lambda path, inputs: Called({"entry": {"day": "2024-02-29"}}, ""))
    assert run(bound, {"text": "x"}).entry.day == datetime.date(2024, 2, 29)


def test_an_agent_of_dspys_own_runs():
    def lookup(word: str) -> str:
        """Look a word up."""
        return f"{word} is a dog"

    turns = iter(
        [
            {"next_thought": "look", "next_tool_name": "lookup", "next_tool_args": {"word": "Rex"}},
            {"next_thought": "done", "next_tool_name": "finish", "next_tool_args": {}},
            {"reasoning": "so", "answer": "a dog"},
        ]
    )
    program = read_program(dspy.ReAct("question -> answer", tools=[lookup]))
    result = run(bind(program, program.student, lambda path, inputs: Called(next(turns), "")), {"question": "Rex?"})
    assert result.answer == "a dog"
    assert result.trajectory["observation_0"] == "Rex is a dog"


def test_what_the_caller_or_the_program_raises_passes_through():
    def spent(path, inputs):
        raise BudgetSpent

    class Swallowing(Holder):
        def forward(self, text):
            try:
                return self.step(text=text)
            except Exception:  # noqa: BLE001 - what users write
                return dspy.Prediction(topic="swallowed")

    program = read_program(Swallowing())
    with pytest.raises(BudgetSpent):
        run(bind(program, program.student, spent), {"text": "x"})
    with pytest.raises(TypeError, match="unexpected keyword"):
        run(bind(program, program.student, answers), {"wrong": "x"})


def test_a_program_that_returns_something_else_is_refused():
    class Plain(Holder):
        def forward(self, text):
            return self.step(text=text).topic

    program = read_program(Plain())
    with pytest.raises(ProgramError, match="returned str 'dogs'"):
        run(bind(program, program.student, answers), {"text": "x"})


def test_a_candidate_of_another_program_is_refused():
    other = read_program(TwoCalls()).student
    program = read_program(dspy.Predict(Judge))
    with pytest.raises(ProgramError, match=r"judge, reply\.predict; the program has self"):
        bind(program, other, answers)


def test_a_bound_program_can_be_copied_and_keeps_its_caller():
    program = read_program(TwoCalls())
    twin = copy.deepcopy(bind(program, program.student, answers))
    assert run(twin, {"text": "x"}).answer == "yes"


def test_a_pipeline_binds_and_types_across_its_steps():
    program = read_program(Pipeline(judge=Judge, reply=dspy.ChainOfThought("text, mood: Mood -> answer")))
    assert program.kind == "pipeline"
    result = run(bind(program, program.student, answers), {"text": "Hello."})
    assert (result.mood, result.answer) == (Mood.GOOD, "yes")
    assert to_prediction(program, {"mood": "bad"}).mood is Mood.BAD
