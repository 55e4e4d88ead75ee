"""schema_of: from a `dspy.Signature` to a Schema that needs neither dspy nor Python types."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, get_args

from dspy import History, Signature
from dspy.adapters.types.base_type import Type as CustomType
from dspy.adapters.types.reasoning import Reasoning
from dspy.adapters.utils import annotation_allows_none, get_annotation_name, translate_field_type
from pydantic import BaseModel, TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError
from pydantic.fields import FieldInfo

from .canonical import JSON, canonical
from .errors import SchemaError
from .schema import Field, Schema
from .values import check_supported, to_json

# Keywords whose value maps names that the user chose to schemas; a name there is never a keyword.
_NAMED_SCHEMAS = frozenset({"properties", "$defs", "patternProperties", "dependentSchemas"})
# Keywords whose value is the user's own: nothing in it is a keyword.
_LITERAL_VALUES = frozenset({"enum", "const", "default", "examples"})
# What `enum` classes without a docstring say of themselves on Python 3.10.
_STOCK_DESCRIPTIONS = frozenset({"An enumeration."})


def schema_of(signature: type[Signature]) -> Schema:
    """The fields of a signature, equal for equal declarations on every supported Python.

    Raises SchemaError, naming field and type, where a field's type cannot be held by a template (images, history,
    tools, any other custom type), cannot be said in JSON Schema, or has a default that is not JSON.
    """
    inputs = tuple(_field(name, field, signature) for name, field in signature.input_fields.items())
    outputs = tuple(_field(name, field, signature) for name, field in signature.output_fields.items())
    if not outputs:
        raise SchemaError(f"Signature {signature.__name__} has no output field. Declare one with OutputField().")
    return Schema(inputs, outputs)


def value_type(field: FieldInfo) -> Any:
    """The annotation that a field's values are checked against: dspy's `Reasoning` reads and shows as `str`."""
    return str if field.annotation is Reasoning else field.annotation


def _field(name: str, field: FieldInfo, signature: type[Signature]) -> Field:
    where = f"field {name!r} of signature {signature.__name__}"
    extra: dict[str, Any] = field.json_schema_extra  # type: ignore[assignment]
    json_schema = _json_schema(value_type(field), where)
    check_supported(json_schema, name)
    return Field(
        name=name,
        schema_json=canonical(json_schema),
        description=_description(name, extra),
        type_name=get_annotation_name(field.annotation),
        note=_note(name, field),
        required=field.is_required() and not annotation_allows_none(field.annotation),
        default_json=_default_json(field, where),
    )


def _json_schema(annotation: Any, where: str) -> JSON:
    custom = _custom_type(annotation, set())
    if custom is not None:
        raise SchemaError(
            f"{where} has the type {custom.__name__}, a custom type of dspy, which cannot be held by a template; "
            "not supported yet. Give the predictor its text, or keep this step out of the compiled program."
        )
    try:
        return _without_noise(TypeAdapter(annotation).json_schema())
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise SchemaError(
            f"{where} has the type {get_annotation_name(annotation)}, which JSON Schema cannot say. "
            "Use str, int, float, bool, Literal, Enum, Optional, list, dict, dates or a pydantic model."
        ) from error


def _custom_type(annotation: Any, seen: set[Any]) -> type | None:
    """The first of dspy's custom types anywhere in an annotation, also inside nested models."""
    if inspect.isclass(annotation) and not get_args(annotation):
        if issubclass(annotation, CustomType | History):
            return annotation
        if not issubclass(annotation, BaseModel) or annotation in seen:
            return None
        seen.add(annotation)
        inner: tuple[Any, ...] = tuple(field.annotation for field in annotation.model_fields.values())
    else:
        inner = get_args(annotation)
    return next((found for each in inner if (found := _custom_type(each, seen)) is not None), None)


def _without_noise(schema: JSON) -> JSON:
    """A JSON Schema without what pydantic derives from names (`title`) and what Python versions say differently."""
    if isinstance(schema, list):
        return [_without_noise(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    kept: dict[str, JSON] = {}
    for keyword, value in schema.items():
        if keyword == "title" or (keyword == "description" and value in _STOCK_DESCRIPTIONS):
            continue
        if keyword in _NAMED_SCHEMAS:
            kept[keyword] = {name: _without_noise(inner) for name, inner in value.items()}
        else:
            kept[keyword] = value if keyword in _LITERAL_VALUES else _without_noise(value)
    return kept


def _description(name: str, extra: Mapping[str, Any]) -> str:
    # dspy fills `${name}` in where the user gave no description, and prints nothing for it.
    text = "" if extra["desc"] == f"${{{name}}}" else str(extra["desc"])
    return f"{text}\nConstraints: {extra['constraints']}" if extra.get("constraints") else text


def _note(name: str, field: FieldInfo) -> str:
    said: str = translate_field_type(name, field)
    return said.removeprefix(f"{{{name}}}").removeprefix(f"{' ' * 8}# note: the value you produce ")


def _default_json(field: FieldInfo, where: str) -> str | None:
    if field.is_required():
        return None
    try:
        return canonical(to_json(field.get_default(call_default_factory=True, validated_data={})))
    except (SchemaError, TypeError, ValueError) as error:
        raise SchemaError(f"{where} has a default that is not JSON: {error}. Give one that is, or none.") from error
