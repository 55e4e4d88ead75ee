"""How far a compile is, and how a person is told: amounts, intervals, durations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...teleprompters.base import Spend
from ..statistics import proportion_limits, student_quantile

LEVEL = 0.95


@dataclass(frozen=True)
class Best:
    """The best mean score on dev so far, a fraction of the range. interval: where the mean of this one candidate lies,
    for rows like these; that it was picked as the best of many is not in it."""

    mean: float
    interval: tuple[float, float] | None

    @classmethod
    def of(cls, scores: Sequence[float]) -> Best:
        return cls(math.fsum(scores) / len(scores), interval_of(scores))

    def __str__(self) -> str:
        said = f"best {100 * self.mean:.1f}"
        return said if self.interval is None else said + " ({:.1f} to {:.1f})".format(*(100 * x for x in self.interval))


@dataclass(frozen=True)
class Standing:
    """What there is to show.

    task: who searches, and which round it is in. spent: in this phase, with the replies of the block that is worked on.
    limits: of this phase. paid: calls that this process paid for, in all. answered: calls that the cache saved, in all.
    pace: paid calls a second, lately. seconds_left: at most, at the pace of this phase. last: the last event, in words.
    """

    phase: str = ""
    task: str = ""
    spent: Spend = Spend()
    limits: Mapping[str, float] = field(default_factory=dict)
    paid: int = 0
    answered: int = 0
    best: Best | None = None
    pace: float | None = None
    elapsed: float = 0.0
    seconds_left: float | None = None
    last: str = ""

    @property
    def share(self) -> float | None:
        return spent_share(self.spent, self.limits)

    @property
    def line(self) -> str:
        """What matters most, in one line."""
        parts = [amount(self.spent, self.limits)]
        if self.answered:
            parts.append(f"{self.paid} paid")
        if self.best is not None:
            parts.append(str(self.best))
        if self.seconds_left is not None:
            parts.append(f"at most {duration(self.seconds_left)} left")
        return f"{self.phase}: {', '.join(parts)}"

    @property
    def where(self) -> str:
        pace = "" if self.pace is None else f"{self.pace:.{0 if self.pace >= 10 else 1}f} calls/s"
        cached = f"{self.answered} cached" if self.answered else ""
        return " · ".join(part for part in (self.phase, self.task, pace, cached) if part)

    @property
    def time(self) -> str:
        left = "" if self.seconds_left is None else f", at most {duration(self.seconds_left)} left"
        return duration(self.elapsed) + left

    @property
    def money(self) -> str:
        return amount(self.spent, self.limits)

    @property
    def news(self) -> str:
        return " · ".join(str(part) for part in (self.best, self.last) if part)


def interval_of(scores: Sequence[float]) -> tuple[float, float] | None:
    """For the mean of scores: exact for scores of 0 and 1, else Student's t. None where the scores do not tell."""
    n = len(scores)
    if n < 2:
        return None
    if all(score in (0.0, 1.0) for score in scores):
        return proportion_limits(round(math.fsum(scores)), n, 1 - LEVEL)
    mean = math.fsum(scores) / n
    deviation = math.sqrt(math.fsum((score - mean) ** 2 for score in scores) / (n - 1) / n)
    reach = deviation * student_quantile((1 + LEVEL) / 2, n - 1)
    return (mean - reach, mean + reach) if reach else None


def spent_share(spent: Spend, limits: Mapping[str, float]) -> float | None:
    """How much of the limit that is nearest is used, 0 to 1; None when nothing limits. limits: by currency."""
    shares = [getattr(spent, currency) / most for currency, most in limits.items() if most]
    return min(1.0, max(shares)) if shares else None


def amount(spent: Spend, limits: Mapping[str, float]) -> str:
    """What is spent, of what: "312 of 900 calls (35 %)"; only the currencies that are limited, calls if none is."""
    said = []
    if "calls" in limits:
        said.append(f"{spent.calls} of {limits['calls']:.0f} calls")
    elif not limits:
        said.append(f"{spent.calls} calls")
    if "tokens" in limits:
        said.append(f"{spent.tokens} of {limits['tokens']:.0f} tokens")
    if "usd" in limits:
        said.append(f"{spent.usd:.4f} of {limits['usd']:.4f} dollars")
    share = spent_share(spent, limits)
    return " and ".join(said) + ("" if share is None else f" ({100 * share:.0f} %)")


def duration(seconds: float) -> str:
    """A length of time for a person: "40 s", "3 min", "2 h 10 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
