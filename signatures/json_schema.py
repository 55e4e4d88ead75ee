"""The part of JSON Schema that typed fields use: the value that fits a schema. `supported` says which part it is."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .canonical import JSON, canonical
from .dates import FORMATS
from .loose_json import loads

# JSON Schema `type` -> what it is called in messages.
TYPES = {
    "string": "text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "True or False",
    "null": "null",
    "array": "a list",
    "object": "an object",
}
_INTEGER = re.compile(r"[+-]?\d+(?:\.0*)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


class Mismatch(ValueError):
    """A value that does not fit its schema. The message reads "'items[2].price' must be a number; got 'x'"."""


def coerce(schema: Mapping[str, JSON], value: JSON, where: str) -> JSON:
    """The value in the form that its schema asks for; a value that fits comes back as it is.

    value: in JSON form. Spellings that leave no doubt are turned into what was meant: "3" or 3.0 where an integer is
    due, "true" where a boolean is, another case or quotes around one of the choices, JSON text where a list or an
    object is. Properties that have a default are filled in, undeclared ones are dropped unless the schema lets them in.
    where: the value's name, for messages. Raises Mismatch (a ValueError) with the path to the part that does not fit.
    """
    defs = schema.get("$defs", {})
    try:
        return _Fit(defs, strict=True).fit(schema, value, where)
    except Mismatch:
        return _Fit(defs, strict=False).fit(schema, value, where)


def check(schema: Mapping[str, JSON], value: JSON, where: str) -> JSON:
    """The value, as `coerce` gives it, where it fits its schema as it stands. Raises Mismatch as `coerce` does."""
    return _Fit(schema.get("$defs", {}), strict=True).fit(schema, value, where)


def fits(schema: Mapping[str, JSON], value: JSON, defs: Mapping[str, JSON]) -> bool:
    """Whether a value fits a schema as it stands. defs: the definitions that the schema's references name."""
    try:
        _Fit(defs, strict=True).fit(schema, value, "value")
    except Mismatch:
        return False
    return True


def resolve(schema: Mapping[str, JSON], defs: Mapping[str, JSON]) -> Mapping[str, JSON]:
    """The schema that a reference names, or the schema itself."""
    while "$ref" in schema:
        schema = defs[schema["$ref"].rpartition("/")[2]]
    return schema


