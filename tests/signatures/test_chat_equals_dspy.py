"""Format `chat` against dspy's own ChatAdapter: the same bytes."""

from __future__ import annotations

import datetime
import enum
import uuid
from typing import Any, Literal, Optional

import dspy
import pydantic
import pytest
from dspy.adapters.chat_adapter import ChatAdapter
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.signatures.dspy_bridge import schema_of
from burnish.signatures.prompt import Demo, Prompt
from burnish.signatures.values import to_json


class Colour(enum.Enum):
    RED = "red"
    DARK_BLUE = "dark blue"


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


class Line(pydantic.BaseModel):
    name: str
    price: float = 0.0
    tags: list[str] = []


class Order(pydantic.BaseModel):
    """What was bought."""

    lines: list[Line]
    placed: datetime.date | None = None


text = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)
floats = st.floats(allow_nan=False, allow_infinity=False)
dates = st.dates()
lines = st.builds(Line, name=text, price=floats, tags=st.lists(text, max_size=2))
orders = st.builds(Order, lines=st.lists(lines, max_size=2), placed=st.none() | dates)
zones = (
    st.none() | st.just(datetime.timezone.utc) | st.just(datetime.timezone(datetime.timedelta(hours=-3, minutes=-30)))
)

VALUES: dict[Any, st.SearchStrategy[Any]] = {
    str: text,
    int: st.integers(-(10**20), 10**20),
    float: floats,
    bool: st.booleans(),
    Literal["positive", "it's", 'say "no"']: st.sampled_from(["positive", "it's", 'say "no"']),
    Literal[1, 2]: st.sampled_from([1, 2]),
    Colour: st.sampled_from(Colour),
    Level: st.sampled_from(Level),
    Optional[str]: st.none() | text,  # noqa: UP045
    int | None: st.none() | st.integers(),
    list[str]: st.lists(text, max_size=3),
    list[int]: st.lists(st.integers(), max_size=3),
    dict[str, float]: st.dictionaries(text, floats, max_size=3),
    tuple[int, str]: st.tuples(st.integers(), text),
    set[int]: st.sets(st.integers(), max_size=1),
    Order: orders,
    Order | None: st.none() | orders,
    list[Line]: st.lists(lines, max_size=2),
    datetime.date: dates,
    datetime.datetime: st.datetimes(timezones=zones),
    datetime.time: st.times(),
    datetime.timedelta: st.timedeltas(datetime.timedelta(days=-800), datetime.timedelta(days=800)),
    uuid.UUID: st.uuids(),
    dict: st.dictionaries(text, st.none() | text | st.integers() | st.lists(text, max_size=2), max_size=2),
    list: st.lists(st.none() | text | floats, max_size=3),
    Any: text | st.integers() | st.none(),
}
NAMES = ("review", "topic_2", "label", "reasoning", "straße", "X", "items", "date")


