"""How the report writes numbers."""

from __future__ import annotations

from collections.abc import Mapping

from ...signatures.canonical import JSON
from ...teleprompters.base import Spend

MINUS = "\N{MINUS SIGN}"


def points(fraction: float | None) -> str:
    """A fraction of the score range as points of 100."""
    return "not known" if fraction is None else f"{100 * fraction:.1f}"


def change(fraction: float) -> str:
    shown = f"{100 * fraction:+.1f}"
    return shown.replace("-", MINUS) if shown not in ("-0.0", "+0.0") else "0.0"


def count(number: float | None) -> str:
    return "no limit" if number is None else f"{number:,.0f}"


def dollars(usd: float) -> str:
    return f"{usd:.4f}" if usd < 1 else f"{usd:,.2f}"


def p_value(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def many(number: int, thing: str) -> str:
    """1 row, 2 rows."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def spend_of(data: Mapping[str, JSON]) -> Spend:
    return Spend(data["calls"], data["tokens"], data["usd"])
