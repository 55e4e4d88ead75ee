"""Results in the user's own types, from a signature and without its module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from ...signatures.canonical import JSON
from ...signatures.errors import FrozenError
from ...signatures.schema import Schema
from .drift import refuse_other_fields

ToPython: TypeAlias = Callable[[JSON], Any]


def types_of(signature: object, schemas: Mapping[str, Schema]) -> dict[str, ToPython]:
    """What makes the user's value of each output field out of its JSON form.

    signature: a `dspy.Signature` class for a file of one predictor, else one for each path that is to be typed.
    Raises FrozenError, naming path and field, where a signature is not the one that was compiled. A `reasoning` output
    that ChainOfThought has put in front of the signature's own is no difference.
    """
    named = signature if isinstance(signature, Mapping) else {_only(schemas): signature}
    found: dict[str, ToPython] = {}
    for path, given in named.items():
        if path not in schemas:
            known = ", ".join(map(repr, schemas))
            raise FrozenError(f"signature= names a predictor {path!r} that the file has not. It has {known}.")
        found.update(_types(path, given, schemas[path]))
    return found


def _only(schemas: Mapping[str, Schema]) -> str:
    if len(schemas) > 1:
        known = ", ".join(map(repr, schemas))
        raise FrozenError(f"This file has several predictors. Pass signature={{path: Signature, ...}} for {known}.")
    return next(iter(schemas))


def _types(path: str, signature: object, compiled: Schema) -> dict[str, ToPython]:
    if not (isinstance(signature, type) and hasattr(signature, "output_fields")):
        raise FrozenError(
            f"signature= takes a dspy.Signature class (burnish.Signature), or a mapping from paths to them; got "
            f"{signature!r:.80} for predictor {path!r}."
        )
    from pydantic import TypeAdapter

    from ...signatures.dspy_binding import typed
    from ...signatures.dspy_schema import schema_of, value_type

    now = schema_of(signature)
    added = [field for field in compiled.outputs if field.name == "reasoning" and "reasoning" not in now.by_name]
    refuse_other_fields(path, compiled, Schema(now.inputs, (*added, *now.outputs)))

    def reader(name: str, annotation: Any) -> ToPython:
        adapter = TypeAdapter(annotation)
        return lambda value: typed(adapter, value, name)

    fields: Mapping[str, Any] = signature.output_fields
    return {name: reader(name, value_type(field)) for name, field in fields.items()}
