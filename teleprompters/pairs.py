"""What a predictor should say to what: field values from the labels of a row, or from an execution that went right."""

from __future__ import annotations

from collections.abc import Mapping

from ..signatures.canonical import JSON, canonical
from ..signatures.example import Example
from ..signatures.schema import Schema
from .base import Outcome


def from_row(row: Example, schema: Schema) -> dict[str, JSON] | None:
    """The row's values of all fields, inputs first; None when a required input or any output is missing or null."""
    values = row.values
    if any(values.get(field.name) is None for field in schema.inputs if field.required):
        return None
    if any(values.get(field.name) is None for field in schema.outputs):
        return None
    return _in_order(schema, values)


def labels_from_row(row: Example, schema: Schema) -> dict[str, JSON] | None:
    """Like `from_row`, but one output that has a value is enough: a reasoning need not be shown to tell a task."""
    values = row.values
    if any(values.get(field.name) is None for field in schema.inputs if field.required):
        return None
    if all(values.get(field.name) is None for field in schema.outputs):
        return None
    return {name: value for name, value in _in_order(schema, values).items() if value is not None}


def from_trace(outcome: Outcome, path: str, schema: Schema) -> dict[str, JSON] | None:
    """What the predictor read and said in the execution; None when it said nothing that could be used.

    Of several calls the last: the one nearest to the answer that was right.
    """
    step = next((step for step in reversed(outcome.trace) if step.path == path and step.outputs), None)
    return None if step is None else _in_order(schema, {**step.inputs, **step.outputs})


def each_from_trace(outcome: Outcome, path: str, schema: Schema) -> list[dict[str, JSON]]:
    """As `from_trace`, for every different input that the predictor was called with, in order of the calls.

    A predictor that is called step by step says something else at each step. Of calls with equal inputs the last.
    """
    steps = [step for step in outcome.trace if step.path == path and step.outputs]
    by_inputs = {canonical(dict(step.inputs)): _in_order(schema, {**step.inputs, **step.outputs}) for step in steps}
    return list(by_inputs.values())


def _in_order(schema: Schema, values: Mapping[str, JSON]) -> dict[str, JSON]:
    names = [field.name for field in (*schema.inputs, *schema.outputs)]
    return {name: values[name] for name in names if name in values}
