"""What identifies a user's code: its source, and the plain values it was made with."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
from collections.abc import Callable
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType
from typing import Any

from .canonical import JSON, digest

_COMMAND = "<string>"  # where code says it comes from that was made by exec, or given to python -c


def code_identity(value: object, stand_in: Callable[[object], object] = lambda value: value) -> str:
    """Text that changes with the source of a function or class (its bytecode where there is no source) and with the
    plain values among its defaults, the variables it closes over, the arguments of a partial, and the attributes of a
    callable object; of a container, with those of its items.

    Globals and functions that it calls do not count; objects of other kinds count by their class alone.
    stand_in: gives what counts instead of a value, wherever it is met; the value itself where it counts as it is.
    """
    return _Identities(stand_in).of(value)


class _Identities:
    def __init__(self, stand_in: Callable[[object], object]) -> None:
        self._stand_in = stand_in
        # By id, with the object itself: as long as it is kept, nothing else gets its id.
        self._known: dict[int, tuple[object, str]] = {}

    def of(self, value: object) -> str:
        if value is None or isinstance(value, bool | int | float | str | bytes):
            return repr(value)
        if id(value) in self._known:
            return self._known[id(value)][1]
        self._known[id(value)] = (value, "within itself")
        counted = self._stand_in(value)
        identity = digest(self._described(value)) if counted is value else self.of(counted)
        self._known[id(value)] = (value, identity)
        return identity

    def _described(self, value: object) -> JSON:
        if isinstance(value, FunctionType):
            cells = [self._cell(cell) for cell in value.__closure__ or ()]
            return [
                value.__qualname__,
                _source(value),
                cells,
                self.of(value.__defaults__),
                self.of(value.__kwdefaults__),
            ]
        if isinstance(value, MethodType):
            return [self.of(value.__func__), self.of(value.__self__)]
        if isinstance(value, BuiltinFunctionType):
            return [value.__module__, value.__qualname__, self.of(value.__self__)]
        if isinstance(value, functools.partial):
            return ["partial", self.of(value.func), self.of(value.args), self.of(value.keywords)]
        if isinstance(value, dict):
            return [[self.of(key), self.of(item)] for key, item in value.items()]
        if isinstance(value, list | tuple):
            return [self.of(item) for item in value]
        if isinstance(value, set | frozenset):
            return sorted(self.of(item) for item in value)
        if inspect.isclass(value):
            return [value.__qualname__, _class_source(value)]
        if callable(value) and hasattr(value, "__dict__"):
            return [_class_source(type(value)), self.of(vars(value))]
        return type(value).__qualname__

    def _cell(self, cell: Any) -> str:
        try:
            return self.of(cell.cell_contents)
        except ValueError:  # a variable that is not bound yet
            return "empty"


def _source(function: FunctionType) -> str:
    try:
        source = _lambda(function) if function.__code__.co_name == "<lambda>" else inspect.getsource(function)
    except (OSError, TypeError, SyntaxError):
        source = None
    if function.__code__.co_filename == _COMMAND:
        source = None  # from Python 3.13 on, what is found there is the command that the process was started with
    return _hash(_bytecode(function.__code__) if source is None else source.encode())


def _lambda(function: FunctionType) -> str | None:
    """The text of a lambda; None where another one begins in the same line, and only bytecode tells them apart."""
    text = "".join(inspect.findsource(function)[0])
    line = function.__code__.co_firstlineno
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Lambda) and node.lineno == line]
    return ast.get_source_segment(text, found[0]) if len(found) == 1 else None


def _class_source(cls: type) -> str:
    try:
        source = inspect.getsource(cls)
    except (OSError, TypeError):
        source = ""
    if f"class {cls.__name__}" in source:  # else it is the command that the process was started with, see _COMMAND
        return _hash(source.encode())
    functions = [one for one in vars(cls).values() if isinstance(one, FunctionType)]
    return _hash(b"".join(_bytecode(one.__code__) for one in functions))


def _bytecode(code: CodeType) -> bytes:
    names = repr((code.co_names, code.co_varnames)).encode()
    return b"\0".join([code.co_code, names, *(_constant(one) for one in code.co_consts)])


def _constant(value: object) -> bytes:
    if isinstance(value, CodeType):
        return _bytecode(value)
    # The order of a set of strings differs from process to process.
    return repr(sorted(map(repr, value)) if isinstance(value, frozenset) else value).encode()


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
