"""Reading any dspy program, binding candidates to copies of it, and values in and out."""

from __future__ import annotations

import asyncio
import copy
import datetime
import enum
import random
import threading
from typing import Literal, Optional, Union

import dspy
import pydantic
import pytest

from burnish.signatures.dspy_bridge import (
    BoundPredict,
    Called,
    bind,
    configured_lm,
    metric_context,
    metric_trace,
    prediction_to_json,
    read_program,
    run,
    schema_of,
    to_dspy,
    to_dspy_example,
    to_prediction,
)
from burnish.signatures.errors import BudgetSpent, ProgramError, ReplyError, SchemaError
from burnish.signatures.example import Example
from burnish.signatures.pipeline import Pipeline
from burnish.signatures.prompt import Demo, DemoRule
from burnish.signatures.schema import Schema


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


class Person(pydantic.BaseModel):
    """Somebody in the text."""

    title: str = pydantic.Field(description="how they are addressed")
    born: datetime.date
    friends: list[Person] = []


class Everything(dspy.Signature):
    """Read the text."""

    text: str = dspy.InputField(desc="what to read", max_length=100)
    limit: int = dspy.InputField(default=3)
    hint: Optional[str] = dspy.InputField()  # noqa: UP045
    label: Literal["positive", "negative"] = dspy.OutputField()
    mood: Mood = dspy.OutputField(desc="the writer's mood")
    people: list[Person] = dspy.OutputField()
    scores: dict[str, float] = dspy.OutputField()
    sure: bool = dspy.OutputField()
    when: datetime.datetime = dspy.OutputField()
    why: dspy.Reasoning = dspy.OutputField()


class Judge(dspy.Signature):
    """Judge the mood."""

    text: str = dspy.InputField()
    mood: Mood = dspy.OutputField()
    day: datetime.date = dspy.OutputField()


class Nested(dspy.Module):
    """Predictors wherever users put them."""

    def __init__(self):
        self.first = dspy.Predict("text -> topic")
        self.inner = Inner()
        self.rows = [[dspy.Predict("text -> a")], (dspy.ChainOfThought("text -> b"),)]
        self.named = {"x": dspy.Predict("text -> c"), "again": self.first}

    def forward(self, text):
        return self.first(text=text)


class Inner(dspy.Module):
    def __init__(self):
        self.judge = dspy.Predict(Judge)
        self._compiled = True

    def forward(self, text):
        return self.judge(text=text)


class TwoCalls(dspy.Module):
    def __init__(self):
        self.judge = dspy.Predict(Judge)
        self.reply = dspy.ChainOfThought("text, mood -> answer")

    def forward(self, text):
        mood = self.judge(text=text).mood
        return dspy.Prediction(answer=self.reply(text=text, mood=mood.value).answer, mood=mood)


ANSWERS = {"topic": "dogs", "mood": "good", "day": "2024-02-29", "reasoning": "so", "answer": "yes"}


def answers(path, inputs):
    return Called(ANSWERS, "text of the reply")


def state(module):
    return repr(
        [
            (name, leaf.signature.instructions, leaf.demos, leaf.config, leaf.lm)
            for name, leaf in module.named_predictors()
        ]
    )


# schema_of


def test_a_schema_holds_what_the_signature_says():
    schema = schema_of(Everything)
    text, limit, hint = schema.inputs
    assert (text.name, text.type_name, text.required) == ("text", "str", True)
    assert text.description == "what to read\nConstraints: maximum length: 100"
    assert text.is_text
    assert text.note == ""
    assert (limit.default, limit.required) == (3, False)
    assert (hint.default_json, hint.required) == (None, False)
    assert hint.json_schema == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    label, mood, people, scores, sure, when, why = schema.outputs
    assert label.note == "must exactly match (no extra characters) one of: positive; negative"
    assert (mood.note, mood.description) == ("must be one of: good; bad", "the writer's mood")
    assert people.note.startswith("must adhere to the JSON schema: {")
    assert scores.json_schema == {"additionalProperties": {"type": "number"}, "type": "object"}
    assert sure.note == "must be True or False"
    assert when.json_schema == {"format": "date-time", "type": "string"}
    assert why.is_text
    assert why.type_name == "str"


