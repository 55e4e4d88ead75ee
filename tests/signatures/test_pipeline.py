"""Pipelines: straight-line programs, checked when they are built."""

from __future__ import annotations

import asyncio
import copy

import dspy
import pytest

from burnish.signatures.dspy_bridge import Called, bind, read_program, run
from burnish.signatures.errors import SchemaError
from burnish.signatures.pipeline import Pipeline


class Extract(dspy.Signature):
    """List the facts."""

    text: str = dspy.InputField()
    facts: list[str] = dspy.OutputField()


class Answer(dspy.Signature):
    """Answer from the facts."""

    facts: list[str] = dspy.InputField()
    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


class Shorten(dspy.Signature):
    """Shorten the answer."""

    answer: str = dspy.InputField()
    words: int = dspy.InputField(default=5)
    short: str = dspy.OutputField()


REPLIES = {"facts": ["a", "b"], "reasoning": "because", "answer": "forty-two", "short": "42"}


def replies(path, inputs):
    return Called({**REPLIES, "reasoning": f"because of {path}"}, "")


def test_steps_are_wired_by_field_names():
    asked = []

    def call(path, inputs):
        asked.append((path, inputs))
        return replies(path, inputs)

    program = read_program(Pipeline(extract=Extract, answer_it=dspy.ChainOfThought(Answer), shorten=Shorten))
    result = run(bind(program, program.student, call), {"text": "t", "question": "q"})
    assert asked == [
        ("extract", {"text": "t"}),
        ("answer_it.predict", {"facts": ["a", "b"], "question": "q"}),
        ("shorten", {"answer": "forty-two"}),
    ]
    assert dict(result) == {
        "facts": ["a", "b"], "reasoning": "because of answer_it.predict", "answer": "forty-two", "short": "42",
    }  # fmt: skip


def test_the_program_takes_what_no_step_gives_and_gives_what_every_step_gives():
    pipeline = Pipeline(extract=Extract, answer_it=Answer, shorten=Shorten)
    assert (pipeline.inputs, pipeline.outputs) == (("text", "question", "words"), ("facts", "answer", "short"))
    program = read_program(pipeline)
    assert (program.kind, program.inputs, program.outputs) == ("pipeline", pipeline.inputs, pipeline.outputs)
    assert program.fields["words"].required is False


def test_the_spec_is_json_that_names_each_steps_path_and_fields():
    assert Pipeline(extract=Extract, answer_it=dspy.ChainOfThought(Answer)).spec == {
        "steps": [
            {"name": "extract", "path": "extract", "inputs": ["text"], "outputs": ["facts"]},
            {
                "name": "answer_it",
                "path": "answer_it.predict",
                "inputs": ["facts", "question"],
                "outputs": ["reasoning", "answer"],
            },
        ]
    }


def test_paths_are_those_that_dspy_gives_the_predictors():
    pipeline = Pipeline(extract="text -> facts: list[str]", answer_it=dspy.ChainOfThought(Answer))
    assert [name for name, _ in pipeline.named_predictors()] == [step["path"] for step in pipeline.spec["steps"]]


def test_a_pipeline_can_be_copied_and_its_copy_runs():
    program = read_program(copy.deepcopy(Pipeline(extract=Extract, answer_it=Answer)))
    assert run(bind(program, program.student, replies), {"text": "t", "question": "q"}).answer == "forty-two"


def test_a_pipeline_runs_async():
    program = read_program(Pipeline(extract=Extract, answer_it=dspy.ChainOfThought(Answer)))
    bound = bind(program, program.student, replies)
    assert asyncio.run(bound.acall(text="t", question="q")).answer == "forty-two"


def test_two_chains_of_thought_may_both_reason_and_the_result_holds_the_last():
    program = read_program(Pipeline(extract=dspy.ChainOfThought(Extract), answer_it=dspy.ChainOfThought(Answer)))
    result = run(bind(program, program.student, replies), {"text": "t", "question": "q"})
    assert result.reasoning == "because of answer_it.predict"
    with pytest.raises(SchemaError, match="'check' takes 'reasoning', which more than one step"):
        Pipeline(
            extract=dspy.ChainOfThought(Extract),
            answer_it=dspy.ChainOfThought(Answer),
            check="reasoning -> verdict",
        )


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ({}, "needs steps"),
        ({"extract": Extract, "again": Extract}, "'extract' and 'again' both give 'facts'"),
        ({"answer_it": Answer, "extract": Extract}, "'extract' gives 'facts', which is an input of the program"),
        ({"echo": "text -> text2", "loop": "text2 -> text"}, "'loop' gives 'text', which is an input"),
        (
            {"one": "text -> a", "two": "text: int -> b"},
            "'one' and 'two' both take the input 'text', as str and as int",
        ),
        ({"extract": Extract, "count": "facts: int -> n: int"}, r"'count' takes 'facts' as int, but step 'extract'"),
        ({"forward": Extract}, "cannot be called 'forward'"),
        ({"history": Extract}, "cannot be called 'history'"),
        ({"_step": Extract}, "cannot be called '_step'"),
        ({"extract": 3}, "step 'extract' is 3"),
        ({"extract": dspy.ReAct("text -> facts", tools=[])}, "step 'extract' is"),
    ],
)
def test_what_does_not_fit_is_refused_when_the_pipeline_is_built(steps, message):
    with pytest.raises(SchemaError, match=message):
        Pipeline(**steps)


@pytest.mark.parametrize(
    "taker",
    ["facts -> n", "facts: list[str] -> n", "facts: Optional[list[str]] -> n"],
)
def test_a_step_may_take_a_value_as_text_or_as_a_wider_type(taker):
    assert Pipeline(extract=Extract, use=taker).inputs == ("text",)


def test_an_integer_may_be_taken_as_a_float():
    assert Pipeline(count="text -> n: int", scale="n: float -> size: float").outputs == ("n", "size")


def test_missing_and_unknown_inputs_are_named_before_any_call():
    def never(path, inputs):
        raise AssertionError("called")

    program = read_program(Pipeline(extract=Extract, answer_it=Answer))
    bound = bind(program, program.student, never)
    with pytest.raises(SchemaError, match="needs the input 'question'"):
        run(bound, {"text": "t"})
    with pytest.raises(SchemaError, match=r"has no input 'colour'\. It takes: text, question"):
        run(bound, {"text": "t", "question": "q", "colour": "red"})
