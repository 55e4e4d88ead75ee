"""How many of what: numbers in the sentences that people read."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """ "1 set", "2 sets": nouns whose plural is an s."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def of_predictors(count: int) -> str:
    """Whom a number is for: "the predictor", where the program has one, or each of several."""
    return "the predictor" if count == 1 else f"each of {counted(count, 'predictor')}"