@st.composite
def worlds(draw: Any) -> tuple[type[dspy.Signature], list[dict[str, Any]], dict[str, Any]]:
    """A signature with an instruction, demonstrations (some of them incomplete) and the inputs of one question."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=5, unique=True))
    cut = draw(st.integers(1, len(names) - 1))
    kinds = {name: draw(st.sampled_from(list(VALUES))) for name in names}
    described = st.sampled_from(["", "  short ", "two\nlines"])
    fields = {}
    for i, name in enumerate(names):
        make = dspy.InputField if i < cut else dspy.OutputField
        description = draw(described)
        fields[name] = (kinds[name], make(desc=description) if description else make())
    instruction = draw(
        st.sampled_from(["", "  ", "Do it.", "  Do\n\tthis\n      and that.\n\n", "a\u2028b\x0bc\r\nd"]) | text
    )
    signature = dspy.Signature(fields, "Do it.").with_instructions(instruction)
    demos = []
    for _ in range(draw(st.integers(0, 8) if len(names) < 4 else st.integers(0, 2))):
        demo = {name: draw(VALUES[kinds[name]]) for name in names}
        dropped = draw(st.sets(st.sampled_from(names)) if draw(st.booleans()) else st.just(set()))
        demo = {name: value for name, value in demo.items() if name not in dropped}
        if any(name in demo for name in names[:cut]) and any(name in demo for name in names[cut:]):
            demos.append(demo)
    inputs = {name: draw(VALUES[kinds[name]]) for name in names[:cut]}
    return signature, demos, inputs


def prompt_of(signature: type[dspy.Signature], demos: list[dict[str, Any]]) -> Prompt:
    shown = tuple(Demo.of({name: to_json(value) for name, value in demo.items()}) for demo in demos)
    # dspy reads a blank docstring back as "", which given as an instruction means its stock sentence.
    return Prompt(schema_of(signature), signature.instructions or " ", shown)


def has_marker(value: object) -> bool:
    return " ## ]]" in str(value) or "-IDENTIFIER>>" in str(value)


@settings(deadline=None, max_examples=60)
@given(worlds())
def test_chat_renders_byte_for_byte_what_dspy_renders(world: Any) -> None:
    signature, demos, inputs = world
    if has_marker((signature.__doc__, demos, inputs)):
        return
    ours = prompt_of(signature, demos).template.render(inputs)
    assert ours == ChatAdapter().format(signature, demos, inputs)


@settings(deadline=None, max_examples=40)
@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=60))
def test_an_instruction_given_as_raw_text_renders_as_dspy_renders_it_after_with_instructions(raw: str) -> None:
    if has_marker(raw):
        return
    signature = dspy.Signature("review -> label").with_instructions(raw)
    ours = Prompt(schema_of(signature), raw).template.render({"review": "x"})
    assert ours == ChatAdapter().format(signature, [], {"review": "x"})


def test_an_empty_instruction_becomes_the_sentence_that_dspy_writes_for_it() -> None:
    signature = dspy.Signature("review, topic -> label")
    ours = Prompt(schema_of(signature), "").template.render({"review": "x", "topic": "y"})
    assert "Given the fields `review`, `topic`, produce the fields `label`." in ours[0]["content"]
    assert ours == ChatAdapter().format(signature, [], {"review": "x", "topic": "y"})


def test_a_missing_optional_input_drops_its_segment_as_in_dspy() -> None:
    class Sign(dspy.Signature):
        """Do."""

        hint: str | None = dspy.InputField()
        review: str = dspy.InputField()
        label: str = dspy.OutputField()

    template = Prompt(schema_of(Sign), "Do.").template
    for inputs in ({"review": "x"}, {"hint": "h", "review": "x"}, {"hint": None, "review": "x"}):
        assert template.render(inputs) == ChatAdapter().format(Sign, [], inputs)


def test_a_list_in_a_text_field_is_shown_as_numbered_passages_as_in_dspy() -> None:
    signature = dspy.Signature("context -> label")
    template = Prompt(schema_of(signature), signature.instructions).template
    for passages in ([], ["one"], ["one", "two\nlines"], ["«a»", "b"]):
        inputs = {"context": passages}
        assert template.render(inputs) == ChatAdapter().format(signature, [], inputs)


def test_constraints_of_a_field_are_part_of_its_description() -> None:
    class Sign(dspy.Signature):
        """Do."""

        review: str = dspy.InputField(desc="what they said", min_length=2)
        stars: int = dspy.OutputField(ge=1, le=5)

    template = Prompt(schema_of(Sign), "Do.").template
    assert template.render({"review": "xx"}) == ChatAdapter().format(Sign, [], {"review": "xx"})


@pytest.mark.parametrize(
    "reply",
    [
        "[[ ## label ## ]]\npositive\n\n[[ ## completed ## ]]",
        "[[ ## label ## ]] a\nb",
        "x\n[[ ## label ## ]]\n1\n[[ ## label ## ]]\n2\n[[ ## other ## ]]\n3",
        "[[ ## label ## ]]\nno [[ ## other ## ]] yes",
        "[[ ## label ## ]]",
    ],
)
def test_replies_are_taken_apart_as_dspy_takes_them_apart(reply: str) -> None:
    signature = dspy.Signature("review -> label")
    template = Prompt(schema_of(signature), "").template
    assert template.parse(reply) == ChatAdapter().parse(signature, reply)
