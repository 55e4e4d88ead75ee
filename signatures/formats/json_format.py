"""json: the inputs as one JSON object, the reply as one JSON object, held to its JSON Schema where the server can."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from ..canonical import JSON, canonical
from ..errors import ReplyError
from ..json_schema import Mismatch, coerce
from ..loose_json import structures
from ..prompt import Demo, Part, Slot
from ..schema import Field, Schema
from ..values import to_json, to_text
from .base import Format
from .markers import CUSTOM_TYPE, Markers
from .response_schema import response_schema

_MARKERS = Markers((CUSTOM_TYPE,))


class JsonFormat(Format):
    """JSON encoding alone keeps data inside its field; dspy's custom-type markers are escaped inside the strings."""

    name = "json"
    absent = "null"

    def markers(self, names: tuple[str, ...]) -> Markers:
        return _MARKERS

    def system(self, schema: Schema, instruction: str | None) -> str:
        parts = [_list("The question is a JSON object with these keys:", schema.inputs)] if schema.inputs else []
        parts.append(
            _list("Answer with one JSON object with these keys, in this order, and nothing else:", schema.outputs)
        )
        if instruction and instruction.strip():
            parts.append(instruction.strip())
        return "\n\n".join(parts)

    def label(self, schema: Schema, field: Field) -> str:
        return f"{json.dumps(field.name, ensure_ascii=False)}: "

    def inputs(
        self, schema: Schema, fields: Sequence[Field], texts: Mapping[str, str] | None, lead: tuple[str, str]
    ) -> list[Part]:
        parts: list[Part] = [f"{lead[1]}\n" if lead[1] else "", "{"]
        for i, field in enumerate(fields):
            parts += [", " if i else "", self.label(schema, field)]
            parts.append(Slot(field.name) if texts is None else texts[field.name])
        return [*parts, "}\n"]

    def closing(self, schema: Schema, asking: bool) -> str:
        keys = ", ".join(json.dumps(field.name, ensure_ascii=False) for field in schema.outputs)
        return f"Answer with one JSON object with {keys}." if asking else ""

    def answer(self, schema: Schema, demo: Demo) -> str:
        texts = self.texts(schema, demo)
        given = [field for field in schema.outputs if field.name in texts]
        return f"{{{', '.join(self.label(schema, field) + texts[field.name] for field in given)}}}"

    def show(self, markers: Markers, field: Field, value: object) -> str:
        text = json.dumps(value if type(value) is str else to_json(value), ensure_ascii=False)
        if markers.count(text):
            return json.dumps(_mapped(markers.escape, to_json(value)), ensure_ascii=False)
        return text

    def count_escapes(self, schema: Schema, values: Mapping[str, object]) -> int:
        return sum(_MARKERS.count(json.dumps(to_json(v))) for name, v in values.items() if name in schema.by_name)

    def find(self, schema: Schema, reply: str) -> Mapping[str, JSON]:
        """The first object in the reply that holds an output, else the first object."""
        objects = [value for value in structures(reply) if isinstance(value, dict)]
        if not objects:
            raise ReplyError(f"the reply holds no JSON object. {self.closing(schema, True)}")
        return next((o for o in objects if any(field.name in o for field in schema.outputs)), objects[0])

    def read(self, schema: Schema, field: Field, found: JSON) -> JSON:
        value = _mapped(_MARKERS.unescape, found)
        if field.is_text:
            value = to_text(field, value)
        try:
            return coerce(field.json_schema, value, field.name)
        except Mismatch as mismatch:
            raise ReplyError(f"field {mismatch}") from None

    def missing(self, schema: Schema, field: Field) -> str:
        return f"the JSON object of the reply has no key {field.name!r}."

    def response_schema(self, schema: Schema) -> str | None:
        return canonical(response_schema(schema))


def _mapped(change: Callable[[str], str], value: JSON) -> JSON:
    """A value with every text in it changed, keys too."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_mapped(change, item) for item in value]
    if isinstance(value, dict):
        return {_mapped(change, key): _mapped(change, item) for key, item in value.items()}
    return value


def _list(title: str, fields: Sequence[Field]) -> str:
    return "\n".join([title, *(_item(field) for field in fields)])


def _item(field: Field) -> str:
    said = [text for text in (field.description, field.note) if text]
    return f'"{field.name}" ({field.type_name})' + (f": {'; '.join(said)}" if said else "")
