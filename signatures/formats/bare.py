"""bare: the input is the user's whole message, the output the whole reply. For small models and a single field each."""

from __future__ import annotations

from ..canonical import JSON
from ..prompt import Demo
from ..schema import Field, Schema
from .base import Format, always_shown, read_line
from .markers import CUSTOM_TYPE, Markers


class BareFormat(Format):
    """Nothing but the values: no name, no description, no marker. For one input that every question has, one output."""

    name = "bare"

    def refusal(self, schema: Schema) -> str:
        if len(schema.inputs) != 1 or len(schema.outputs) != 1:
            return (
                f"format 'bare' shows values without their names, so it takes one input and one output; here are "
                f"{_listed(schema.inputs)} and {_listed(schema.outputs)}. Use 'plain', which names them."
            )
        if not always_shown(schema.inputs[0]):
            return (
                f"format 'bare' shows nothing but the input, and {schema.inputs[0].name!r} may be left out: the "
                "question would be empty. Use 'plain', or give the input a default."
            )
        return ""

    def markers(self, names: tuple[str, ...]) -> Markers:
        return Markers((CUSTOM_TYPE,))  # a message is one value: there is no border in it that data could forge

    def system(self, schema: Schema, instruction: str | None) -> str:
        return (instruction or "").strip()

    def label(self, schema: Schema, field: Field) -> str:
        return ""

    def answer(self, schema: Schema, demo: Demo) -> str:
        return self.texts(schema, demo)[schema.outputs[0].name].strip()

    def find(self, schema: Schema, reply: str) -> dict[str, str]:
        text = reply.strip()
        return {schema.outputs[0].name: text} if text else {}

    def read(self, schema: Schema, field: Field, found: JSON) -> JSON:
        return read_line(field, self.unescape(schema, found))

    def missing(self, schema: Schema, field: Field) -> str:
        return f"the reply is empty: write the value of {field.name!r}."


def _listed(fields: tuple[Field, ...]) -> str:
    return ", ".join(repr(field.name) for field in fields) or "none"
