"""Schema: the typed fields of a predictor, without dspy and without Python types, so that a file can carry them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property

from .canonical import JSON, canonical, digest


@dataclass(frozen=True)
class Field:
    """One input or output field.

    schema_json: canonical JSON text of the field's JSON Schema (`Field.json_schema` is the parsed form).
    type_name: the type as a reader of Python would write it (`Literal['positive', 'negative']`), for prompts.
    note: what the prompt says of the values an output must take ("must be True or False"), or "".
    default_json: canonical JSON text of the default, None when there is none. A field is required when it has no
        default and its schema does not admit null.
    """

    name: str
    schema_json: str = '{"type":"string"}'
    description: str = ""
    type_name: str = "str"
    note: str = ""
    required: bool = True
    default_json: str | None = None

    @cached_property
    def json_schema(self) -> dict[str, JSON]:
        loaded: dict[str, JSON] = json.loads(self.schema_json)
        return loaded

    @property
    def is_text(self) -> bool:
        """Whether the field holds free text: a plain string, shown and read as it stands."""
        return self.json_schema == {"type": "string"}

    @property
    def default(self) -> JSON:
        return None if self.default_json is None else json.loads(self.default_json)

    def to_json(self) -> dict[str, JSON]:
        return {
            "name": self.name,
            "json_schema": self.json_schema,
            "description": self.description,
            "type_name": self.type_name,
            "note": self.note,
            "required": self.required,
            **({} if self.default_json is None else {"default": self.default}),
        }

    @classmethod
    def from_json(cls, data: dict[str, JSON]) -> Field:
        return cls(
            name=data["name"],
            schema_json=canonical(data["json_schema"]),
            description=data["description"],
            type_name=data["type_name"],
            note=data["note"],
            required=data["required"],
            default_json=canonical(data["default"]) if "default" in data else None,
        )


@dataclass(frozen=True)
class Schema:
    """The input and the output fields of a predictor, in the order in which prompts show them."""

    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]

    @cached_property
    def by_name(self) -> dict[str, Field]:
        return {field.name: field for field in (*self.inputs, *self.outputs)}

    @cached_property
    def digest(self) -> str:
        """Names, JSON Schemas, descriptions and defaults: what a field means, not how its class was spelled."""
        return digest(
            [
                [[f.name, f.json_schema, f.description, f.required, f.default] for f in fields]
                for fields in (self.inputs, self.outputs)
            ]
        )

    def to_json(self) -> dict[str, JSON]:
        return {"inputs": [f.to_json() for f in self.inputs], "outputs": [f.to_json() for f in self.outputs]}

    @classmethod
    def from_json(cls, data: dict[str, JSON]) -> Schema:
        return cls(
            inputs=tuple(Field.from_json(f) for f in data["inputs"]),
            outputs=tuple(Field.from_json(f) for f in data["outputs"]),
        )
