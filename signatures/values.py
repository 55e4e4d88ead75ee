"""Values of fields: Python value -> JSON form -> text of a prompt, and text of a reply -> JSON form -> Python value.

Driven by the field's JSON Schema, so that a file can carry the rules. pydantic is only imported for values that plain
JSON, enums and dates do not cover.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from datetime import date, time
from enum import Enum
from functools import lru_cache
from typing import Any, NoReturn

from .canonical import JSON, canonical
from .dates import FORMATS, to_iso
from .errors import ReplyError, SchemaError
from .json_schema import Mismatch, coerce, fits, resolve
from .loose_json import structures, whole
from .schema import Field
from .supported import check_supported

__all__ = [
    "Mismatch",
    "Record",
    "check_supported",
    "coerce",
    "read",
    "to_json",
    "to_python",
    "to_text",
]


def to_json(value: Any) -> JSON:
    """A Python value in JSON form.

    Tuples and sets become lists (sets sorted), enums their value, dates ISO 8601, dataclasses and models objects.
    Raises SchemaError on NaN, infinities and objects that have no text of their own.
    """
    if value is None or type(value) in (str, int, bool):
        return value
    if isinstance(value, Enum):
        return to_json(value.value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise SchemaError(f"the value {value} is not JSON: use None or a text where a number is missing.")
        return float(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((to_json(item) for item in value), key=canonical)  # a set's own order changes from run to run
    if isinstance(value, Record):
        return to_json(dict(value))
    if type(value) is dict and all(type(key) is str for key in value):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, date | time):
        return to_iso(value)
    return _through_pydantic(value)


def to_text(field: Field, value: Any) -> str:
    """The text a prompt shows for a value.

    A text is shown as it is, a list in a text field as numbered passages, other lists and objects as JSON.
    value: Python value or JSON form. Raises SchemaError as `to_json` does.
    """
    if type(value) is str:
        return value
    if isinstance(value, list) and field.is_text and field.type_name == "str":
        return _passages(value)
    jsonable = to_json(value)
    return json.dumps(jsonable, ensure_ascii=False) if isinstance(jsonable, dict | list) else str(jsonable)


def read(field: Field, text: str) -> JSON:
    """The value in JSON form that a text of a reply stands for; a text field's is the text as it is.

    Lists and objects are found in JSON, in a fenced block, in the midst of prose, or written as Python writes them.
    Raises ReplyError with a reason that an LM can act on.
    """
    schema = field.json_schema
    failure: Mismatch | None = None
    for reading in [text] if field.is_text else _readings(text.strip()):
        try:
            return coerce(schema, reading, field.name)
        except Mismatch as mismatch:
            if failure is None or isinstance(reading, dict):
                failure = mismatch
    raise ReplyError(f"field {failure}")


def to_python(field: Field, value: JSON) -> Any:
    """What a user gets for a value in JSON form.

    Dates, times, durations and UUIDs come as such, objects with declared keys as `Record`.
    """
    schema = field.json_schema
    return _python(schema, value, schema.get("$defs", {}))


class Record:
    """An object with declared keys, read by attribute or by key: `order.lines[0].price`, `order["lines"]`. Immutable.

    `to_dict()` gives plain dictionaries. A key named `keys` or `to_dict` is read by key only.
    """

    __slots__ = ("_values",)
    _values: dict[str, Any]

    def __init__(self, values: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_values", dict(values))

    def __getattr__(self, name: str) -> Any:
        if name != "_values" and name in self._values:
            return self._values[name]
        raise AttributeError(f"no field {name!r}")

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def keys(self) -> list[str]:
        return list(self._values)

    def to_dict(self) -> dict[str, Any]:
        return {name: _plain(value) for name, value in self._values.items()}

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Record is immutable: cannot set {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Record is immutable: cannot delete {name!r}")

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Record):
            return self._values == other._values
        return isinstance(other, dict) and self.to_dict() == other

    __hash__ = None  # type: ignore[assignment]  # it may hold lists

    def __reduce__(self) -> tuple[type[Record], tuple[dict[str, Any]]]:
        return Record, (self._values,)

    def __repr__(self) -> str:
        return f"Record({', '.join(f'{name}={value!r}' for name, value in self._values.items())})"


def _readings(text: str) -> Iterator[JSON]:
    """What a text may stand for: a JSON or Python value, the text itself, the text inside quotes, what it holds."""
    try:
        value = whole(text)
    except ValueError:
        value = text
    if not isinstance(value, str):
        yield value
    yield text
    if isinstance(value, str) and value != text:
        yield value
    yield from structures(text)


def _passages(items: list[Any]) -> str:
    if not items:
        return "N/A"
    quoted = [
        _quoted(item if isinstance(item, str) else json.dumps(to_json(item), ensure_ascii=False)) for item in items
    ]
    return quoted[0] if len(quoted) == 1 else "\n".join(f"[{i}] {item}" for i, item in enumerate(quoted, 1))


def _quoted(text: str) -> str:
    if not any(mark in text for mark in "\n«»"):
        return f"«{text}»"
    indented = text.replace("\n", "\n    ")
    return f"«««\n    {indented}\n»»»"


def _through_pydantic(value: Any) -> JSON:
    try:
        from pydantic.errors import PydanticSchemaGenerationError
    except ModuleNotFoundError:
        raise SchemaError(
            f"a value of type {type(value).__name__} is read through pydantic, which is not installed. Give plain "
            "values, or install it: pip install pydantic"
        ) from None

    kind: Any = type(value)
    try:
        dumped = _adapter(kind).dump_python(value, mode="json", fallback=_own_text)
    except PydanticSchemaGenerationError:
        return _own_text(value)
    return _finite(dumped)


def _own_text(value: Any) -> str:
    shows_itself = any("__str__" in kind.__dict__ or "__repr__" in kind.__dict__ for kind in type(value).__mro__[:-1])
    if not shows_itself:
        raise SchemaError(
            f"a value of type {type(value).__name__} has no JSON form and no text of its own. "
            "Give plain values, a dataclass or a pydantic model."
        )
    return str(value)


def _finite(value: JSON) -> JSON:
    if isinstance(value, float) and not math.isfinite(value):
        return to_json(value)  # raises with the reason
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): _finite(item) for key, item in value.items()}
    return value


@lru_cache(maxsize=256)
def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _python(schema: JSON, value: JSON, defs: Mapping[str, JSON]) -> Any:
    if not isinstance(schema, Mapping):
        return value
    schema = resolve(schema, defs)
    for union in ("anyOf", "oneOf"):
        if union in schema:
            member = next((part for part in schema[union] if fits(part, value, defs)), True)
            return _python(member, value, defs)
    if isinstance(value, str) and schema.get("type") == "string" and schema.get("format") in FORMATS:
        return FORMATS[schema["format"]][1](value)
    if type(value) is int and schema.get("type") == "number":
        return float(value)
    if isinstance(value, list):
        first = schema.get("prefixItems", [])
        rest = schema.get("items", True)
        return [_python(first[i] if i < len(first) else rest, item, defs) for i, item in enumerate(value)]
    if isinstance(value, dict):
        declared = schema.get("properties", {})
        others = schema.get("additionalProperties", True)
        inner = {name: _python(declared.get(name, others), item, defs) for name, item in value.items()}
        return Record(inner) if declared else inner
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value
