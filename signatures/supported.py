"""Which JSON Schemas a field may have: those whose meaning `json_schema.coerce` keeps whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from .canonical import JSON
from .errors import SchemaError
from .json_schema import TYPES, shown

# fmt: off
_CHECKED = frozenset({
    "$ref", "$defs", "type", "enum", "const", "anyOf", "oneOf", "allOf", "items", "prefixItems", "minItems",
    "maxItems", "uniqueItems", "properties", "required", "additionalProperties", "propertyNames",
    "patternProperties", "minProperties", "maxProperties", "minimum", "maximum", "exclusiveMinimum",
    "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern", "format",
})
# fmt: on
# fmt: off
_ANNOTATIONS = frozenset({
    "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "discriminator",
    "contentEncoding", "contentMediaType", "contentSchema", "$comment",
})
# fmt: on
MOST_MEMBERS = 10_000


def _is_number(value: JSON) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: JSON) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_texts(value: JSON) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


# What stands behind a keyword: how it is told, and in which words it is asked for.
_OPERANDS: tuple[tuple[tuple[str, ...], Callable[[JSON], bool], str], ...] = (
    (("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _is_number, "a number"),
    (("multipleOf",), lambda value: _is_number(value) and value > 0, "a number above 0"),
    (("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), _is_count, "a count"),
    (("enum", "anyOf", "oneOf", "allOf", "prefixItems"), lambda value: isinstance(value, list), "a list"),
    (("required",), _is_texts, "a list of names"),
    (("type",), lambda value: isinstance(value, str) or _is_texts(value), "a name or a list of names"),
    (("properties", "patternProperties", "$defs"), lambda value: isinstance(value, Mapping), "an object"),
    (("pattern", "format", "$ref"), lambda value: isinstance(value, str), "a text"),
    (("uniqueItems",), lambda value: isinstance(value, bool), "true or false"),
)


def check_supported(schema: Mapping[str, JSON], field: str = "") -> None:
    """Refuses a JSON Schema whose meaning `coerce` could not keep.

    Raises SchemaError naming the field and the keyword: an unknown keyword or one with a value that it cannot have, an
    unknown type, a reference that leads nowhere or only to itself, unions of unions that one value would be held
    against MOST_MEMBERS times, a pattern that Python's `re` cannot read.
    """
    defs = schema.get("$defs", {})
    counted: dict[str, int] = {}
    for part in _subschemas(schema):
        if isinstance(part, bool):
            continue
        if not isinstance(part, Mapping):
            raise _unsupported(field, "a schema", part, "must be an object or true or false")
        for keyword in part:
            if keyword not in _CHECKED and keyword not in _ANNOTATIONS:
                raise _unsupported(field, keyword, part[keyword], "is not supported")
        for keywords, is_one, words in _OPERANDS:
            for keyword in keywords:
                if keyword in part and not is_one(part[keyword]):
                    raise _unsupported(field, keyword, part[keyword], f"is not {words}")
        kinds = part.get("type", [])
        for kind in [kinds] if isinstance(kinds, str) else kinds:
            if kind not in TYPES:
                raise _unsupported(field, "type", kind, "is unknown")
        members = _members(part, defs, (), counted)
        if "$ref" in part and not members:
            raise _unsupported(field, "$ref", part["$ref"], "leads to no definition of this schema")
        if members > MOST_MEMBERS:
            keyword = next(name for name in ("$ref", "anyOf", "oneOf", "allOf") if name in part)
            raise _unsupported(field, keyword, part[keyword], f"stands for more than {MOST_MEMBERS} schemas")
        for pattern in [part["pattern"]] if "pattern" in part else list(part.get("patternProperties", ())):
            try:
                re.compile(pattern)
            except re.error as error:
                raise _unsupported(field, "pattern", pattern, f"cannot be read: {error}") from error


def _subschemas(schema: JSON) -> Iterator[JSON]:
    yield schema
    if not isinstance(schema, Mapping):
        return
    for keyword in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for part in schema.get(keyword, ()):
            yield from _subschemas(part)
    for keyword in ("properties", "patternProperties", "$defs"):
        for part in schema.get(keyword, {}).values():
            yield from _subschemas(part)
    for keyword in ("items", "additionalProperties", "propertyNames"):
        if keyword in schema:
            yield from _subschemas(schema[keyword])


def _members(schema: JSON, defs: Mapping[str, JSON], seen: tuple[str, ...], counted: dict[str, int]) -> int:
    """How many schemas a value is held against here, through references and unions, before a part of it is looked at.

    0 where references lead nowhere or only to themselves: a check that follows them would not end.
    counted: what was found for each definition, so that a small schema cannot ask for exponential work.
    """
    if not isinstance(schema, Mapping):
        return 1
    if "$ref" in schema:
        name = str(schema["$ref"]).removeprefix("#/$defs/")
        if name in seen or name not in defs or "/" in name:
            return 0
        if name not in counted:
            counted[name] = _members(defs[name], defs, (*seen, name), counted)
        return counted[name]
    inner = [
        _members(part, defs, seen, counted) for union in ("anyOf", "oneOf", "allOf") for part in schema.get(union, ())
    ]
    return 0 if 0 in inner else 1 + sum(inner)


def _unsupported(field: str, keyword: str, value: JSON, why: str) -> SchemaError:
    of = f"field {field!r}" if field else "the field"
    return SchemaError(
        f"{of} has a type whose JSON Schema says {keyword!r}: {shown(value)}, which {why}. "
        "Use str, int, float, bool, Literal, Enum, Optional, list, dict, dates or a plain model."
    )
