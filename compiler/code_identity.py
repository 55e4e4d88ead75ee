"""What identifies a function of the user's: its source, and the plain values it was made with."""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections.abc import Callable
from types import CodeType, FunctionType, MethodType
from typing import Any

from ..signatures.canonical import JSON


def code_identity(fn: Callable[..., Any]) -> JSON:
    """JSON that changes with the source of `fn` (its bytecode where there is no source) and with the plain values among
    its defaults, the variables it closes over, the arguments of a partial, and the attributes of a callable object.

    Globals and functions that it calls do not count.
    """
    return _identity(fn, set())


def _identity(value: object, seen: set[int]) -> JSON:
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return repr(value)
    if id(value) in seen:
        return "seen"
    seen = seen | {id(value)}
    if isinstance(value, FunctionType):
        cells = [_cell(cell, seen) for cell in value.__closure__ or ()]
        defaults = [_identity(one, seen) for one in (value.__defaults__, value.__kwdefaults__)]
        return [value.__qualname__, _source(value), cells, defaults]
    if isinstance(value, MethodType):
        return [_identity(value.__func__, seen), _identity(value.__self__, seen)]
    if isinstance(value, functools.partial):
        return ["partial", *(_identity(one, seen) for one in (value.func, value.args, value.keywords))]
    if isinstance(value, dict):
        return [[_identity(key, seen), _identity(item, seen)] for key, item in value.items()]
    if isinstance(value, list | tuple):
        return [_identity(item, seen) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    if inspect.isclass(value):
        return [value.__qualname__, _class_source(value)]
    if callable(value) and hasattr(value, "__dict__"):
        return [_class_source(type(value)), _identity(vars(value), seen)]
    return type(value).__qualname__


def _cell(cell: Any, seen: set[int]) -> JSON:
    try:
        return _identity(cell.cell_contents, seen)
    except ValueError:  # a variable that is not bound yet
        return "empty"


def _source(fn: FunctionType) -> str:
    # The source of a lambda is its whole line, which another lambda may share; so bytecode is what tells those apart.
    if fn.__name__ != "<lambda>":
        try:
            return _hash(inspect.getsource(fn).encode())
        except (OSError, TypeError):
            pass
    return _hash(_bytecode(fn.__code__))


def _class_source(cls: type) -> str:
    try:
        return _hash(inspect.getsource(cls).encode())
    except (OSError, TypeError):
        functions = [one for one in vars(cls).values() if isinstance(one, FunctionType)]
        return _hash(b"".join(_bytecode(one.__code__) for one in functions))


def _bytecode(code: CodeType) -> bytes:
    constants = [_bytecode(c) if isinstance(c, CodeType) else repr(c).encode() for c in code.co_consts]
    return b"\0".join([code.co_code, repr((code.co_names, code.co_varnames)).encode(), *constants])


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
