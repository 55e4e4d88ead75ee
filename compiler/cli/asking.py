"""The limit of commands that ask with a frozen file: in calls, which are planned before the first one."""

from __future__ import annotations

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
