"""The limit of commands that ask with a frozen file: in calls, which are planned before the first one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...signatures.errors import BudgetError
from .arguments import budget_of


def calls_of(text: str | None, command: str) -> int | None:
    """`calls=200` of --budget. Raises BudgetError for a limit in anything else."""
    budget = budget_of(text)
    if budget is None:
        return None
    if set(budget.to_json()) != {"calls"}:
        raise BudgetError(f"--budget {text!r}: {command} is limited in calls alone, as in calls=200.")
    return budget.calls


def distinct(rows: Sequence[Mapping[str, Any]]) -> int:
    """How many rows differ. What equal ones ask is asked once."""
    from ...signatures.example import Example
    from ...signatures.values import to_json

    return len({Example.of(to_json(dict(row)), ()).digest for row in rows})


def rows_in_words(asked: Sequence[Mapping[str, Any]], rows: int | None = None) -> str:
    """The rows that are asked, of how many there are, and how many of them differ where some are equal."""
    number = str(len(asked)) if rows is None else f"{len(asked)} of {rows}"
    different = distinct(asked)
    noun = "row" if (rows or len(asked)) == 1 else "rows"
    return f"{number} {noun}" + (f" ({different} distinct)" if different < len(asked) else "")


def calls_in_words(calls: int, limit: int | None, exact: bool) -> str:
    """The calls of a plan. limit: no attempt goes beyond it; without one, failed attempts are sent again on top.

    exact: whether the file tells how many calls it makes, which that of a module does not.
    """
    said = f"{'at most' if exact else 'about'} {calls} {'call' if calls == 1 else 'calls'}"
    if limit is None:
        return f"{said} before retries"
    return f"{said}, {limit} with retries" if limit > calls else said
