"""bare: the input is the user's whole message, the output the whole reply. For small models and a single field each."""

from __future__ import annotations

from ..canonical import JSON
from ..errors import ReplyError, SchemaError
from ..prompt import Demo
from ..schema import Field, Schema
from ..values import read
from .base import Format
from .markers import CUSTOM_TYPE, Markers


class BareFormat(Format):
    """Nothing but the values: no name, no marker. SchemaError for more than one input or more than one output."""

    name = "bare"

    def markers(self, names: tuple[str, ...]) -> Markers:
        return Markers((CUSTOM_TYPE,))  # without markers there is nothing that data could forge

    def system(self, schema: Schema, instruction: str | None) -> str:
        if len(schema.inputs) != 1 or len(schema.outputs) != 1:
            raise SchemaError(
                f"format 'bare' shows values without their names, so it takes one input and one output; there are "
                f"{len(schema.inputs)} and {len(schema.outputs)}. Use 'plain', which names them."
            )
        return (instruction or "").strip()

    def label(self, schema: Schema, field: Field) -> str:
        return ""

    def answer(self, schema: Schema, demo: Demo) -> str:
        (text,) = (self.texts(schema, demo)[field.name] for field in schema.outputs)
        return text.strip()

    def find(self, schema: Schema, reply: str) -> dict[str, str]:
        return {schema.outputs[0].name: reply.strip()} if reply.strip() else {}

    def read(self, schema: Schema, field: Field, found: JSON) -> JSON:
        text = self.unescape(schema, found)
        try:
            return read(field, text)
        except ReplyError:
            first = next(line for line in text.splitlines() if line.strip())
            if first == text:
                raise
            return read(field, first)

    def missing(self, schema: Schema, field: Field) -> str:
        return f"the reply is empty: write the value of {field.name!r}."
