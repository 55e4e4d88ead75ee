"""The rows with the question removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...teleprompters.draws import shuffled
from .base import Inputs, Omitted, Perturbation, Subject, Variant


class RemovedInputs(Perturbation):
    """One input of every row taken away at a time: a text left blank, an optional input left out.

    An input of another type cannot be blank, and gets the value of another row. A score that stays says that the answer
    comes from the prompt alone, whatever was asked.
    """

    family = "inputs"

    def variants(self, subject: Subject) -> Iterator[Variant | Omitted]:
        for name in dict.fromkeys(name for row in subject.inputs for name in row):
            how, rows = self._without(subject, name)
            if rows == subject.inputs:
                yield Omitted(self.family, f"{name} {how}", None, "every row has the same value")
            else:
                yield Variant(self.family, f"{name} {how}", None, subject.candidate, rows)

    def _without(self, subject: Subject, name: str) -> tuple[str, Inputs]:
        field = subject.fields.get(name)
        values = [row[name] for row in subject.inputs if name in row]
        if field is not None and not field.required:
            return "left out", tuple({key: row[key] for key in row if key != name} for row in subject.inputs)
        if all(isinstance(value, str) for value in values) and (field is None or field.is_text):
            return "blank", tuple({**row, name: ""} if name in row else row for row in subject.inputs)
        return "of another row", _swapped(subject, name)


def _swapped(subject: Subject, name: str) -> Inputs:
    """Each row with the value of another one: the rows in a random ring, each takes from the next."""
    having = [number for number, row in enumerate(subject.inputs) if name in row]
    ring = shuffled(having, subject.rng("inputs", name))
    taken = {number: ring[(place + 1) % len(ring)] for place, number in enumerate(ring)}

    def row(number: int) -> Mapping[str, Any]:
        own = subject.inputs[number]
        return {**own, name: subject.inputs[taken[number]][name]} if number in taken else own

    return tuple(row(number) for number in range(len(subject.inputs)))
