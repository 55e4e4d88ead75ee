"""Values: what a prompt shows of them and what is read out of a reply."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import decimal
import enum
import json
import subprocess
import sys
import uuid
from typing import Any

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from burnish.signatures.canonical import canonical
from burnish.signatures.errors import ReplyError, SchemaError
from burnish.signatures.schema import Field
from burnish.signatures.values import Mismatch, Record, check_supported, coerce, read, to_json, to_python, to_text

LABEL = {"enum": ["positive", "negative"], "type": "string"}
ITEM = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "price": {"type": "number"}},
    "required": ["name", "price"],
}
ITEMS = {"type": "array", "items": {"$ref": "#/$defs/Item"}, "$defs": {"Item": ITEM}}


def field(schema: dict[str, Any], name: str = "label") -> Field:
    return Field(name, canonical(schema), type_name="Any")


class Colour(enum.Enum):
    RED = "red"


class Text(str):
    __slots__ = ()


@dataclasses.dataclass
class Point:
    x: int
    when: datetime.date


class Model(pydantic.BaseModel):
    colour: Colour
    when: datetime.datetime


class Opaque:
    pass


ZONES = st.none() | st.just(datetime.timezone.utc) | st.just(datetime.timezone(datetime.timedelta(hours=5, minutes=45)))
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",)))
    | st.dates()
    | st.datetimes(timezones=ZONES)
    | st.times(timezones=st.none() | st.just(datetime.timezone.utc))
    | st.timedeltas()
    | st.uuids()
    | st.sampled_from(Colour)
    | st.builds(Point, st.integers(), st.dates())
    | st.builds(Model, colour=st.sampled_from(Colour), when=st.datetimes(timezones=ZONES))
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
)


@settings(deadline=None, max_examples=60)
@given(ANYTHING)
def test_python_values_take_the_json_form_that_pydantic_gives_them(value: Any) -> None:
    assert to_json(value) == TypeAdapter(type(value)).dump_python(value, mode="json", fallback=str)


def test_values_take_a_json_form_that_is_plain_and_does_not_vary() -> None:
    assert to_json({"b", "a", "c"}) == ["a", "b", "c"]
    assert type(to_json(Text("x"))) is str
    assert to_json({1: (2, None)}) == {"1": [2, None]}
    assert to_json(decimal.Decimal("1.50")) == "1.50"
    assert to_json(Record({"a": Record({"b": datetime.date(2024, 1, 31)})})) == {"a": {"b": "2024-01-31"}}


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": {"b": float("-inf")}}])
def test_a_number_that_is_not_finite_is_refused(value: Any) -> None:
    with pytest.raises(SchemaError, match="not JSON"):
        to_json(value)


@pytest.mark.parametrize("value", [Opaque(), [Opaque()], {"a": (Opaque(),)}])
def test_an_object_whose_text_would_be_its_address_is_refused(value: Any) -> None:
    with pytest.raises(SchemaError, match="Opaque"):
        to_json(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is\n", "as it is\n"),
        (True, "True"),
        (None, "None"),
        (1.0, "1.0"),
        (Colour.RED, "red"),
        (["é", 1], '["é", 1]'),
        ({"a": [None]}, '{"a": [null]}'),
        (datetime.date(2024, 1, 31), "2024-01-31"),
    ],
)
def test_a_prompt_shows_values_as_dspy_shows_them(value: Any, text: str) -> None:
    assert to_text(field({}), value) == text


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        (LABEL, "positive", "positive"),
        (LABEL, " Positive. ", "positive"),
        (LABEL, '"negative"', "negative"),
        (LABEL, "'NEGATIVE'.", "negative"),
        ({"enum": ["a", "A"]}, "A", "A"),
        ({"enum": [1, 2]}, "2", 2),
        ({"enum": ["1", "2"]}, "2", "2"),
        ({"enum": ["a", None]}, "None", None),
        ({"const": "yes", "type": "string"}, "YES", "yes"),
        ({"type": "integer"}, " 42 ", 42),
        ({"type": "integer"}, "42.0", 42),
        ({"type": "integer"}, "+7", 7),
        ({"type": "number"}, "1e3", 1000.0),
        ({"type": "number"}, ".5", 0.5),
        ({"type": "boolean"}, "True", True),
        ({"type": "boolean"}, "false", False),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "None", None),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "null", None),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "5", "5"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "5", 5),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, "five", "five"),
        ({"type": "string", "format": "date"}, "2024-02-29", "2024-02-29"),
        ({"type": "string", "format": "date-time"}, "2024-02-29T10:00:00Z", "2024-02-29T10:00:00Z"),
        ({"type": "array", "items": {"type": "integer"}}, "[1, 2]", [1, 2]),
        ({"type": "array", "items": {"type": "integer"}}, "Here:\n```json\n[1, 2]\n```\nDone.", [1, 2]),
        ({"type": "array", "items": {"type": "string"}}, "['a', \"it's\"]", ["a", "it's"]),
        ({"type": "array", "items": {"type": "integer"}}, "They are [3, 4], I think {really}.", [3, 4]),
        ({"type": "array", "items": {"type": "integer"}, "uniqueItems": True}, "[2, 1, 2]", [2, 1]),
        (
            {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "minItems": 2, "maxItems": 2},
            '[1, "a"]',
            [1, "a"],
        ),
        (ITEM, 'Sure [1]: {"name": "tea", "price": "2.5"} as asked', {"name": "tea", "price": 2.5}),
        (ITEM, "{'name': 'a \"big\" tea', 'price': 2}", {"name": 'a "big" tea', "price": 2}),
        (ITEM, '{"name": "two\nlines", "price": 2}', {"name": "two\nlines", "price": 2}),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, '{"a": 1}', {"a": 1}),
        ({}, "free text", "free text"),
    ],
)
def test_a_reply_is_read_into_a_typed_value(schema: dict[str, Any], text: str, value: Any) -> None:
    found = read(field(schema), text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("schema", "text", "reason"),
    [
        (LABEL, "good", "field 'label' must be one of 'positive', 'negative'; got 'good'"),
        ({"type": "integer"}, "many", "field 'label' must be an integer; got 'many'"),
        ({"type": "integer"}, "1.5", "field 'label' must be an integer; got 1.5"),
        ({"type": "number"}, "NaN", "field 'label' must be a number; got 'NaN'"),
        ({"type": "boolean"}, "yes", "field 'label' must be True or False; got 'yes'"),
        ({"type": "integer", "minimum": 1}, "0", "field 'label' must be at least 1; got 0"),
        ({"type": "string", "minLength": 2}, "x", "field 'label' must have at least 2 characters; got 'x'"),
        ({"type": "string", "pattern": "^a"}, "x", "field 'label' must match the pattern ^a; got 'x'"),
        ({"type": "string", "format": "date"}, "2023-02-29", "must be a date like 2024-01-31; got '2023-02-29'"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "x", "field 'label' must be an integer; got 'x'"),
        ({"anyOf": [{"type": "integer"}, {"type": "boolean"}]}, "x", "must be an integer or True or False; got 'x'"),
        (ITEM, "no braces", "field 'label' must be an object; got 'no braces'"),
        (ITEM, '{"name": "tea"}', "field 'label' has no 'price'; got"),
        (ITEM, '{"name": "tea", "price": "x"}', "field 'label.price' must be a number; got 'x'"),
        (ITEMS, '[{"name": "a", "price": 1}, {"name": "b", "price": []}]', "'label[1].price' must be a number; got []"),
        ({"type": "array", "minItems": 2}, "[1]", "must have at least 2 items; got [1]"),
        ({"type": "object", "additionalProperties": False, "properties": {"a": {}}}, '{"b": 1}', "must not have 'b'"),
    ],
)
def test_a_reply_that_does_not_fit_gives_a_reason_to_act_on(schema: dict[str, Any], text: str, reason: str) -> None:
    with pytest.raises(ReplyError) as caught:
        read(field(schema), text)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "{'a':" * 20_000, "(" * 5000 + "[", '"' * 9999, "9" * 9999, "[1," * 3000]
)
def test_hostile_replies_are_refused_and_nothing_else(text: str) -> None:
    for schema in (ITEM, ITEMS, {"type": "integer"}, LABEL):
        with pytest.raises(ReplyError):
            read(field(schema), text)


def test_coerce_leaves_what_fits_and_respells_what_leaves_no_doubt() -> None:
    assert coerce({"type": "integer"}, "3", "n") == 3
    assert coerce({"type": "number"}, 3, "n") == 3
    assert coerce({"anyOf": [{"type": "integer"}, {"type": "string"}]}, "3", "n") == "3"
    assert coerce({"anyOf": [{"type": "string"}, {"type": "null"}]}, "None", "n") == "None"
    assert coerce({"type": "array", "items": {"type": "integer"}}, '["1"]', "n") == [1]
    with pytest.raises(Mismatch, match=r"'row\[0\]' must be text; got 5"):
        coerce({"type": "array", "items": {"type": "string"}}, [5], "row")
    with pytest.raises(ValueError, match="must be an integer; got true"):
        coerce({"type": "integer"}, True, "n")
    with pytest.raises(Mismatch, match="surrogate"):
        coerce({"type": "string"}, "\ud800", "n")


def test_declared_defaults_are_filled_in_and_undeclared_keys_dropped() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer", "default": 2}}}
    assert coerce(schema, {"a": 1, "c": 3}, "x") == {"a": 1, "b": 2}
    assert coerce({**schema, "additionalProperties": True}, {"c": 3}, "x") == {"c": 3, "b": 2}


def test_a_tagged_union_is_told_apart_by_its_tag() -> None:
    kinds = [
        {
            "type": "object",
            "properties": {"kind": {"const": kind}, "size": {"type": "integer"}},
            "required": ["kind", "size"],
        }
        for kind in ("cat", "dog")
    ]
    schema = {"oneOf": kinds, "discriminator": {"propertyName": "kind"}}
    assert coerce(schema, {"kind": "dog", "size": "3"}, "pet") == {"kind": "dog", "size": 3}


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "array", "contains": {"type": "integer"}}, "'contains'"),
        ({"type": "object", "properties": {"a": {"if": {}}}}, "'if'"),
        ({"type": "tuple"}, "'tuple'"),
        ({"$ref": "#/$defs/Gone"}, "Gone"),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"anyOf": [{"$ref": "#/$defs/A"}]}}}, "leads to no definition"),
        ({"type": "string", "pattern": "("}, "pattern"),
        ({"items": 3}, "a schema"),
    ],
)
def test_a_schema_that_could_not_be_kept_whole_is_refused_naming_field_and_keyword(schema: Any, said: str) -> None:
    with pytest.raises(SchemaError, match="field 'answer'") as caught:
        check_supported(schema, "answer")
    assert said in str(caught.value)


def test_the_schemas_of_ordinary_types_are_supported() -> None:
    class Tree(pydantic.BaseModel):
        name: str = pydantic.Field(min_length=1, pattern="^[a-z]+$", description="Any words: title, if, then.")
        children: list[Tree] = []
        extra: dict[str, int | None] = {}

    Tree.model_rebuild(_types_namespace={"Tree": Tree})
    for kind in (
        Tree,
        dict[int, set[str]],
        tuple[int, ...],
        tuple[int, str],
        decimal.Decimal,
        bytes,
        uuid.UUID,
        Any,
        datetime.timedelta,
    ):
        check_supported(TypeAdapter(kind).json_schema())
    schema = TypeAdapter(Tree).json_schema()
    assert coerce(schema, {"name": "a", "children": [{"name": "b"}]}, "tree")["children"] == [
        {"name": "b", "children": [], "extra": {}}
    ]


def test_users_get_dates_and_records_for_json_values() -> None:
    order = {
        "type": "object",
        "properties": {"items": ITEMS, "at": {"anyOf": [{"type": "null"}, {"type": "string", "format": "date-time"}]}},
    }
    schema = {**order, "$defs": ITEMS["$defs"]}
    value = to_python(field(schema), {"items": [{"name": "tea", "price": 2}], "at": "2024-01-31T10:00:00.5Z"})
    assert value["items"][0].name == "tea"
    assert value.items[0].price == 2.0
    assert isinstance(value.items[0].price, float)
    assert value.at == datetime.datetime(2024, 1, 31, 10, 0, 0, 500000, tzinfo=datetime.timezone.utc)
    assert repr(value.items[0]) == "Record(name='tea', price=2.0)"
    assert dict(value.items[0]) == value.items[0].to_dict() == {"name": "tea", "price": 2.0}
    assert to_python(field({"type": "string", "format": "date"}), "2024-01-31") == datetime.date(2024, 1, 31)
    assert to_python(field({"type": "object", "additionalProperties": {"type": "number"}}), {"a": 1}) == {"a": 1.0}


def test_a_record_is_immutable_and_can_be_copied() -> None:
    record = Record({"a": [Record({"b": 1})]})
    with pytest.raises(AttributeError, match="immutable"):
        record.a = 2
    with pytest.raises(AttributeError, match="immutable"):
        del record.a
    with pytest.raises(AttributeError, match="no field 'c'"):
        _ = record.c
    assert copy.deepcopy(record) == copy.copy(record) == record
    assert record == {"a": [{"b": 1}]}
    assert "a" in record
    assert list(record) == ["a"]
    assert len(record) == 1


@settings(deadline=None, max_examples=60)
@given(
    st.datetimes(timezones=ZONES),
    st.timedeltas(datetime.timedelta(days=-9999), datetime.timedelta(days=9999)),
    st.uuids(),
)
def test_dates_survive_the_way_to_json_and_back(moment: Any, length: Any, identifier: Any) -> None:
    for kind, value in (
        ("date-time", moment),
        ("date", moment.date()),
        ("time", moment.timetz() if moment.tzinfo is None else moment.time()),
        ("duration", length),
        ("uuid", identifier),
    ):
        where = field({"type": "string", "format": kind})
        assert to_python(where, read(where, to_text(where, value))) == value


@settings(deadline=None, max_examples=60)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=5).filter(str.isascii),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=8,
    ).filter(lambda value: isinstance(value, dict | list))
)
def test_what_a_prompt_shows_of_a_structure_is_read_back_whole(value: Any) -> None:
    where = field({"type": "object"} if isinstance(value, dict) else {"type": "array", "items": {}})
    assert read(where, to_text(where, value)) == value
    assert read(where, f"Here it is:\n{json.dumps(value, indent=1)}\nAs asked.") == value
    assert read(where, repr(value)) == value


def test_values_and_formats_need_neither_dspy_nor_pydantic() -> None:
    code = (
        "import sys; import burnish.signatures.formats, burnish.signatures.values as v; v.to_json([1, ('a',)]); "
        "assert not {'dspy', 'pydantic', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
