"""May a new program take an old one's place? What a comparison on the same rows lets a build decide."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..signatures.canonical import JSON
from .evidence import LEVEL, POWER, Comparison
from .statistics import normal_quantile


@dataclass(frozen=True)
class Gate:
    """passed: whether the new program may take the old one's place. reason: why, in words."""

    passed: bool
    reason: str

    def to_json(self) -> dict[str, JSON]:
        return dict(vars(self))

    def __str__(self) -> str:
        return f"{'pass' if self.passed else 'fail'}: {self.reason}"


def gate(comparison: Comparison, margin: float | None = None) -> Gate:
    """Whether the second program of a comparison is no worse than the first.

    margin None: fails when it is significantly worse, so that a program that is as good fails in at most one build of
    forty. A margin, a fraction of the score range: passes only when a loss of that much is ruled out, so that a program
    that is worse by that much passes in at most one build of forty. Raises ValueError on a margin that is not 0 to 1.
    """
    low, high = comparison.interval
    if margin is None:
        if high < 0:
            return Gate(False, f"the new one is worse, by {_points(-high)} to {_points(-low)} points")
        noticed = (
            f"{comparison.n} rows notice a loss of {_points(comparison.smallest_gain)} points in four of five builds"
        )
        return Gate(True, f"the new one is not shown to be worse; {noticed}")
    if not 0 < margin < 1:
        raise ValueError(f"margin={margin!r} is not a fraction of the score range between 0 and 1 (0.02 is 2 points)")
    if low > -margin:
        return Gate(True, f"a loss of {_points(margin)} points or more is ruled out")
    if high < 0:
        return Gate(False, f"the new one is worse, by {_points(-high)} to {_points(-low)} points")
    more = _more_rows(comparison, margin)
    return Gate(
        False,
        f"{comparison.n} rows do not rule out a loss of {_points(margin)} points; if the two are equally good, about "
        f"{more} more rows would in four of five builds",
    )


def same_requests() -> Gate:
    """Two files that ask the same model the same: there is nothing to compare."""
    return Gate(True, "both ask the same model the same")


def _more_rows(comparison: Comparison, margin: float) -> int:
    low, high = comparison.interval
    reach = normal_quantile((1 + LEVEL) / 2)
    deviation = (high - low) / 2 / reach * math.sqrt(comparison.n)
    needed = ((reach + normal_quantile(POWER)) * deviation / margin) ** 2
    return max(1, math.ceil(needed) - comparison.n)


def _points(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0")
