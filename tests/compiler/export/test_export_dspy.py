from __future__ import annotations

import json
from typing import Literal

import dspy
import pytest
from pydantic import BaseModel

import burnish
from burnish import CompiledProgram, FrozenError
from burnish.compiler.frozen.compiled import freeze
from burnish.signatures.dspy_bridge import read_program
from burnish.signatures.prompt import DemoRule


class Item(BaseModel):
    name: str
    price: float


class Classify(dspy.Signature):
    """Placeholder."""

    review: str = dspy.InputField(desc="of a film")
    items: list[Item] = dspy.InputField()
    hint: str | None = dspy.InputField(default=None)
    label: Literal["good", "bad"] = dspy.OutputField(desc="how it\nis")


DEMO = dspy.Example(review="Größe\t`x` {y}", items=[Item(name="é", price=1.0)], hint=None, label="good")
INPUTS = {"review": "It's «fine» {x}\n$HOME", "items": [Item(name='"a"', price=2.5)]}


def saved(program, tmp_path, instruction="Judge\n\tthe {film}.", demos=(DEMO,), **changes):
    """The file of a compile that found this instruction and these demonstrations for every predictor."""
    for _, leaf in program.named_predictors():
        leaf.demos = list(demos)
    read = read_program(program)
    candidate = read.student
    for path in candidate.predictors:
        candidate = candidate.with_prompt(path, instruction=instruction, **changes)
    lm = {"model": "small", "params": {"temperature": 0.5, "max_tokens": 77}}
    compiled = freeze(read, candidate, lm=lm, verdict={"decision": "keep"}, evidence={}, provenance={})
    return compiled.save(tmp_path / "compiled.json")


def restored(path, program, tmp_path):
    """A new program of the user's into which dspy has loaded the exported state."""
    state = tmp_path / "state.json"
    state.write_text(CompiledProgram.load(path).export("dspy"), encoding="utf-8")
    program.load(state)
    return program


def rendered(predict, **inputs):
    return dspy.ChatAdapter().format(predict.signature, predict.demos, inputs)


@pytest.mark.parametrize("inputs", [INPUTS, {**INPUTS, "hint": "Ironic?"}])
def test_dspy_renders_the_same_messages_from_the_loaded_state(tmp_path, inputs):
    path = saved(dspy.Predict(Classify), tmp_path)
    predict = restored(path, dspy.Predict(Classify), tmp_path)
    given = {"hint": None, **inputs}  # dspy fills in the default itself
    assert rendered(predict, **given) == CompiledProgram.load(path).to_messages(**given)


def test_dspy_sends_the_same_messages_and_parameters(tmp_path, sent):
    path = saved(dspy.Predict(Classify), tmp_path)
    expected = sent(path, **INPUTS, hint=None)
    predict = restored(path, dspy.Predict(Classify), tmp_path)
    lm = dspy.LM("openai/small", api_base=sent.server.base_url, api_key="no-key", cache=False)
    with dspy.context(lm=lm, adapter=dspy.ChatAdapter()):
        assert predict(**INPUTS).label == "good"
    body = sent.server.bodies.pop()
    body["max_tokens"] = body.pop("max_completion_tokens")  # how dspy calls it
    assert body == expected


def test_a_chain_of_thought_and_a_pipeline_take_their_states_by_path(tmp_path):
    def fresh():
        return burnish.Pipeline(
            find=dspy.ChainOfThought("text -> topic"), tell=dspy.Signature("topic -> length: int", "Count.")
        )

    path = saved(fresh(), tmp_path, demos=())
    compiled, pipeline = CompiledProgram.load(path), restored(path, fresh(), tmp_path)
    assert rendered(pipeline.find.predict, text="Tea.") == compiled.to_messages("find.predict", text="Tea.")
    assert rendered(pipeline.tell, topic="Tea.") == compiled.to_messages("tell", topic="Tea.")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": "plain"}, "its format is 'plain'"),
        ({"position": "question_end"}, "its instruction stands at 'question_end'"),
        ({"rule": DemoRule("bm25", 1)}, "picked anew for each query by 'bm25'"),
    ],
)
def test_what_dspy_cannot_send_is_refused_with_the_reason_and_what_to_do(tmp_path, changes, reason):
    path = saved(dspy.Predict(Classify), tmp_path, **changes)
    with pytest.raises(FrozenError, match=rf"(?s)'self'.*{reason}.*to_dspy\(\)"):
        CompiledProgram.load(path).export("dspy")


def test_notes_and_disarmed_marks_in_demonstrations_are_refused(awkward):
    with pytest.raises(FrozenError, match="notes"):
        awkward(note="Too long.").export("dspy")
    with pytest.raises(FrozenError, match="disarms"):
        awkward(demo="[[ ## label ## ]]").export("dspy")


def test_one_predictor_alone_is_refused(awkward):
    with pytest.raises(FrozenError, match="leave out --predictor"):
        awkward(paths=("a", "b")).export("dspy", predictor="a")


def test_a_predictor_that_dspy_does_not_look_for_is_refused(awkward):
    with pytest.raises(FrozenError, match="lists within lists"):
        awkward(paths=("steps[0][1]", "b")).export("dspy")


def test_the_state_names_no_server_and_no_key(awkward):
    state = json.loads(awkward().export("dspy"))
    assert state["lm"] is None
    assert state["config"] == {"temperature": 0.5, "max_tokens": 100, "stop": ["'#"]}
