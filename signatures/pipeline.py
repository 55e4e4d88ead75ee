"""Pipeline: a straight-line program declared as data, wired by field names."""

from __future__ import annotations

import inspect
from typing import Any

from dspy import ChainOfThought, Module, Predict, Prediction, Signature

from .canonical import JSON
from .dspy_schema import schema_of
from .errors import SchemaError
from .schema import Field, Schema


class Pipeline(Module):  # type: ignore[misc]
    """Steps that run one after the other: `Pipeline(extract=Extract, answer=ChainOfThought(Answer))`.

    steps: each keyword names a step; its value is a signature (a class, or a string such as "question -> answer"),
    which becomes a Predict, or a Predict or ChainOfThought. A step takes each of its input fields, by name, from the
    outputs of the steps before it, else from the program's inputs. The result is a Prediction of all steps' outputs.

    inputs, outputs: names of what the whole program takes and gives. spec: the wiring as JSON.
    Two ChainOfThought steps may both give `reasoning`, as long as no step takes it; the result holds the last one.
    Raises SchemaError when built, naming step and field: no steps, an output given twice, an output that shadows an
    input of the program, or a field that does not fit what it is wired to.
    """

    def __init__(self, **steps: Any) -> None:
        super().__init__()
        if not steps:
            raise SchemaError("A Pipeline needs steps: Pipeline(extract=ExtractSignature, answer=AnswerSignature).")
        wiring = _Wiring()
        for name, given in steps.items():
            step = _step(name, given)
            leaf: Predict = step if isinstance(step, Predict) else step.predict
            path = name if isinstance(step, Predict) else f"{name}.predict"
            wiring.add(name, path, schema_of(leaf.signature))
            setattr(self, name, step)
        self.inputs: tuple[str, ...] = tuple(wiring.taken)
        self.outputs: tuple[str, ...] = tuple(wiring.given)
        self.spec: JSON = {"steps": wiring.steps}
        self._required = tuple(name for name, (_, field) in wiring.taken.items() if field.required)

    def forward(self, **inputs: Any) -> Prediction:
        values = self._checked(inputs)
        for step in self.spec["steps"]:
            prediction = getattr(self, step["name"])(**_picked(values, step["inputs"]))
            values.update((name, prediction[name]) for name in step["outputs"])
        return Prediction(_picked(values, self.outputs))

    async def aforward(self, **inputs: Any) -> Prediction:
        values = self._checked(inputs)
        for step in self.spec["steps"]:
            prediction = await getattr(self, step["name"]).acall(**_picked(values, step["inputs"]))
            values.update((name, prediction[name]) for name in step["outputs"])
        return Prediction(_picked(values, self.outputs))

    def _checked(self, inputs: dict[str, Any]) -> dict[str, Any]:
        unknown = [name for name in inputs if name not in self.inputs]
        missing = [name for name in self._required if name not in inputs]
        if unknown or missing:
            wrong = f"has no input {unknown[0]!r}" if unknown else f"needs the input {missing[0]!r}"
            raise SchemaError(f"The pipeline {wrong}. It takes: {', '.join(self.inputs)}.")
        return dict(inputs)


class _Wiring:
    """Who takes and who gives what, step by step; each a field with the step that names it first."""

    def __init__(self) -> None:
        self.taken: dict[str, tuple[str, Field]] = {}
        self.given: dict[str, tuple[str, Field]] = {}
        self.steps: list[JSON] = []

    def add(self, name: str, path: str, schema: Schema) -> None:
        for field in schema.inputs:
            self._take(name, field)
        for field in schema.outputs:
            self._give(name, field)
        self.steps.append(
            {
                "name": name,
                "path": path,
                "inputs": [field.name for field in schema.inputs],
                "outputs": [field.name for field in schema.outputs],
            }
        )

    def _take(self, step: str, field: Field) -> None:
        if field.name in self.given:
            giver, given = self.given[field.name]
            if self._is_shared_reasoning(field.name):
                raise SchemaError(
                    f"step {step!r} takes {field.name!r}, which more than one step before it gives. Declare it as an "
                    "output field of another name in one of them."
                )
            if not _fits(given, field):
                raise SchemaError(
                    f"step {step!r} takes {field.name!r} as {field.type_name}, but step {giver!r} gives it as "
                    f"{given.type_name}. Declare both with the same type."
                )
        elif field.name in self.taken:
            first, taken = self.taken[field.name]
            if taken.json_schema != field.json_schema:
                raise SchemaError(
                    f"steps {first!r} and {step!r} both take the input {field.name!r}, as {taken.type_name} and as "
                    f"{field.type_name}. Declare both with the same type, or rename one."
                )
            if field.required and not taken.required:
                self.taken[field.name] = (step, field)
        else:
            self.taken[field.name] = (step, field)

    def _give(self, step: str, field: Field) -> None:
        if field.name in self.taken:
            taker = self.taken[field.name][0]
            raise SchemaError(
                f"step {step!r} gives {field.name!r}, which is an input of the program (step {taker!r} takes it "
                "before). Rename one of them."
            )
        if field.name in self.given and field.name != "reasoning":
            raise SchemaError(
                f"steps {self.given[field.name][0]!r} and {step!r} both give {field.name!r}. Rename one of them."
            )
        self.given[field.name] = (step, field)

    def _is_shared_reasoning(self, name: str) -> bool:
        return sum(name in step["outputs"] for step in self.steps) > 1


def _step(name: str, given: Any) -> Predict | ChainOfThought:
    if name.startswith("_") or hasattr(Pipeline, name) or name in _OWN_ATTRIBUTES:
        raise SchemaError(f"A step cannot be called {name!r}: a Pipeline has an attribute of that name. Rename it.")
    if isinstance(given, str) or (inspect.isclass(given) and issubclass(given, Signature)):
        return Predict(given)
    if type(given) in (Predict, ChainOfThought):
        return given
    raise SchemaError(
        f"step {name!r} is {given!r:.80}. Give a signature, or a Predict or ChainOfThought object; for anything else "
        "write a dspy.Module with its own forward()."
    )


_OWN_ATTRIBUTES = ("inputs", "outputs", "spec", "history", "callbacks")


def _fits(given: Field, taken: Field) -> bool:
    """Whether each value of one field is a value of the other. Text takes any value, for any value can be shown."""
    wanted = taken.json_schema
    definitions = {"$defs": wanted["$defs"]} if "$defs" in wanted else {}
    options = [{**option, **definitions} for option in wanted.get("anyOf", [])]
    exact = any(given.json_schema == one for one in ({}, wanted, *options))
    return (
        exact
        or wanted == {}
        or taken.is_text
        or (given.json_schema, wanted) == ({"type": "integer"}, {"type": "number"})
    )


def _picked(values: dict[str, Any], names: Any) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values}
