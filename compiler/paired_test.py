"""The paired comparison of two programs on right-or-wrong scores: exact, and one procedure for p and interval.

A pair is a win (only the finalist is right), a loss (only the student is) or a tie. The gain is the probability of a
win minus that of a loss; the share of discordant pairs, wins plus losses, is a nuisance. For each hypothesised gain the
outcomes are ordered by Tango's score statistic (Tango 1998, Statistics in Medicine 17, 891-908) and the one-sided
p-value is the largest tail probability over the nuisance's exact limits at level 1 - NUISANCE_ERROR, plus that error
(Berger and Boos 1994, JASA 89, 1012-1016). `docs/decisions/0001-paired-test.md` has the measurements behind it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from .exact_limits import UNIT, bisected_limit, scanned_limit
from .statistics import normal_quantile, normal_tail, proportion_limits

if TYPE_CHECKING:
    from numpy import bool_, dtype, float64, ndarray

    Floats: TypeAlias = ndarray[Any, dtype[float64]]
    Flags: TypeAlias = ndarray[Any, dtype[bool_]]

MOST_DISCORDANT = 200  # beyond this many discordant pairs Tango's asymptotic interval is used
NUISANCE_ERROR = 1e-4  # chance that the share of discordant pairs lies outside the limits it is searched in
NUISANCE_POINTS = 25  # how finely it is searched
OUTSIDE = 0.01  # the scan starts at the score limit for this share of the error
NEGLECTED = 1e-9  # probability of the outcomes that are not enumerated


@dataclass(frozen=True)
class PairedTest:
    """p_value: two-sided, of no gain. interval: the gains not rejected; it excludes 0 exactly when p <= 1 - level."""

    p_value: float
    interval: tuple[float, float]
    method: str


def paired_test(wins: int, losses: int, n: int, level: float = 0.95) -> PairedTest:
    """Compares two programs on n pairs of right-or-wrong scores, of which `wins` + `losses` differ.

    The interval is for the gain, -1 to 1, and is never of zero width. Cached by its arguments.
    """
    if wins < 0 or losses < 0 or wins + losses > n or n < 1:
        raise ValueError(f"{wins} wins and {losses} losses do not fit into {n} pairs")
    error = 1 - level
    if wins + losses > MOST_DISCORDANT:
        better, low = score_lower_limit(wins, losses, n, error / 2)
        worse, minus_high = score_lower_limit(losses, wins, n, error / 2)
        method = "paired score test (Tango)"
    else:
        better, low = exact_lower_limit(wins, losses, n, error / 2)
        worse, minus_high = exact_lower_limit(losses, wins, n, error / 2)
        method = "exact paired test (Tango, Berger-Boos)"
    return PairedTest(min(1.0, 2 * min(better, worse)), (low, -minus_high), method)


def score_statistic(wins: Floats | int, losses: Floats | int, n: int, gain: float) -> Floats:
    """Tango's score statistic of the hypothesis that the gain is `gain`: large when the wins speak for more."""
    import numpy as np

    wins, losses = np.asarray(wins, dtype=float), np.asarray(losses, dtype=float)
    a = 2.0 * n
    b = -wins - losses + (2 * n - wins + losses) * gain
    c = -losses * gain * (1 - gain)
    chance_of_loss = (np.sqrt(np.maximum(b * b - 4 * a * c, 0)) - b) / (2 * a)
    variance = n * np.maximum(2 * chance_of_loss + gain * (1 - gain), 0)
    surplus = wins - losses - n * gain
    z = surplus / np.sqrt(np.maximum(variance, 1e-12))
    return np.where(np.abs(surplus) < 1e-9, 0.0, z)


@lru_cache(maxsize=100_000)
def exact_lower_limit(wins: int, losses: int, n: int, error: float) -> tuple[float, float]:
    """The one-sided p-value of "no gain or less", and the smallest gain that is not rejected at `error`.

    See `scanned_limit`.
    """
    tail = _Tail(wins, losses, n)
    most = min(round(1 / UNIT), math.ceil(tail.most_discordant / UNIT))
    _, outside = score_lower_limit(wins, losses, n, error * OUTSIDE)
    return scanned_limit(tail.p_value, (wins - losses) / n, outside, most, error)


class _Tail:
    """Tail probabilities of outcomes at least as favourable as the observed one, for any hypothesised gain."""

    def __init__(self, wins: int, losses: int, n: int) -> None:
        import numpy as np

        self.observed, self.n = (wins, losses), n
        self.least_discordant, self.most_discordant = proportion_limits(wins + losses, n, NUISANCE_ERROR)
        fewest, most = _carrying(self.least_discordant, self.most_discordant, n)
        discordant = np.arange(fewest, most + 1)
        self.wins = np.concatenate([np.arange(m + 1) for m in discordant]).astype(float)
        self.losses = np.repeat(discordant, discordant + 1) - self.wins
        self.ties = n - self.wins - self.losses
        factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
        ways = [factorials[counts.astype(int)] for counts in (self.wins, self.losses, self.ties)]
        self.log_ways = factorials[n] - ways[0] - ways[1] - ways[2]

    def p_value(self, gain: float) -> float:
        """Largest tail probability over the share of discordant pairs, plus the chance that its limits miss."""
        import numpy as np

        least = max(self.least_discordant, abs(gain))
        if least > self.most_discordant:
            return NUISANCE_ERROR
        share = np.linspace(least, self.most_discordant, NUISANCE_POINTS)[:, None]
        statistic = score_statistic(self.wins, self.losses, self.n, gain)
        observed = float(score_statistic(*self.observed, self.n, gain))
        favourable = statistic >= observed - 1e-9 * max(1.0, abs(observed))
        with np.errstate(divide="ignore"):
            chances = [np.log(np.maximum(x, 1e-300)) for x in ((share + gain) / 2, (share - gain) / 2, 1 - share)]
        counts = [counts[favourable] for counts in (self.wins, self.losses, self.ties)]
        log_chance = self.log_ways[favourable] + sum(x * k for x, k in zip(chances, counts, strict=True))
        return float(np.exp(log_chance).sum(axis=1).max()) + NUISANCE_ERROR + NEGLECTED


def _carrying(least: float, most: float, n: int) -> tuple[int, int]:
    """The counts of discordant pairs that carry all but NEGLECTED of the probability, for any share in the limits."""
    # Chernoff: P(M >= m) <= exp(-n KL(m/n, share)), and the same on the other side.
    bound = math.log(2 / NEGLECTED)
    fewest = next((m for m in range(n + 1) if m >= n * least or n * _divergence(m / n, least) < bound), n)
    largest = next((m for m in range(n, -1, -1) if m <= n * most or n * _divergence(m / n, most) < bound), 0)
    return fewest, largest


def _divergence(x: float, p: float) -> float:
    if p in (0.0, 1.0):
        return 0.0 if x == p else math.inf
    return (x * math.log(x / p) if x else 0.0) + ((1 - x) * math.log((1 - x) / (1 - p)) if x < 1 else 0.0)


def score_lower_limit(wins: int, losses: int, n: int, error: float) -> tuple[float, float]:
    """As `exact_lower_limit`, by the normal approximation of the score statistic (no simulation, no enumeration)."""
    limit = bisected_limit(
        lambda gain: float(score_statistic(wins, losses, n, gain)), (wins - losses) / n, normal_quantile(1 - error)
    )
    return normal_tail(float(score_statistic(wins, losses, n, 0.0))), limit
