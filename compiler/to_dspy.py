"""A compiled program as a dspy module, from its document and, where there is one, the program that was compiled."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, Literal

from ..signatures.candidate import Candidate
from ..signatures.canonical import JSON
from ..signatures.errors import FrozenError
from ..signatures.schema import Field, Schema

if TYPE_CHECKING:
    from ..signatures.dspy_bridge import Module, Program, Signature


def to_dspy(
    document: Mapping[str, JSON], compiled_from: Program | None, program: object, lm: object, encoder: object = None
) -> Module:
    """The program in a checked document as a `dspy.Module`; see `CompiledProgram.to_dspy`.

    compiled_from: what was compiled in this process, None for a loaded file; `program`, unless None, stands in for it.
    lm, encoder: answer the predictors that dspy cannot render; None for the models that the document names.
    """
    from ..signatures.dspy_bridge import Called, read_program
    from ..signatures.dspy_bridge import to_dspy as bound
    from .runtime.drift import refuse_drift
    from .runtime.predictors import Predictors

    predictors = Predictors(document, lm, encoder)
    candidate, original = predictors.candidate, {path: path for path in predictors.candidate.predictors}
    if program is not None:
        read = read_program(program)
        refuse_drift(predictors.schemas, read)
    elif compiled_from is not None:
        read = compiled_from
    elif document["kind"] == "module":
        raise FrozenError(
            "This file holds the predictors of a module whose own code is not in the file. Pass to_dspy(YourModule())."
        )
    else:
        read = read_program(_rebuilt(document, predictors.schemas))
        # A predictor of a ChainOfThought stood one level deeper; its reasoning is a field like any other here.
        original = dict(zip(read.schemas, _steps(document), strict=True))
        candidate = Candidate.of({path: candidate[old] for path, old in original.items()})

    def call(path: str, inputs: dict[str, Any]) -> Called:
        spoken = predictors.call(original[path], inputs)
        return Called(spoken.outputs, spoken.text)

    return bound(read, candidate, call)


# a dspy program from the file alone


def _steps(document: Mapping[str, JSON]) -> list[str]:
    if document["kind"] == "pipeline":
        return [step["path"] for step in document["pipeline"]["steps"]]
    return list(document["predictors"])


def _rebuilt(document: Mapping[str, JSON], schemas: Mapping[str, Schema]) -> Module:
    from ..signatures.dspy_bridge import Predict
    from ..signatures.pipeline import Pipeline

    leaves = [Predict(signature_of(schemas[path])) for path in _steps(document)]
    if document["kind"] == "predictor":
        return leaves[0]
    names = [step["name"] for step in document["pipeline"]["steps"]]
    return Pipeline(**dict(zip(names, leaves, strict=True)))


def signature_of(schema: Schema) -> type[Signature]:
    """A dspy signature with these fields, their types rebuilt from JSON Schemas: an Enum comes back as a Literal."""
    from ..signatures.dspy_bridge import InputField, OutputField, Signature

    def declared(field: Field, kind: Any) -> tuple[Any, Any]:
        said = {"desc": field.description} if field.description else {}
        given = {} if field.default_json is None else {"default": field.default}
        return annotation(field), kind(**said, **given)

    fields = {field.name: declared(field, InputField) for field in schema.inputs}
    fields.update({field.name: declared(field, OutputField) for field in schema.outputs})
    signature: type[Signature] = Signature(fields)
    return signature


def annotation(field: Field) -> Any:
    """A Python type for the values of a field; `Any` where its JSON Schema describes no such type."""
    name = field.type_name if field.type_name.isidentifier() else "Value"
    return _Annotations(field.json_schema.get("$defs", {}), name).of(field.json_schema, ())


_FORMATS: Mapping[str, Any] = {
    "date": datetime.date,
    "date-time": datetime.datetime,
    "time": datetime.time,
    "duration": datetime.timedelta,
    "uuid": uuid.UUID,
}
_PLAIN: Mapping[str, Any] = {"integer": int, "number": float, "boolean": bool, "null": None}


class _Annotations:
    def __init__(self, definitions: Mapping[str, JSON], name: str) -> None:
        self.definitions = definitions
        self.name = name  # of an object that stands outside the definitions

    def of(self, schema: Mapping[str, JSON], within: tuple[str, ...]) -> Any:
        """within: the definitions that this one stands in; one that holds itself ends as Any."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return Any if name in within else self.named(name, self.definitions[name], (*within, name))
        return self.named(self.name, schema, within)

    def named(self, name: str, schema: Mapping[str, JSON], within: tuple[str, ...]) -> Any:
        if "const" in schema or "enum" in schema:
            return Literal[tuple(schema.get("enum", [schema.get("const")]))]
        if "anyOf" in schema:
            return self.union([self.of(one, within) for one in schema["anyOf"]])
        kind = schema.get("type")
        if kind == "string":
            return _FORMATS.get(schema.get("format", ""), str)
        if kind == "array":
            return list[self.of(schema["items"], within)] if schema.get("items") else list[Any]  # type: ignore[misc]
        if kind == "object" and "properties" in schema:
            return self.model(name, schema, within)
        if kind == "object":
            values = schema.get("additionalProperties")
            return dict[str, self.of(values, within) if isinstance(values, dict) else Any]  # type: ignore[misc]
        return _PLAIN.get(kind, Any) if isinstance(kind, str) else Any

    def union(self, kinds: Sequence[Any]) -> Any:
        if any(kind is Any for kind in kinds):
            return Any
        none = type(None)
        return reduce(or_, [none if kind is None else kind for kind in kinds])

    def model(self, name: str, schema: Mapping[str, JSON], within: tuple[str, ...]) -> Any:
        from pydantic import Field as PydanticField
        from pydantic import create_model

        required = schema.get("required", [])
        members: dict[str, Any] = {
            key: (
                self.of(inner, within),
                PydanticField(... if key in required else inner.get("default"), description=inner.get("description")),
            )
            for key, inner in schema["properties"].items()
        }
        return create_model(name, **members)
