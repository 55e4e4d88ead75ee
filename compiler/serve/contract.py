"""What one program takes and gives over HTTP: the JSON Schemas of its fields as they stand in the file."""

from __future__ import annotations

import inspect
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from ...signatures.canonical import JSON, canonical
from ...signatures.json_schema import Mismatch, check
from ...signatures.schema import Field
from .problems import Problem

MAX_DEPTH = 100  # of lists and objects in a body; what checks, renders and answers goes down them by recursion


@dataclass(frozen=True)
class Contract:
    """inputs, outputs: by name; outputs None where the user's code decides. is_open: other inputs may be given too."""

    inputs: Mapping[str, Field]
    outputs: Mapping[str, Field] | None
    is_open: bool = False

    def read(self, body: bytes) -> dict[str, JSON]:
        """The inputs in a request's body, each in the form that the compile gave such a value.

        Raises Problem: not_json, or invalid with the name of the field.
        """
        given = _json(body)
        if not isinstance(given, dict):
            raise Problem("invalid", f"The body must be an object with {self._names()}.")
        for name in given:
            if name not in self.inputs and not self.is_open:
                _refuse(name, f"There is no input {ascii(name)[:80]}; the program takes {self._names()}.")
        for name, field in self.inputs.items():
            if field.required and name not in given:
                _refuse(name, f"The input {name!r} is missing; the program takes {self._names()}.")
        if b"\\u" in body:  # only so can half a character come in
            for name, value in given.items():
                _check_unicode(name, value)
        return {name: self._fitted(name, value) for name, value in given.items()}

    def _fitted(self, name: str, value: JSON) -> JSON:
        field = self.inputs.get(name)
        if field is None:
            return value
        try:
            return check(field.json_schema, value, name)
        except Mismatch as mismatch:
            _refuse(name, f"{mismatch}.")

    def _names(self) -> str:
        return ", ".join(repr(name) for name in self.inputs) or "no inputs"


def fields_of_function(function: Callable[..., Any]) -> tuple[dict[str, Field], bool]:
    """What a module's forward() takes, by its parameters, and whether it takes other inputs too (`**inputs`)."""
    taken: dict[str, Field] = {}
    is_open = False
    try:
        signature = inspect.signature(function, eval_str=True)
    except Exception:  # noqa: BLE001 (an annotation that is only there for type checkers: evaluating it may raise anything)
        signature = inspect.signature(function)
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            is_open = True
        elif parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            required = parameter.default is parameter.empty
            taken[parameter.name] = Field(parameter.name, _schema_of(parameter.annotation), required=required)
    return taken, is_open


def _schema_of(annotation: Any) -> str:
    """Anything where there is no annotation, or one that JSON Schema cannot say or that we could not check."""
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

    from ...signatures.errors import SchemaError
    from ...signatures.supported import check_supported

    if annotation is inspect.Parameter.empty or isinstance(annotation, str):
        return "{}"
    try:
        schema = TypeAdapter(annotation).json_schema()
        check_supported(schema)
    except (PydanticSchemaGenerationError, PydanticUserError, SchemaError):
        return "{}"
    return canonical(schema)


def _json(body: bytes) -> JSON:
    try:
        value: JSON = _DECODER.decode(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Problem("not_json", f"The body is not UTF-8 (byte {error.start}).") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}: {error.msg}"
        raise Problem("not_json", f"The body is not JSON ({place}).") from None
    except _Twice as twice:
        raise Problem("not_json", f"The body has {ascii(str(twice))[:80]} twice in one object.") from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:  # a number that we refuse, or one with too many digits for Python
        raise Problem("not_json", f"The body holds a number that cannot be read: {str(error)[:80]}.") from None
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise _too_deep()
    return value


def _too_deep() -> Problem:
    return Problem("not_json", f"The body is nested deeper than {MAX_DEPTH} levels.")


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError(digits)
    return number


def _once(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    """Of two values of one name each reader takes another: whoever has checked the request may have seen the other."""
    found = dict(pairs)
    if len(found) < len(pairs):
        counted = Counter(name for name, _ in pairs)
        raise _Twice(next(name for name, times in counted.items() if times > 1))
    return found


class _Twice(Exception):
    """A name stands twice in one object."""


def _depth(value: JSON) -> int:
    """How deep lists and objects are nested; 0 for anything else. Without recursion."""
    depth, level = 0, [value]
    while nested := [item for item in level if isinstance(item, list | dict)]:
        depth += 1
        level = [item for outer in nested for item in (outer.values() if isinstance(outer, dict) else outer)]
    return depth


_DECODER = json.JSONDecoder(parse_constant=_no_number, parse_float=_finite, object_pairs_hook=_once)


def _check_unicode(name: str, value: JSON) -> None:
    try:
        json.dumps([name, value], ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        _refuse(ascii(name)[1:-1], f"The input {ascii(name)[:80]} holds half of a surrogate pair, which is no text.")


def _refuse(name: str, detail: str) -> NoReturn:
    raise Problem("invalid", detail, field=name[:80])