def shown(value: JSON) -> str:
    """A value in a message: short."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:76]} ..."


@dataclass(frozen=True)
class _Fit:
    """One check. strict: only values that fit as they stand, which decides between the members of a union first."""

    defs: Mapping[str, JSON]
    strict: bool

    def fit(self, schema: JSON, value: JSON, where: str) -> JSON:
        if schema is True or schema == {}:
            return value
        if schema is False:
            raise Mismatch(f"{where!r} must not be there")
        if "$ref" in schema:
            value = self.fit(resolve(schema, self.defs), value, where)
        for part in schema.get("allOf", ()):
            value = self.fit(part, value, where)
        for union in ("anyOf", "oneOf"):
            if union in schema:
                value = self._member(schema[union], value, where)
        if "const" in schema or "enum" in schema:
            value = self._choice(schema["enum"] if "enum" in schema else [schema["const"]], value, where)
        elif isinstance(schema.get("type"), list):
            value = self._member([{**schema, "type": kind} for kind in schema["type"]], value, where)
        elif "type" in schema:
            value = self._typed(schema, value, where)
        if not _LIMITED.isdisjoint(schema):
            self._limits(schema, value, where)
        if isinstance(value, list):
            return self._items(schema, value, where)
        if isinstance(value, dict):
            return self._properties(schema, value, where)
        return value

    def _member(self, members: Sequence[JSON], value: JSON, where: str) -> JSON:
        """The value as the first member that it fits takes it: as it stands if possible, spelled otherwise if not."""
        failures: list[Mismatch] = []
        for check in [_Fit(self.defs, strict=True)] if self.strict else [_Fit(self.defs, strict=True), self]:
            failures = []
            for member in members:
                try:
                    return check.fit(member, value, where)
                except Mismatch as failure:
                    failures.append(failure)
        real = [f for f, member in zip(failures, members, strict=True) if member != {"type": "null"}]
        if len(real) == 1:
            raise real[0]
        words = " or ".join(_words(member, self.defs) for member in members)
        raise Mismatch(f"{where!r} must be {words}; got {shown(value)}")

    def _choice(self, choices: Sequence[JSON], value: JSON, where: str) -> JSON:
        for choice in choices:
            if _same(choice, value):
                return choice
        if isinstance(value, str) and not self.strict:
            for spelling in _SPELLINGS:
                found = [choice for choice in choices if spelling(_text(choice)) == spelling(value)]
                if len(found) == 1:
                    return found[0]
        raise Mismatch(f"{where!r} must be {_choices(choices)}; got {shown(value)}")

    def _typed(self, schema: Mapping[str, JSON], value: JSON, where: str) -> JSON:
        kind = schema["type"]
        if kind == "string" and isinstance(value, str):
            return self._string(schema, value, where)
        if _is(kind, value):
            return value
        if not self.strict:
            try:
                return _respelled(kind, value)
            except ValueError:
                pass
        raise Mismatch(f"{where!r} must be {_words(schema, self.defs)}; got {shown(value)}")

    def _string(self, schema: Mapping[str, JSON], value: str, where: str) -> str:
        if not value.isascii() and not _encodable(value):
            raise Mismatch(f"{where!r} holds half of a surrogate pair, which no text can hold")
        if schema.get("format") in FORMATS:
            words, read = FORMATS[schema["format"]]
            text = value if self.strict else _unquoted(value.strip())
            try:
                read(text)
            except ValueError:
                raise Mismatch(f"{where!r} must be {words}; got {shown(value)}") from None
            return text
        return value

    def _limits(self, schema: Mapping[str, JSON], value: JSON, where: str) -> None:
        for words, keywords in _LIMITS:
            for keyword, said, broken in keywords:
                if keyword in schema and broken(value, schema[keyword]):
                    bound = said.format(schema[keyword], "" if schema[keyword] == 1 else "s")
                    raise Mismatch(f"{where!r} must {words} {bound}; got {shown(value)}")

    def _items(self, schema: Mapping[str, JSON], value: list[JSON], where: str) -> list[JSON]:
        first = schema.get("prefixItems", [])
        rest = schema.get("items", True)
        fitted = [self.fit(first[i] if i < len(first) else rest, item, f"{where}[{i}]") for i, item in enumerate(value)]
        if schema.get("uniqueItems"):
            by_text: dict[str, JSON] = {}
            for item in fitted:
                by_text.setdefault(canonical(item), item)
            if self.strict and len(by_text) < len(fitted):
                raise Mismatch(f"{where!r} must not hold the same item twice; got {shown(value)}")
            return list(by_text.values())
        return fitted

    def _properties(self, schema: Mapping[str, JSON], value: dict[str, JSON], where: str) -> dict[str, JSON]:
        declared = schema.get("properties", {})
        patterns = schema.get("patternProperties", {})
        others = schema.get("additionalProperties")
        for name in schema.get("required", ()):
            if name not in value:
                raise Mismatch(f"{where!r} has no {name!r}; got {shown(value)}")
        fitted = {}
        for name, item in value.items():
            inner = f"{where}.{name}"
            if "propertyNames" in schema:
                self.fit(schema["propertyNames"], name, inner)
            matching = [sub for pattern, sub in patterns.items() if re.search(pattern, name)]
            if name in declared:
                fitted[name] = self.fit(declared[name], item, inner)
            elif matching:
                fitted[name] = self.fit(matching[0], item, inner)
            elif others is False:
                known = ", ".join(map(repr, declared)) or "none"
                raise Mismatch(f"{where!r} must not have {name!r}; its keys are {known}")
            elif others is not None:
                fitted[name] = self.fit(others, item, inner)
            elif not declared:
                fitted[name] = item
        for name, sub in declared.items():
            if name not in fitted and isinstance(sub, Mapping) and "default" in sub:
                fitted[name] = sub["default"]
        return fitted


def _number(value: JSON) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is(kind: str, value: JSON) -> bool:
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "number":
        return _number(value)
    kinds = {"string": str, "boolean": bool, "null": type(None), "array": list, "object": dict}
    return isinstance(value, kinds[kind])


def _respelled(kind: str, value: JSON) -> JSON:
    """The value of a type that another spelling stands for. Raises ValueError where it is not clear."""
    if kind == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, str):
        raise ValueError
    text = _unquoted(value.strip())
    if kind == "integer" and _INTEGER.fullmatch(text):
        return int(text.partition(".")[0])
    if kind == "number" and _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return int(text) if text.lstrip("+-").isdigit() else float(text)
    if kind == "boolean" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind == "null" and text.lower() in ("null", "none"):
        return None
    if kind in ("array", "object"):
        loaded = loads(text)
        if _is(kind, loaded):
            return loaded
    raise ValueError


def _same(a: JSON, b: JSON) -> bool:
    # True == 1 in Python, but they are two values in JSON.
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def _text(choice: JSON) -> str:
    return choice if isinstance(choice, str) else str(choice)


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`" else text


def _bare(text: str) -> str:
    return _unquoted(text.strip().rstrip(".").strip()).strip().rstrip(".")


# From the closest spelling of a choice to the loosest: the first under which exactly one choice matches decides.
_SPELLINGS = (
    lambda text: text,
    lambda text: text.strip(),
    lambda text: _unquoted(text.strip()).strip(),
    lambda text: _bare(text),
    lambda text: _bare(text).casefold(),
)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _choices(choices: Sequence[JSON]) -> str:
    listed = ", ".join(shown(choice) for choice in choices)
    return f"one of {listed}" if len(choices) > 1 else listed


def _words(schema: JSON, defs: Mapping[str, JSON]) -> str:
    if isinstance(schema, bool):
        return "anything" if schema else "nothing"
    schema = resolve(schema, defs)
    if "enum" in schema or "const" in schema:
        return _choices(schema["enum"] if "enum" in schema else [schema["const"]])
    if schema.get("format") in FORMATS:
        return FORMATS[schema["format"]][0]
    return TYPES.get(str(schema.get("type")), "another value")


_LIMITS = (
    (
        "be",
        (
            ("minimum", "at least {}", lambda v, b: _number(v) and v < b),
            ("maximum", "at most {}", lambda v, b: _number(v) and v > b),
            ("exclusiveMinimum", "more than {}", lambda v, b: _number(v) and v <= b),
            ("exclusiveMaximum", "less than {}", lambda v, b: _number(v) and v >= b),
            ("multipleOf", "a multiple of {}", lambda v, b: _number(v) and not _is_multiple(v, b)),
        ),
    ),
    (
        "have",
        (
            ("minLength", "at least {} character{}", lambda v, b: isinstance(v, str) and len(v) < b),
            ("maxLength", "at most {} character{}", lambda v, b: isinstance(v, str) and len(v) > b),
            ("minItems", "at least {} item{}", lambda v, b: isinstance(v, list) and len(v) < b),
            ("maxItems", "at most {} item{}", lambda v, b: isinstance(v, list) and len(v) > b),
            ("minProperties", "at least {} key{}", lambda v, b: isinstance(v, dict) and len(v) < b),
            ("maxProperties", "at most {} key{}", lambda v, b: isinstance(v, dict) and len(v) > b),
        ),
    ),
    ("match", (("pattern", "the pattern {}", lambda v, b: isinstance(v, str) and not re.search(b, v)),)),
)
_LIMITED = frozenset(keyword for _, keywords in _LIMITS for keyword, _, _ in keywords)


def _is_multiple(value: float, step: float) -> bool:
    quotient = value / step
    return math.isfinite(quotient) and math.isclose(quotient, round(quotient), rel_tol=1e-12, abs_tol=1e-9)