def test_titles_made_by_pydantic_are_dropped_and_a_property_named_title_stays():
    person = schema_of(Everything).by_name["people"].json_schema["$defs"]["Person"]
    assert set(person["properties"]) == {"title", "born", "friends"}
    assert person["properties"]["title"] == {"type": "string", "description": "how they are addressed"}
    assert "title" not in {key for key in person if key != "properties"}
    assert person["description"] == "Somebody in the text."


def test_all_ways_to_write_an_optional_type_give_the_same_digest():
    def digest(annotation):
        return schema_of(
            dspy.Signature({"q": (annotation, dspy.InputField()), "a": (str, dspy.OutputField())}, "Do.")
        ).digest

    assert digest(Optional[int]) == digest(Union[int, None]) == digest(Union[None, int]) == digest(int | None)  # noqa: UP007, UP045
    assert digest(Optional[int]) != digest(int)  # noqa: UP045


def test_the_order_of_an_enums_values_is_part_of_the_schema():
    forth = dspy.Signature({"q": (str, dspy.InputField()), "a": (Literal["x", "y"], dspy.OutputField())})
    back = dspy.Signature({"q": (str, dspy.InputField()), "a": (Literal["y", "x"], dspy.OutputField())})
    assert schema_of(forth).digest != schema_of(back).digest


def test_digests_are_the_same_on_every_python():
    """The constants were computed on Python 3.11; a digest that differs here would orphan every cached outcome."""
    assert schema_of(Everything).digest == "b782d8e963585c07f9ec97c9186501462bdfa16daed9e4378df69d08c3ea7e77"
    assert schema_of(Judge).digest == "13214726fe6dfb90f64eecc0f3585deca45f81565738aaa1d67cb7297759fd18"


def test_a_schema_survives_json():
    schema = schema_of(Everything)
    assert Schema.from_json(schema.to_json()) == schema


@pytest.mark.parametrize(
    "annotation",
    [dspy.Image, list[dspy.Audio], dspy.History, Optional[dspy.Tool], dspy.File, dspy.ToolCalls],  # noqa: UP045
)
def test_types_that_a_template_cannot_hold_are_refused_by_field_and_type(annotation):
    signature = dspy.Signature({"picture": (annotation, dspy.InputField()), "answer": (str, dspy.OutputField())})
    with pytest.raises(SchemaError, match=r"'picture'.*cannot be held by a template"):
        schema_of(signature)


def test_a_custom_type_inside_a_model_is_refused():
    class Page(pydantic.BaseModel):
        scan: dspy.Image

    signature = dspy.Signature({"page": (Page, dspy.InputField()), "answer": (str, dspy.OutputField())})
    with pytest.raises(SchemaError, match=r"'page'.*Image"):
        schema_of(signature)


def test_a_type_that_json_schema_cannot_say_is_refused():
    class Box(pydantic.BaseModel, arbitrary_types_allowed=True):
        thread: threading.Thread

    signature = dspy.Signature({"q": (Box, dspy.InputField()), "a": (str, dspy.OutputField())})
    with pytest.raises(SchemaError, match=r"'q'.*JSON Schema cannot say"):
        schema_of(signature)


def test_a_default_that_is_not_json_is_refused():
    signature = dspy.Signature({"q": (float, dspy.InputField(default=float("nan"))), "a": (str, dspy.OutputField())})
    with pytest.raises(SchemaError, match=r"'q'.*default that is not JSON"):
        schema_of(signature)


def test_a_default_factory_is_evaluated_once():
    signature = dspy.Signature(
        {"q": (list[str], dspy.InputField(default_factory=lambda: ["x"])), "a": (str, dspy.OutputField())}
    )
    assert schema_of(signature).by_name["q"].default == ["x"]


# read_program


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


class Holder(dspy.Module):
    def __init__(self, **members):
        self.step = dspy.Predict("text -> topic")
        vars(self).update(members)

    def forward(self, text):
        return self.step(text=text)


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


# bind and run


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


# Values in and out


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
