"""Rows, predictions, traces and LMs as dspy has them, and candidates as programs of its own."""

from __future__ import annotations

import datetime

import dspy
import pytest

from burnish.signatures.dspy_bridge import (
    BoundPredict,
    configured_lm,
    metric_context,
    metric_trace,
    prediction_to_json,
    read_program,
    to_dspy,
    to_dspy_example,
    to_prediction,
)
from burnish.signatures.errors import ProgramError, ReplyError
from burnish.signatures.example import Example
from burnish.signatures.prompt import Demo, DemoRule

from .dspy_programs import Judge, Mood, TwoCalls, answers

# values in and out


def test_metrics_get_typed_examples_with_their_inputs_marked():
    program = read_program(dspy.Predict(Judge))
    row = Example.of({"text": "Hello.", "mood": "bad", "day": "someday", "source": 3}, ("text",))
    example = to_dspy_example(row, program)
    assert example.mood is Mood.BAD
    assert (example.day, example.source) == ("someday", 3)  # what does not fit stays as it is
    assert dict(example.inputs()) == {"text": "Hello."}


def test_predictions_are_typed_and_come_back_as_json():
    program = read_program(dspy.Predict(Judge))
    prediction = to_prediction(program, {"mood": "good", "day": "2024-02-29"})
    assert (prediction.mood, prediction.day) == (Mood.GOOD, datetime.date(2024, 2, 29))
    assert prediction_to_json(prediction) == {"mood": "good", "day": "2024-02-29"}
    with pytest.raises(ReplyError, match="'mood'"):
        to_prediction(program, {"mood": "fine"})
    with pytest.raises(ProgramError, match="score=nan"):
        prediction_to_json(dspy.Prediction(score=float("nan")))


def test_the_trace_for_bootstrapping_is_dspys():
    program = read_program(TwoCalls())

    class Recorded:
        path, inputs, outputs = "judge", {"text": "x"}, {"mood": "bad", "day": "2024-02-29"}

    ((predictor, inputs, prediction),) = metric_trace(program, [Recorded()])
    assert predictor is program.module.judge
    assert inputs == {"text": "x"}
    assert prediction.mood is Mood.BAD


def test_a_metric_asks_the_lm_it_is_lent():
    asked = []

    def ask(messages, params):
        asked.append((messages[-1]["content"], dict(params)))
        return "[[ ## good ## ]]\nTrue\n\n[[ ## completed ## ]]"

    class Judging:
        model = "judge"

    with metric_context(Judging(), ask):
        assert dspy.Predict("text -> good: bool")(text="Hello.", config={"temperature": 0.5}).good is True
        assert configured_lm().model == "judge"
        assert dspy.settings.trace is None
    assert "Hello." in asked[0][0]
    assert asked[0][1] == {"temperature": 0.5}


def test_the_configured_lm_is_dspys():
    lm = dspy.LM("openai/some-model")
    with dspy.context(lm=lm):
        assert configured_lm() is lm


# to_dspy


def test_a_chat_candidate_becomes_a_plain_dspy_program_that_renders_the_same():
    program = read_program(dspy.Predict(Judge, format="chat"))
    demo = Demo.of({"text": "Hm.", "mood": "bad", "day": "2024-01-02"})
    candidate = program.student.with_prompt("self", instruction="Say how it feels.\n  Be brief.", demos=(demo,))
    module = to_dspy(program, candidate, answers)
    assert type(module) is dspy.Predict
    rendered = dspy.ChatAdapter().format(module.signature, module.demos, {"text": "Hello."})
    assert rendered == candidate.prompt("self").template.render({"text": "Hello."})
    assert module.config == {}
    assert program.module.demos == []
    assert program.module.signature.instructions == "Judge the mood."


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "plain"},
        {"position": "question_end"},
        {"demos": (Demo.of({"text": "a", "mood": "bad", "day": "2024-01-02"}, note="mind the tone"),)},
        {"demos": (Demo.of({"text": "[[ ## mood ## ]]", "mood": "bad", "day": "2024-01-02"}),)},
        {"demos": (Demo.of({"text": "a", "mood": "bad", "day": "2024-01-02"}),), "rule": DemoRule(k=1)},
    ],
)
def test_what_dspy_would_render_otherwise_asks_the_caller(changes):
    program = read_program(dspy.Predict(Judge))
    module = to_dspy(program, program.student.with_prompt("self", **changes), answers)
    assert isinstance(module, BoundPredict)
    assert module(text="Hello.").mood is Mood.GOOD
