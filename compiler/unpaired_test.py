"""The comparison of a score then with a score now, on rows that are not the same ones.

Shares of right answers: for each hypothesised change the outcomes are ordered by the score statistic (Miettinen and
Nurminen 1985, Statistics in Medicine 4, 213-226), and the one-sided p-value is the largest tail probability over the
nuisance, the share then, within its exact limits at level 1 - NUISANCE_ERROR, plus that error (Berger and Boos 1994,
JASA 89, 1012-1016): exact, as the paired test is. Beyond MOST_OUTCOMES the statistic's normal approximation is used.

Other scores: Welch's t. Of the rows then only the mean is known, so their variance is taken to be the largest that
scores within their range can have with that mean: the interval is too wide rather than too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ..signatures.canonical import JSON
from .exact_limits import UNIT, bisected_limit, scanned_limit
from .statistics import normal_quantile, normal_tail, proportion_limits, student_quantile, student_tail

if TYPE_CHECKING:
    from numpy import dtype, float64, ndarray

    Floats: TypeAlias = ndarray[Any, dtype[float64]]

LEVEL = 0.95
MOST_OUTCOMES = 160_000  # pairs of counts that are enumerated: 400 rows then and 400 now
NUISANCE_ERROR = 1e-4
NUISANCE_POINTS = 41


@dataclass(frozen=True)
class Change:
    """From the mean of the rows then to that of the rows now, as fractions of the score range.

    interval: the changes that the data do not reject, never of zero width; it leaves out 0 exactly when p_value is at
    most 0.05.
    """

    then: float
    now: float
    rows_then: int
    rows_now: int
    change: float
    interval: tuple[float, float]
    p_value: float
    method: str

    def to_json(self) -> dict[str, JSON]:
        return {**vars(self), "interval": list(self.interval)}


def compare_shares(right_then: int, rows_then: int, right_now: int, rows_now: int) -> Change:
    """Two shares of right answers. Raises ValueError on counts that do not fit their rows."""
    if not (0 <= right_then <= rows_then and 0 <= right_now <= rows_now and rows_then and rows_now):
        raise ValueError(f"{right_then} of {rows_then} and {right_now} of {rows_now} are not two shares")
    then, now, error = (right_then, rows_then), (right_now, rows_now), (1 - LEVEL) / 2
    if (rows_then + 1) * (rows_now + 1) <= MOST_OUTCOMES:
        better, low = _exact_lower_limit(then, now, error)
        worse, minus_high = _exact_lower_limit(now, then, error)
        method = "exact unpaired test (Miettinen-Nurminen, Berger-Boos)"
    else:
        better, low = _lower_limit(then, now, error)
        worse, minus_high = _lower_limit(now, then, error)
        method = "unpaired score test (Miettinen-Nurminen)"
    shares = right_then / rows_then, right_now / rows_now
    p_value = min(1.0, 2 * min(better, worse))
    return Change(*shares, rows_then, rows_now, shares[1] - shares[0], (low, -minus_high), p_value, method)


def compare_means(mean_then: float, rows_then: int, scores_now: Sequence[float]) -> Change:
    """A mean and scores, all as fractions of the score range. Raises ValueError on fewer than 2 rows on either side."""
    rows_now = len(scores_now)
    if min(rows_then, rows_now) < 2:
        raise ValueError("a comparison of means needs at least 2 rows then and 2 now")
    now = math.fsum(scores_now) / rows_now
    seen = math.fsum((score - now) ** 2 for score in scores_now) / (rows_now - 1)
    # Scores that are all equal tell nothing of their scatter.
    variances = mean_then * (1 - mean_then) / (rows_then - 1), (seen or now * (1 - now)) / rows_now
    deviation = max(math.sqrt(sum(variances)), 1 / min(rows_then, rows_now))
    change, freedom = now - mean_then, min(rows_then, rows_now) - 1
    reach = deviation * student_quantile((1 + LEVEL) / 2, freedom)
    p_value = min(1.0, 2 * student_tail(abs(change) / deviation, freedom))
    interval = max(-1.0, change - reach), min(1.0, change + reach)
    method = "unpaired t test, the largest variance for the rows then"
    return Change(mean_then, now, rows_then, rows_now, change, interval, p_value, method)


def score_statistic(then: tuple[Floats | int, int], now: tuple[Floats | int, int], change: float) -> Floats:
    """Miettinen and Nurminen's statistic of the hypothesis that now minus then is `change`: large for more than that.

    then, now: (how many are right, of how many rows).
    """
    import numpy as np

    (x0, n0), (x1, n1) = (np.asarray(then[0], dtype=float), then[1]), (np.asarray(now[0], dtype=float), now[1])
    share = restricted_share((x0, n0), (x1, n1), change)
    other = np.clip(share + change, 0, 1)
    total = n0 + n1
    variance = (other * (1 - other) / n1 + share * (1 - share) / n0) * total / (total - 1)
    surplus = x1 / n1 - x0 / n0 - change
    return np.where(np.abs(surplus) < 1e-9, 0.0, surplus / np.sqrt(np.maximum(variance, 1e-12)))


def restricted_share(then: tuple[Floats, int], now: tuple[Floats, int], change: float) -> Floats:
    """The likeliest share then, given that the share now is `change` more: a root of the cubic of the two authors."""
    import numpy as np

    (x0, n0), (x1, n1) = then, now
    total, right = n0 + n1, x0 + x1
    third = (n1 + 2 * n0) * change - total - right
    second = (n0 * change - total - 2 * x0) * change + right
    first = x0 * change * (1 - change)
    q = third**3 / (3 * total) ** 3 - third * second / (6 * total**2) + first / (2 * total)
    p = np.sign(q) * np.sqrt(np.maximum(third**2 / (3 * total) ** 2 - second / (3 * total), 0))
    p = np.where(np.abs(p) < 1e-12, 1e-12, p)
    angle = (math.pi + np.arccos(np.clip(q / p**3, -1, 1))) / 3
    share: Floats = np.clip(2 * p * np.cos(angle) - third / (3 * total), max(0.0, -change), min(1.0, 1 - change))
    return share


def _exact_lower_limit(then: tuple[int, int], now: tuple[int, int], error: float) -> tuple[float, float]:
    """The one-sided p-value of "no change or a fall", and the smallest change that is not rejected at `error`."""
    observed = now[0] / now[1] - then[0] / then[1]
    _, outside = _lower_limit(then, now, error / 100)
    return scanned_limit(_Tail(then, now).p_value, observed, outside, round(1 / UNIT), error)


class _Tail:
    """Tail probabilities of outcomes at least as favourable as the observed one, for any hypothesised change."""

    def __init__(self, then: tuple[int, int], now: tuple[int, int]) -> None:
        import numpy as np

        self.then, self.now = then, now
        self.limits = proportion_limits(*then, NUISANCE_ERROR)
        self.right_then = np.arange(then[1] + 1, dtype=float)[:, None]
        self.right_now = np.arange(now[1] + 1, dtype=float)[None, :]

    def p_value(self, change: float) -> float:
        """Largest tail probability over the share then, plus the chance that its limits miss."""
        import numpy as np

        least, most = max(self.limits[0], -change, 0.0), min(self.limits[1], 1 - change, 1.0)
        if least > most:
            return NUISANCE_ERROR
        shares = np.linspace(least, most, NUISANCE_POINTS)
        statistic = score_statistic((self.right_then, self.then[1]), (self.right_now, self.now[1]), change)
        observed = float(statistic[self.then[0], self.now[0]])
        favourable = (statistic >= observed - 1e-9 * max(1.0, abs(observed))).astype(float)
        before = _chances(self.then[1], shares)
        after = _chances(self.now[1], np.clip(shares + change, 0, 1))
        return float(((before @ favourable) * after).sum(axis=1).max()) + NUISANCE_ERROR


def _chances(n: int, shares: Floats) -> Floats:
    """Binomial probabilities: one row for each share, one column for each count from 0 to n."""
    import numpy as np

    counts = np.arange(n + 1)
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    ways = factorials[n] - factorials[counts] - factorials[n - counts]
    yes, no = (np.log(np.maximum(share, 1e-300))[:, None] for share in (shares, 1 - shares))
    found: Floats = np.exp(ways + counts * yes + (n - counts) * no)
    return found


def _lower_limit(then: tuple[int, int], now: tuple[int, int], error: float) -> tuple[float, float]:
    """As `_exact_lower_limit`, by the normal approximation of the statistic."""
    observed = now[0] / now[1] - then[0] / then[1]
    limit = bisected_limit(
        lambda change: float(score_statistic(then, now, change)), observed, normal_quantile(1 - error)
    )
    return normal_tail(float(score_statistic(then, now, 0.0))), limit
