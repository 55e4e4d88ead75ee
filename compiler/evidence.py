"""What a gain is worth: one paired comparison of the finalist with the student, and the verdict drawn from it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ..signatures.canonical import JSON
from .paired_test import paired_test
from .statistics import normal_quantile, student_quantile, student_tail

Decision: TypeAlias = Literal["ship", "keep", "inconclusive"]

LEVEL = 0.95
POWER = 0.8  # "could have shown" means: comes out significant this often
LEAST_PAIRS = 12  # with fewer pairs no comparison is run
MIN_GAIN = 0.02


@dataclass(frozen=True)
class Comparison:
    """Two programs on the same n examples.

    Means, gain, interval and smallest gain are fractions of the score range: 0.19 is 19 points on a scale of 0 to 100.
    interval: the gains that the data do not reject; it excludes 0 exactly when p_value <= 0.05. Never of zero
    width. method: the procedure that gave both. smallest_gain: the smallest true gain that comes out significant in
    four of five repetitions, at the share of differing pairs (or the variance of the differences) seen here.
    """

    n: int
    student_mean: float
    finalist_mean: float
    gain: float
    interval: tuple[float, float]
    p_value: float
    method: str
    smallest_gain: float
    wins: int
    losses: int
    ties: int

    @property
    def significant(self) -> bool:
        return self.p_value <= 1 - LEVEL

    def to_json(self) -> dict[str, JSON]:
        return {**vars(self), "interval": list(self.interval)}

    @classmethod
    def from_json(cls, data: Mapping[str, JSON]) -> Comparison:
        low, high = data["interval"]
        return cls(**{**data, "interval": (low, high)})

    def __str__(self) -> str:
        means = self.student_mean, self.finalist_mean
        return _line(means, f"{self.n} examples", self.gain, self.interval, self.p_value)


def compare(
    student: Sequence[float],
    finalist: Sequence[float],
    *,
    score_range: tuple[float, float] = (0, 1),
    level: float = LEVEL,
) -> Comparison:
    """Compares paired scores: student[i] and finalist[i] are the scores on the same example, within `score_range`.

    Scores that are all at one of the two ends of the range are compared by an exact test, others by Student's t on the
    differences, joined with its correction for skewness; when all differences are equal, by a bound that follows from
    the range alone. `docs/decisions/0001-paired-test.md` says how well each holds its level.
    level: of the interval, which excludes 0 exactly when p_value <= 1 - level. Where several comparisons are to hold
    together it is higher than that of each alone; `significant` keeps to 0.95.
    Raises ValueError on fewer than 2 pairs, unequal lengths, or a score that is not finite or out of range.
    """
    bottom, top = score_range
    if len(student) != len(finalist):
        raise ValueError(f"{len(student)} scores of the student cannot be paired with {len(finalist)} of the finalist")
    if len(student) < 2:
        raise ValueError(f"a paired comparison needs at least 2 pairs, got {len(student)}")
    for score in (*student, *finalist):
        if not (math.isfinite(score) and bottom <= score <= top):
            raise ValueError(f"score {score!r} is not a number from {bottom:g} to {top:g}")
    before = [(score - bottom) / (top - bottom) for score in student]
    after = [(score - bottom) / (top - bottom) for score in finalist]
    differences = [b - a for a, b in zip(before, after, strict=True)]
    n = len(differences)
    wins, losses = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    gain = math.fsum(differences) / n
    if all(score in (0.0, 1.0) for score in (*before, *after)):
        test = paired_test(wins, losses, n, level)
        p_value, interval, method = test.p_value, test.interval, test.method
        variance = (wins + losses) / n - gain**2
    else:
        variance = math.fsum((d - gain) ** 2 for d in differences) / (n - 1)
        # Differences of equal decimals are equal up to the last bits; a variance made of those is no variance.
        if max(differences) - min(differences) < 1e-9:
            p_value, interval, method = *_from_range(gain, n, level), "bound from the score range"
        else:
            p_value, interval = _from_t(differences, gain, variance, level)
            method = "paired t test, skewness corrected"
    return Comparison(
        n=n,
        student_mean=_plain(math.fsum(before) / n),
        finalist_mean=_plain(math.fsum(after) / n),
        gain=_plain(gain),
        interval=_outward(interval, significant=p_value <= 1 - level),
        p_value=_upward(p_value),
        method=method,
        smallest_gain=_plain(_smallest_gain(variance + gain**2, n)),
        wins=wins,
        losses=losses,
        ties=n - wins - losses,
    )


def _from_t(
    differences: Sequence[float], gain: float, variance: float, level: float
) -> tuple[float, tuple[float, float]]:
    """The wider of Student's t and t after Hall's correction for skewness, on each side.

    Rare large losses among frequent small wins make plain t too sure of a gain. Source: Hall 1992, JRSS B 54, 221-228.
    """
    n = len(differences)
    scatter = math.sqrt(math.fsum((d - gain) ** 2 for d in differences) / n)
    skewness = math.fsum((d - gain) ** 3 for d in differences) / n / scatter**3 / math.sqrt(n)

    def corrected(t: float) -> float:
        return t + skewness * t**2 / 3 + skewness**2 * t**3 / 27 + skewness / 6

    def uncorrected(t: float) -> float:
        if abs(skewness) < 1e-6:
            return t
        cube = 1 + skewness * (t - skewness / 6)
        return 3 / skewness * (math.copysign(abs(cube) ** (1 / 3), cube) - 1)

    deviation = math.sqrt(variance / n)
    t, reach = gain / deviation, student_quantile((1 + level) / 2, n - 1)
    better = max(student_tail(t, n - 1), student_tail(corrected(t), n - 1))
    worse = max(student_tail(-t, n - 1), student_tail(-corrected(t), n - 1))
    low = gain - deviation * max(reach, uncorrected(reach))
    high = gain + deviation * max(reach, -uncorrected(-reach))
    return min(1.0, 2 * min(better, worse)), (max(-1.0, low), min(1.0, high))


def _from_range(gain: float, n: int, level: float) -> tuple[float, tuple[float, float]]:
    """All n differences equal `gain`: only a share 1 - error^(1/n) of all rows differs, and within the range."""
    unseen = 1 - ((1 - level) / 2) ** (1 / n)
    p_value = min(1.0, 2 * (1 + abs(gain)) ** -n)
    return p_value, (gain - unseen * (gain + 1), gain + unseen * (1 - gain))


def _smallest_gain(mean_square: float, n: int) -> float:
    # A gain d has the variance (mean square - d^2)/n; solved for d = (z + z) standard deviations. No gain can exceed
    # the mean square of differences that lie between -1 and 1, so with few differing pairs all of them must be wins.
    effort = _effort()
    return max(math.sqrt(effort * mean_square / (n + effort)), effort / (n + effort))


def _effort() -> float:
    return (normal_quantile((1 + LEVEL) / 2) + normal_quantile(POWER)) ** 2


# Numbers that go into a file are rounded, so that the last bits of a processor's exponential do not show. Rounding
# must not move them across the decision: a p-value goes up, an interval outward, and 0 stays on its side.


def _plain(value: float) -> float:
    return round(value, 6) + 0.0


def _upward(p_value: float) -> float:
    if p_value < 1e-300:
        return 1e-300
    digits = 5 - math.floor(math.log10(p_value))
    rounded = round(p_value, digits)
    return min(1.0, rounded if rounded >= p_value else round(rounded + 10.0**-digits, digits))


def _outward(interval: tuple[float, float], *, significant: bool) -> tuple[float, float]:
    low, high = math.floor(round(interval[0] * 1e6, 3)) / 1e6, math.ceil(round(interval[1] * 1e6, 3)) / 1e6
    if significant and interval[0] > 0:
        low = max(low, 1e-6)
    elif significant and interval[1] < 0:
        high = min(high, -1e-6)
    return low + 0.0, high + 0.0


@dataclass(frozen=True)
class Verdict:
    """What the comparison says about using the finalist.

    ship: better, p <= 0.05. keep: a gain of `min_gain` is ruled out (or there is no finalist). inconclusive: neither.
    gain: the finalist's observed held-out difference whatever the decision, as a fraction of the score range, like the
    means, the interval and smallest_gain; None where no comparison was run. pairs: held-out examples compared.
    more_needed: about how many more examples would settle it, None when settled or unknown.
    report: further metrics on the same held-out examples; they take no part in the decision.
    """

    decision: Decision
    reason: str
    gain: float | None = None
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    pairs: int = 0
    student_mean: float | None = None
    finalist_mean: float | None = None
    smallest_gain: float | None = None
    more_needed: int | None = None
    min_gain: float = MIN_GAIN
    method: str = ""
    report: Mapping[str, Comparison] = field(default_factory=dict)

    def to_json(self) -> dict[str, JSON]:
        interval = None if self.interval is None else list(self.interval)
        report = {name: comparison.to_json() for name, comparison in self.report.items()}
        return {**vars(self), "interval": interval, "report": report}

    @classmethod
    def from_json(cls, data: Mapping[str, JSON]) -> Verdict:
        interval = data["interval"]
        report = {name: Comparison.from_json(comparison) for name, comparison in data["report"].items()}
        return cls(**{**data, "interval": None if interval is None else (interval[0], interval[1]), "report": report})

    def __str__(self) -> str:
        if self.gain is None or self.interval is None or self.p_value is None or not self.pairs:
            return f"{self.decision}: {self.reason}"
        means = self.student_mean or 0.0, self.finalist_mean or 0.0
        line = f"{self.decision}: " + _line(
            means, f"{self.pairs} held-out examples", self.gain, self.interval, self.p_value
        )
        return line if self.more_needed is None else f"{line}; about {self.more_needed} more would settle it"

    def _repr_html_(self) -> str:
        from .notebook import verdict_html

        measured = [
            [
                name,
                f"{100 * other.student_mean:.1f}",
                f"{100 * other.finalist_mean:.1f}",
                f"{100 * other.gain:+.1f}",
                "{:+.1f} to {:+.1f}".format(*(100 * end for end in other.interval)),
            ]
            for name, other in self.report.items()
        ]
        return verdict_html(self.decision, str(self).removeprefix(f"{self.decision}: "), self.reason, measured)


def decide(
    comparison: Comparison, min_gain: float = MIN_GAIN, report: Mapping[str, Comparison] | None = None
) -> Verdict:
    """The verdict on a finalist that was fixed before the comparison.

    min_gain: the smallest gain worth having, a fraction of the score range. Raises ValueError when it is not 0 to 1.
    """
    if not 0 <= min_gain <= 1:
        raise ValueError(f"min_gain={min_gain!r} is not a fraction of the score range, 0 to 1 (0.02 is 2 points)")
    _, high = comparison.interval
    more_needed = None
    if comparison.significant and comparison.gain > 0:
        decision: Decision = "ship"
        reason = "the finalist is better than the student"
    elif high < min_gain:
        decision = "keep"
        reason = f"a gain of {100 * min_gain:g} points or more is ruled out"
    else:
        decision = "inconclusive"
        more_needed = _more_needed(comparison, min_gain)
        reason = (
            f"{comparison.n} held-out examples neither show a gain nor rule out one of {100 * min_gain:g} points; "
            f"the smallest true gain they could have shown is about {100 * comparison.smallest_gain:.0f} points"
        )
    return Verdict(
        decision=decision,
        reason=reason,
        gain=comparison.gain,
        interval=comparison.interval,
        p_value=comparison.p_value,
        pairs=comparison.n,
        student_mean=comparison.student_mean,
        finalist_mean=comparison.finalist_mean,
        smallest_gain=comparison.smallest_gain,
        more_needed=more_needed,
        min_gain=min_gain,
        method=comparison.method,
        report=dict(report or {}),
    )


def no_comparison(reason: str, min_gain: float = MIN_GAIN) -> Verdict:
    """Inconclusive because no comparison was run: "the budget affords 7 pairs and 12 are needed"."""
    return Verdict("inconclusive", reason, min_gain=min_gain)


def same_program(min_gain: float = MIN_GAIN) -> Verdict:
    """Keep, because the search ended where it began: there is nothing to compare the student with."""
    reason = "no candidate beat the student on dev"
    return Verdict("keep", reason, gain=0.0, interval=(0.0, 0.0), p_value=1.0, min_gain=min_gain)


def _more_needed(comparison: Comparison, min_gain: float) -> int:
    """How many more examples would probably settle it, if the gain and the scatter stay as observed."""
    gain, (low, high) = comparison.gain, comparison.interval
    settled = []
    if gain > 0:  # by shipping, with the power at which the smallest gain is stated
        settled.append(_effort() * ((gain - low) / (normal_quantile((1 + LEVEL) / 2) * gain)) ** 2)
    if gain < min_gain:  # by keeping: the interval shrinks with the square root of the number of pairs
        settled.append(((high - gain) / (min_gain - gain)) ** 2)
    # A gain of exactly 0 with min_gain=0 is settled by no number of examples; a thousand times as many says so.
    times = min([*settled, 1000.0])
    return max(1, math.ceil(comparison.n * (times - 1)))


def _line(means: tuple[float, float], rows: str, gain: float, interval: tuple[float, float], p_value: float) -> str:
    low, high = interval
    p = f"p = {p_value:.2g}" if p_value >= 0.001 else "p < 0.001"
    return (
        f"{100 * means[0]:.1f} -> {100 * means[1]:.1f} on {rows}, "
        f"{100 * gain:+.1f} ({100 * LEVEL:g} % {100 * low:+.0f}..{100 * high:+.0f}), {p}"
    )
