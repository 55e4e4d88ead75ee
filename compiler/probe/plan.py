"""What a probe will do, and the most it can cost, before its first call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from ...signatures.candidate import Candidate
from ...signatures.canonical import JSON
from ...signatures.errors import BudgetError
from ..budget import Budget
from ..execution import most_calls
from .base import Family, Omitted, Perturbation, Subject, Variant
from .wording import ATTEMPTS

LEAST_ROWS = 70  # with fewer no score could be said to hold, at the level of all comparisons together


@dataclass(frozen=True)
class Plan:
    """The variants that fit into the budget, on rows that are the same for all.

    calls_a_row: of each variant and of the program as it is, at most. limit: calls that the budget allows.
    omitted: what does not apply to this program. unaffordable: what the budget has no room for.
    """

    subject: Subject
    variants: tuple[Variant, ...]
    omitted: tuple[Omitted, ...]
    unaffordable: tuple[Omitted, ...]
    calls_a_row: int
    limit: int

    @property
    def rows(self) -> int:
        return len(self.subject.inputs)

    @property
    def calls(self) -> int:
        """At most, of all that is planned."""
        return self.rows * self.calls_a_row + sum(_cost(one, self.rows, self.calls_a_row) for one in self.variants)

    def __str__(self) -> str:
        each = self.rows * self.calls_a_row
        lines = [f"{'as it is':<42}{each:>7} calls"]
        for variant in self.variants:
            written = f" + {ATTEMPTS} to the writer" if variant.is_unwritten else ""
            lines.append(f"{title_of(variant):<42}{each:>7} calls{written}")
        lines.append(
            f"{'at most':<42}{self.calls:>7} of {self.limit} calls, {self.rows} rows, {self.calls_a_row} a row"
        )
        lines += _grouped("left out", self.unaffordable)
        lines += _grouped("does not apply", self.omitted)
        return "\n".join(lines)


def title_of(one: Variant | Omitted) -> str:
    """ "format: xml", with the predictor where there are several."""
    return f"{one.family}: {one.name}" + (f" ({one.predictor})" if one.predictor not in (None, "self") else "")


def plan(
    subject: Subject,
    perturbations: Sequence[Perturbation],
    calls_a_row: int,
    budget: Budget,
    rows: int | None = None,
) -> Plan:
    """What fits. rows: that are drawn from the subject's; None: as many as leave room for all variants, at least
    LEAST_ROWS. Variants are taken in the order of the perturbations; one that does not fit is left out.

    Raises BudgetError where the program as it is does not fit.
    """
    limit = budget.calls
    if limit is None:
        raise BudgetError(
            f"A probe is limited in calls, and this budget ({budget.describe()}) is not. Give Budget(calls=N)."
        )
    if rows is None:
        made = [one for one in _all(subject, perturbations) if isinstance(one, Variant)]
        writing = sum(_cost(one, 0, calls_a_row) for one in made)
        rows = max(LEAST_ROWS, max(0, limit - writing) // (calls_a_row * (1 + len(made))))
    subject = _cut(subject, rows)
    rows = len(subject.inputs)
    left = limit - rows * calls_a_row
    if left < 0:
        raise BudgetError(
            f"The program as it is takes {rows * calls_a_row} calls on {rows} rows ({calls_a_row} a row), and the "
            f"budget is {limit}. Give more calls, or fewer rows. Nothing was spent."
        )
    fitting: list[Variant] = []
    unaffordable: list[Omitted] = []
    omitted: list[Omitted] = []
    for one in _all(subject, perturbations):
        if isinstance(one, Omitted):
            omitted.append(one)
        elif (cost := _cost(one, rows, calls_a_row)) <= left:
            left -= cost
            fitting.append(one)
        else:
            unaffordable.append(
                Omitted(one.family, one.name, one.predictor, f"the budget has no room for {cost} calls")
            )
    return Plan(subject, tuple(fitting), tuple(omitted), tuple(unaffordable), calls_a_row, limit)


def calls_a_row(document: Mapping[str, JSON], candidate: Candidate, budget: Budget) -> int:
    """Calls that the program makes on a row at most. Raises BudgetError for a module that does not declare them."""
    if document["kind"] == "module":
        if budget.calls_per_example is None:
            raise BudgetError(
                "This file is of a module, whose own code decides how many calls it makes. Declare the most on one "
                "row: Budget(calls=..., calls_per_example=N). Nothing was spent."
            )
        return budget.calls_per_example
    return sum(most_calls(part) for _, part in candidate.parts)


def _cost(variant: Variant, rows: int, calls_a_row: int) -> int:
    return rows * calls_a_row + (ATTEMPTS if variant.is_unwritten else 0)


def _all(subject: Subject, perturbations: Sequence[Perturbation]) -> list[Variant | Omitted]:
    return [one for perturbation in perturbations for one in perturbation.variants(subject)]


def _cut(subject: Subject, rows: int) -> Subject:
    return replace(subject, inputs=subject.inputs[:rows])


def _grouped(why: str, omitted: Sequence[Omitted]) -> list[str]:
    def key(one: Omitted) -> tuple[Family, str]:
        return one.family, one.reason

    lines = []
    for (family, reason), group in groupby(omitted, key):
        names = ", ".join(title_of(one).removeprefix(f"{family}: ") for one in group)
        lines.append(f"{why}: {family}: {names}: {reason}")
    return lines
