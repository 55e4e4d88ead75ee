"""What reports and lists call a program: whoever has many of them looks for this first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from ...signatures.canonical import JSON

if TYPE_CHECKING:
    from ...signatures.dspy_bridge import Program

Fields: TypeAlias = "tuple[Sequence[str], Sequence[str]]"  # names of inputs and of outputs

_NOT_OURS = frozenset({"StringSignature", "Signature", "Pipeline"})  # classes that say nothing of this program


def title_of_program(program: Program) -> str:
    """ "Sentiment: review -> label", "Triage: classify, answer"; without a class of the user's, what comes after it."""
    if program.kind == "predictor":
        (leaf,) = program.leaves.values()
        name = leaf.signature.__name__
    else:
        name = type(program.module).__name__
    fields: dict[str, Fields] = {
        path: ([field.name for field in schema.inputs], [field.name for field in schema.outputs])
        for path, schema in program.schemas.items()
    }
    return _title("" if name in _NOT_OURS else name, fields)


def title_of_document(document: Mapping[str, JSON]) -> str:
    """The same of a compiled file, which holds no names of classes."""
    fields: dict[str, Fields] = {}
    for path, predictor in document["predictors"].items():
        schema = predictor["template"]["schema"]
        inputs, outputs = ([str(field["name"]) for field in schema[side]] for side in ("inputs", "outputs"))
        fields[path] = (inputs, outputs)
    return _title("", fields)


def predictor_name(path: str) -> str:
    """A predictor as its program names it: a step of reasoning by the name of the step."""
    return path.removesuffix(".predict")


def _title(name: str, fields: Mapping[str, Fields]) -> str:
    if len(fields) == 1:
        ((inputs, outputs),) = fields.values()
        said = f"{', '.join(inputs)} -> {', '.join(outputs)}"
    else:
        said = ", ".join(predictor_name(path) for path in fields)
    return f"{name}: {said}" if name else said
