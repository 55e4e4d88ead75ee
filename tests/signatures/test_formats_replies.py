"""Formats: which replies are understood, and what is said of those that are not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.signatures.canonical import canonical
from burnish.signatures.errors import ReplyError
from burnish.signatures.formats import FORMATS
from burnish.signatures.prompt import POSITIONS, Demo
from burnish.signatures.schema import Field, Schema

from .format_prompts import DEMO, LABEL, NAMED, REASONED, SENTIMENT, template

TYPES: dict[str, dict[str, Any]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "Choice": {"enum": ["yes", "no", 'it\'s "so"'], "type": "string"},
    "list": {"type": "array", "items": {"type": "string"}},
    "Model": {"type": "object", "properties": {"name": {"type": "string"}, "size": {"type": "integer"}}},
    "date": {"type": "string", "format": "date"},
}
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "str": TEXT.map(str.strip).filter(bool),
    "int": st.integers(),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "bool": st.booleans(),
    "Choice": st.sampled_from(TYPES["Choice"]["enum"]),
    "list": st.lists(TEXT, max_size=3),
    "Model": st.fixed_dictionaries({"name": TEXT, "size": st.integers()}),
    "date": st.dates().map(str),
}


@st.composite
def answers(draw: Any) -> tuple[Schema, dict[str, Any]]:
    kinds = draw(st.lists(st.sampled_from(list(TYPES)), min_size=1, max_size=3))
    fields = tuple(Field(f"out_{i}", canonical(TYPES[kind]), type_name=kind) for i, kind in enumerate(kinds))
    return Schema((Field("review"),), fields), {f"out_{i}": draw(VALUES[kind]) for i, kind in enumerate(kinds)}


@pytest.mark.parametrize("name", FORMATS)
@settings(deadline=None, max_examples=40)
@given(answers(), st.sampled_from(POSITIONS))
def test_the_answer_of_a_demonstration_is_read_back_whole(name: str, answer: Any, position: Any) -> None:
    schema, values = answer
    if name == "bare":
        schema, values = Schema(schema.inputs, schema.outputs[:1]), {"out_0": values["out_0"]}
    made = template(schema, "Judge it.", Demo.of({"review": "x", **values}), format=name, position=position)
    reply = made.demos[0][1].parts[0]
    assert isinstance(reply, str)
    assert made.parse(reply) == values


@pytest.mark.parametrize(
    ("name", "reply"),
    [
        ("chat", "Sure.\n[[ ## reasoning ## ]]\nIt is.\n\n[[ ## label ## ]]\nPositive.\n"),
        ("chat", "[[ ## reasoning ## ]] It is.\n  [[ ## label ## ]] positive\n[[ ## label ## ]]\nnegative"),
        ("plain", "It is.\nLabel: positive"),
        ("plain", "Reasoning: It is.\n\nLABEL : Positive\nReview: And another one\nLabel: negative"),
        ("plain", "\nreasoning: It is.\nlabel: 'positive'\nBecause of that."),
        ("xml", "<reasoning>It is.</reasoning>\n<label>positive</label>"),
        ("xml", "Well: <reasoning>It is.</reasoning> so <label> positive"),
        ("xml", "<reasoning>It is.\n<label>positive</label>"),
        ("json", '{"reasoning": "It is.", "label": "positive"}'),
        ("json", 'Like {this}: ```json\n{"label": "Positive", "reasoning": "It is."}\n```'),
        ("json", "{'reasoning': 'It is.', 'label': 'positive', 'more': 1,}"),
    ],
)
def test_replies_that_are_a_little_off_are_understood(name: str, reply: str) -> None:
    assert template(REASONED, format=name).parse(reply) == {"reasoning": "It is.", "label": "positive"}


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("positive", "positive"),
        ("Positive.\nThe review says so.", "positive"),
        ("\n Label: negative\n", "negative"),
        ("negative\n\nReview: Great film.\nLabel: positive", "negative"),
    ],
)
def test_plain_reads_a_single_output_with_and_without_its_label(reply: str, label: str) -> None:
    assert template(SENTIMENT, format="plain").parse(reply) == {"label": label}


@pytest.mark.parametrize(
    "reply",
    ["positive", " Positive. ", '"positive"', "\n\npositive\nThe review says so.", "POSITIVE\n\nAwful.\nnegative"],
)
def test_bare_reads_a_value_from_the_whole_reply_or_from_its_first_line(reply: str) -> None:
    assert template(SENTIMENT, format="bare").parse(reply) == {"label": "positive"}


@pytest.mark.parametrize("name", ["bare", "plain"])
def test_the_whole_reply_is_read_into_a_single_text_output(name: str) -> None:
    made = template(Schema((Field("review"),), (Field("answer"),)), format=name)
    assert made.parse("  Two\n\nparagraphs: yes. ") == {"answer": "Two\n\nparagraphs: yes."}


def test_bare_reads_a_reply_that_looks_like_another_formats_as_the_text_it_is() -> None:
    made = template(Schema((Field("review"),), (Field("answer"),)), format="bare")
    for reply in ("Answer: yes", "[[ ## answer ## ]]\nyes", "<answer>yes</answer>", '{"answer": "yes"}'):
        assert made.parse(reply) == {"answer": reply}


@pytest.mark.parametrize("name", ["bare", "plain"])
def test_what_is_wrong_with_an_object_of_several_lines_is_said_of_the_whole_of_it(name: str) -> None:
    form = canonical({"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]})
    made = template(Schema((Field("review"),), (Field("shoe", form, type_name="Shoe"),)), format=name)
    with pytest.raises(ReplyError, match=r"'shoe.size' must be an integer; got 'big'"):
        made.parse('{\n "size": "big"\n}')


@pytest.mark.parametrize(
    ("name", "reply", "reason"),
    [
        ("chat", "positive", "the reply has no field 'reasoning': write the line [[ ## reasoning ## ]]"),
        (
            "chat",
            "[[ ## reasoning ## ]]\nx\n[[ ## label ## ]]\ngood",
            "field 'label' must be one of 'positive', 'negative'",
        ),
        ("plain", "It is so.", "the reply has no line that begins with 'Label:'"),
        ("plain", "x\nLabel: good", "field 'label' must be one of 'positive', 'negative'; got 'good'"),
        ("xml", "<reasoning>x</reasoning>", "the reply has no field 'label': write <label>"),
        ("json", "positive", "the reply holds no JSON object"),
        ("json", '{"reasoning": "x"}', "the JSON object of the reply has no key 'label'"),
        ("json", '{"reasoning": "x", "label": 1}', "field 'label' must be one of 'positive', 'negative'; got 1"),
    ],
)
def test_a_reply_that_cannot_be_used_gives_a_reason_to_act_on(name: str, reply: str, reason: str) -> None:
    with pytest.raises(ReplyError) as caught:
        template(REASONED, format=name).parse(reply)
    assert reason in str(caught.value)


def test_half_a_surrogate_pair_in_a_reply_is_refused_for_no_request_could_hold_it() -> None:
    for name, reply in (
        ("json", '{"reasoning": "\\ud800", "label": "positive"}'),
        ("plain", "\ud800\nLabel: positive"),
    ):
        with pytest.raises(ReplyError, match="surrogate"):
            template(REASONED, format=name).parse(reply)


@pytest.mark.parametrize("name", FORMATS)
def test_a_reply_that_repeats_the_beginning_written_for_it_is_understood(name: str) -> None:
    made = template(SENTIMENT, "The label is as follows.", DEMO, format=name, position="answer_begin")
    reply = str(made.demos[0][1].parts[0])
    assert made.parse(reply) == made.parse(reply.removeprefix("The label is as follows.")) == {"label": "positive"}


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_reply_cannot_be_used(name: str) -> None:
    for reply in ("", " \n"):
        with pytest.raises(ReplyError):
            template(SENTIMENT, format=name).parse(reply)


@pytest.mark.parametrize("name", NAMED)
def test_an_output_that_is_optional_may_be_missing(name: str) -> None:
    maybe = Field("remark", '{"anyOf":[{"type":"string"},{"type":"null"}]}', required=False)
    score = Field("score", '{"type":"integer"}', required=False, default_json="7")
    made = template(Schema((Field("review"),), (LABEL, maybe, score)), format=name)
    reply = str(template(SENTIMENT, "x", DEMO, format=name).demos[0][1].parts[0])
    assert made.parse(reply) == {"label": "positive", "remark": None, "score": 7}


def test_an_empty_bare_reply_stands_for_an_optional_output() -> None:
    for field, value in (
        (Field("remark", '{"anyOf":[{"type":"string"},{"type":"null"}]}', required=False), None),
        (Field("score", '{"type":"integer"}', required=False, default_json="7"), 7),
    ):
        made = template(Schema((Field("review"),), (field,)), format="bare")
        assert made.parse(" \n") == {field.name: value}
        assert made.parse("12")[field.name] in (12, "12")
