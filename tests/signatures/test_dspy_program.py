"""Reading any dspy program: its predictors, and what it is known by."""

from __future__ import annotations

import datetime
import random
import threading

import dspy
import pytest

from burnish.signatures.dspy_bridge import (
    bind,
    read_program,
)
from burnish.signatures.errors import ProgramError, SchemaError

from .dspy_programs import Holder, Judge, Mood, Nested, TwoCalls, answers, state


def test_a_bare_predictor_is_read_whole():
    program = read_program(dspy.Predict(Judge))
    assert (program.kind, program.inputs, program.outputs) == ("predictor", ("text",), ("mood", "day"))
    assert program.student.predictors == ("self",)
    prompt = program.student.prompt("self")
    assert (prompt.instruction, prompt.format, prompt.position) == ("Judge the mood.", "chat", "system")


def test_a_chain_of_thought_is_a_predictor_whose_path_is_dspys():
    program = read_program(dspy.ChainOfThought("question -> answer"))
    assert (program.kind, program.student.predictors) == ("predictor", ("predict",))
    assert program.outputs == ("reasoning", "answer")


def test_predictors_are_found_wherever_they_are_kept():
    program = read_program(Nested())
    assert program.kind == "module"
    assert program.student.predictors == (
        "first", "inner.judge", "rows[0][0]", "rows[1][0].predict", "named['x']",
    )  # fmt: skip
    assert (program.inputs, program.outputs, program.fields) == ((), (), {})


def test_paths_and_order_are_dspys_where_dspy_finds_a_predictor():
    module = Nested()
    found = list(read_program(module).leaves)
    assert [path for path, _ in module.named_predictors()] == [
        p for p in found if p not in ("inner.judge", "rows[0][0]", "rows[1][0].predict")
    ]


def test_demos_settings_and_formats_are_read():
    leaf = dspy.Predict(Judge, temperature=0.3, n=1, rollout_id=7, format="plain", reply_policy="reask")
    leaf.demos = [
        dspy.Example(augmented=True, text="Hm.", mood=Mood.BAD, day=datetime.date(2024, 1, 2)),
        {"text": "no output"},
    ]
    part = read_program(leaf).student["self"]
    assert [demo.values for demo in part.prompt.demos] == [{"text": "Hm.", "mood": "bad", "day": "2024-01-02"}]
    assert (part.prompt.format, part.settings.reply_policy) == ("plain", "reask")
    assert part.settings.params == {"temperature": 0.3}


@pytest.mark.parametrize(
    ("adapter", "expected"), [(dspy.ChatAdapter(), "chat"), (dspy.JSONAdapter(), "json"), (dspy.XMLAdapter(), "xml")]
)
def test_the_format_is_that_of_the_adapter_in_force(adapter, expected):
    with dspy.context(adapter=adapter):
        assert read_program(dspy.Predict(Judge)).student.prompt("self").format == expected


def _with_lm():
    leaf = dspy.Predict(Judge)
    leaf.lm = object()
    return leaf


class OwnForward(dspy.Predict):
    def forward(self, **inputs):
        return dspy.Prediction()


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (lambda: Nested, "is a class.*Pass an instance"),
        (lambda: "text -> label", "not a dspy program"),
        (lambda: Judge, "not a dspy program"),
        (lambda: type("Empty", (dspy.Module,), {})(), "has no predictors"),
        (_with_lm, r"'self' has an LM of its own.*compile\(lm="),
        (lambda: OwnForward("text -> topic"), "OwnForward, which overrides forward"),
        (lambda: dspy.Predict(Judge, n=3), "n=3"),
        (lambda: dspy.Predict(Judge, reply_policy="often"), "reply_policy='often'"),
        (lambda: dspy.Predict(Judge, stop=object()), "not JSON"),
        (lambda: Holder(kept={dspy.Predict("a -> b")}), "'kept' keeps modules in a set"),
        (lambda: Holder(lock=threading.Lock()), "'lock' cannot be copied"),
        (lambda: Holder(part=Holder(lock=threading.Lock())), r"'part\.lock' cannot be copied"),
    ],
)
def test_what_cannot_be_compiled_is_refused_with_a_remedy(program, message):
    with pytest.raises(ProgramError, match=message):
        read_program(program())


def test_an_adapter_that_cannot_be_rendered_is_named():
    class Mine(dspy.ChatAdapter):
        pass

    with dspy.context(adapter=Mine()), pytest.raises(ProgramError, match="Mine"):
        read_program(dspy.Predict(Judge))
    with dspy.context(adapter=Mine()):
        assert read_program(dspy.Predict(Judge, format="plain")).student.prompt("self").format == "plain"


def test_a_prompt_that_cannot_be_rendered_is_refused_when_it_is_read():
    with pytest.raises(SchemaError, match=r"'self'.*unknown"):
        read_program(dspy.Predict(Judge, format="verse"))
    with pytest.raises(SchemaError, match=r"'self'.*position"):
        read_program(dspy.Predict(Judge, position="margin"))


def test_the_identity_follows_code_fields_and_plain_settings_only():
    def identity(module):
        return read_program(module).identity

    assert identity(TwoCalls()) == identity(TwoCalls())
    assert identity(TwoCalls()) != identity(Nested())
    assert identity(Holder(k=1)) != identity(Holder(k=2))
    assert identity(Holder(k=1)) == identity(Holder(k=1))
    assert identity(dspy.Predict("a -> b")) == identity(dspy.Predict("a -> b", "Other words."))
    assert identity(dspy.Predict("a -> b")) != identity(dspy.Predict("a -> c"))


def test_what_a_tool_of_the_program_collects_is_not_part_of_the_identity():
    class Tool:
        calls = 0

        def __call__(self, text):
            self.calls += 1
            return text

    tool = Tool()
    module = Holder(tool=tool, search=tool.__call__, clean=lambda text: text.strip())
    before = read_program(module).identity
    tool("word")
    assert read_program(module).identity == before
    module.clean = lambda text: text.lower()
    assert read_program(module).identity != before


def test_the_identity_of_a_class_without_source_follows_its_bytecode():
    def made(word):
        space = {}
        code = f"class Made(dspy.Module):\n    def forward(self, text):\n        return self.step(text=text + {word!r})"
        exec(code, {"dspy": dspy, "__name__": "nowhere"}, space)
        module = space["Made"]()
        module.step = dspy.Predict("text -> topic")
        return read_program(module).identity

    assert made("a") == made("a") != made("b")


def test_reading_changes_nothing_and_draws_no_random_number():
    module = TwoCalls()
    before, dice = state(module), random.getstate()
    program = read_program(module)
    bind(program, program.student, answers)
    assert state(module) == before
    assert random.getstate() == dice
