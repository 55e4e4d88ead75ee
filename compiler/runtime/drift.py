"""Whether a user's program still has the predictors and fields that a file was compiled from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...signatures.errors import FrozenError
from ...signatures.schema import Field, Schema

if TYPE_CHECKING:
    from ...signatures.dspy_bridge import Program

_REMEDY = "Load the file with the program it was compiled from, or compile the program again."


def refuse_drift(schemas: Mapping[str, Schema], program: Program) -> None:
    """Raises FrozenError, naming path and field, unless the program has the predictors and fields of the file."""
    for path in program.schemas:
        if path not in schemas:
            raise FrozenError(f"The program has a predictor {path!r} that the compiled one had not. {_REMEDY}")
    for path, compiled in schemas.items():
        if path not in program.schemas:
            known = ", ".join(repr(name) for name in program.schemas)
            raise FrozenError(f"The program has no predictor {path!r}; it has {known}. {_REMEDY}")
        refuse_other_fields(path, compiled, program.schemas[path])


def refuse_other_fields(path: str, compiled: Schema, now: Schema) -> None:
    """Raises FrozenError, naming the field, unless a predictor has the fields that it was compiled with."""
    for side, before, after in (("input", compiled.inputs, now.inputs), ("output", compiled.outputs, now.outputs)):
        _refuse_fields(path, side, before, after)


def _refuse_fields(path: str, side: str, before: tuple[Field, ...], after: tuple[Field, ...]) -> None:
    names = [field.name for field in after]
    for field in before:
        if field.name not in names:
            raise FrozenError(f"Predictor {path!r} no longer has the {side} {field.name!r}. {_REMEDY}")
        found = after[names.index(field.name)]
        if found.json_schema != field.json_schema or found.required != field.required:
            raise FrozenError(
                f"The {side} {field.name!r} of predictor {path!r} was {field.type_name} when it was compiled and is "
                f"{found.type_name} now. {_REMEDY}"
            )
    added = [name for name in names if name not in {field.name for field in before}]
    if added:
        raise FrozenError(f"Predictor {path!r} has a new {side} {added[0]!r}. {_REMEDY}")
