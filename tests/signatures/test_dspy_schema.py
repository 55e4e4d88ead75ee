"""Reading the schema of a dspy signature."""

from __future__ import annotations

import threading
from typing import Literal, Optional, Union

import dspy
import pydantic
import pytest

from burnish.signatures.dspy_bridge import (
    schema_of,
)
from burnish.signatures.errors import SchemaError
from burnish.signatures.schema import Schema

from .dspy_programs import Everything, Judge


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
