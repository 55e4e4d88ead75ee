"""How many of what: numbers in the sentences that people read."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """ "1 set", "2 sets": nouns whose plural is an s."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def about(count: int, noun: str) -> str:
    """ "about 2 sets", and "less than 1 set" of what the budget is expected to pay for none whole."""
    return f"about {counted(count, noun)}" if count else f"less than 1 {noun}"


def of_predictors(count: int) -> str:
    """Whom a number is for: "the predictor", where the program has one, or each of several."""
    return "the predictor" if count == 1 else f"each of {counted(count, 'predictor')}"
