"""A loaded pipeline: its steps ask what was scored, and it gives the outputs of all of them."""

from __future__ import annotations

import datetime

import pytest

import burnish
from burnish import FrozenError
from burnish.testing import ScriptedLM


def test_a_pipeline_runs_whole_and_gives_the_outputs_of_all_steps(compiled_pipeline, saved):
    lm = ScriptedLM(
        {"Add them": "[[ ## total ## ]]\n3\n[[ ## completed ## ]]", "List": "[[ ## prices ## ]]\n[1, 2]\n"},
        model="small",
    )
    add = burnish.load(saved(compiled_pipeline()), lm=lm)
    result = add(text="One and two.")
    assert (add.inputs, add.outputs) == (("text",), ("prices", "total"))
    assert result.to_dict() == {"prices": [1, 2], "total": 3}
    assert len(lm.calls) == 2


def test_messages_of_a_pipeline_are_those_of_a_step(compiled_pipeline):
    compiled = compiled_pipeline()
    with pytest.raises(FrozenError, match=r"name one, to_messages.*'extract', 'add'"):
        compiled.to_messages(text="x")
    with pytest.raises(FrozenError, match="no predictor 'sum'"):
        compiled.to_messages("sum", text="x")
    assert "Add them up." in compiled.to_messages("add", text="x", prices=[1.0])[0]["content"]


@pytest.fixture
def shopping():
    """A pipeline that hands over nested values, and replies that spell them in an order of their own."""
    import dspy
    from pydantic import create_model

    Item = create_model("Item", name=str, price=(float, 1.0), since=(datetime.date | None, None))  # noqa: N806
    taken, given = burnish.InputField, burnish.OutputField
    extract = dspy.Signature({"text": (str, taken()), "items": (list[Item], given())}, "List what is sold.")
    add = dspy.Signature({"items": (list[Item], taken()), "total": (float, given())}, "Add the prices.")
    replies = {
        "Add the prices": "[[ ## total ## ]]\n3\n\n[[ ## completed ## ]]",
        "List what": '[[ ## reasoning ## ]]\nSo.\n\n[[ ## items ## ]]\n[{"price": 2, "name": "é", '
        '"since": "2024-02-29"}, {"name": "tea", "more": 1}]\n\n[[ ## completed ## ]]',
    }
    return burnish.Pipeline(extract=burnish.ChainOfThought(extract), add=add), replies, Item


def test_a_frozen_pipeline_asks_what_was_scored(shopping, saved):
    program, replies, _ = shopping
    scored = ScriptedLM(replies, model="small")
    rows = burnish.load_examples([{"text": f"Tea, é and {n}.", "total": 3.0} for n in range(40)], inputs=["text"])
    compiled = burnish.compile(
        program,
        trainset=rows,
        metric=burnish.numeric_match("total"),
        lm=scored,
        teleprompter=burnish.RandomDemos(formats=("chat",), sets=1),
        budget=burnish.Budget(calls=400),
        progress=False,
    )
    assert compiled.document["holds"] == "student"
    frozen = ScriptedLM(replies, model="small")
    result = burnish.load(saved(compiled), lm=frozen)(text="Tea, é and 7.")
    assert result.total == 3.0
    assert len(frozen.calls) == 2
    assert all(body in scored.calls for body in frozen.calls)


def test_a_pipeline_gives_plain_records_or_the_types_of_the_program_it_is_given(shopping, saved):
    from burnish.compiler.frozen.compiled import freeze
    from burnish.signatures.dspy_bridge import read_program

    program, replies, item = shopping
    read, verdict = read_program(program), {"decision": "keep"}
    path = saved(freeze(read, read.student, lm={"model": "small"}, verdict=verdict, evidence={}, provenance={}))
    bound, frozen = ScriptedLM(replies, model="small"), ScriptedLM(replies, model="small")
    with_types = burnish.load(path, lm=bound, program=program)(text="x")
    without = burnish.load(path, lm=frozen)(text="x")
    assert bound.calls == frozen.calls
    assert type(with_types["items"][0]) is item
    assert without["items"][0].since == with_types["items"][0].since == datetime.date(2024, 2, 29)
    assert without["items"][1].price == 1.0
    assert without.to_dict() == with_types.to_dict()
