"""The few distributions that evidence needs: normal, Student's t, and exact limits for a proportion."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

_NORMAL = NormalDist()


def normal_tail(z: float) -> float:
    """P(Z >= z) for a standard normal Z."""
    return 0.5 * math.erfc(z / math.sqrt(2))


def normal_quantile(probability: float) -> float:
    """The z with P(Z <= z) = probability, 0 < probability < 1."""
    return _NORMAL.inv_cdf(probability)


def beta_cdf(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b), a > 0, b > 0: P(X <= x) for X ~ Beta(a, b).

    By the continued fraction of Lentz's method; about 1e-14 relative. Source: Abramowitz and Stegun 26.5.8.
    """
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    # The fraction converges fast on this side of the mean; the other side follows by symmetry.
    if x < (a + 1) / (a + b + 2):
        return front * _beta_fraction(x, a, b) / a
    return 1 - front * _beta_fraction(1 - x, b, a) / b


def _beta_fraction(x: float, a: float, b: float) -> float:
    tiny = 1e-300
    numerator, denominator = 1.0, 1 - (a + b) * x / (a + 1)
    denominator = 1 / (denominator if abs(denominator) > tiny else tiny)
    value = denominator
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            denominator = 1 + term * denominator
            denominator = 1 / (denominator if abs(denominator) > tiny else tiny)
            numerator = 1 + term / numerator
            numerator = numerator if abs(numerator) > tiny else tiny
            value *= denominator * numerator
        if abs(denominator * numerator - 1) < 1e-15:
            return value
    return value


def beta_quantile(probability: float, a: float, b: float) -> float:
    """The x with beta_cdf(x, a, b) = probability, by bisection."""
    return _bisect(lambda x: beta_cdf(x, a, b) < probability, 0.0, 1.0)


def student_tail(t: float, freedom: float) -> float:
    """P(T >= t) for Student's t with `freedom` degrees of freedom."""
    half = 0.5 * beta_cdf(freedom / (freedom + t * t), freedom / 2, 0.5)
    return half if t >= 0 else 1 - half


def student_quantile(probability: float, freedom: float) -> float:
    """The t with P(T <= t) = probability, 0.5 <= probability < 1."""
    high = 1.0
    while student_tail(high, freedom) > 1 - probability:
        high *= 2
    return _bisect(lambda t: student_tail(t, freedom) > 1 - probability, 0.0, high)


def proportion_limits(successes: int, n: int, error: float) -> tuple[float, float]:
    """Exact limits for a proportion that miss it with probability at most `error`. Source: Clopper and Pearson 1934."""
    low = 0.0 if successes == 0 else beta_quantile(error / 2, successes, n - successes + 1)
    high = 1.0 if successes == n else beta_quantile(1 - error / 2, successes + 1, n - successes)
    return low, high


def _bisect(below: Callable[[float], bool], low: float, high: float) -> float:
    while True:
        middle = (low + high) / 2
        if not low < middle < high:
            return middle
        if below(middle):
            low = middle
        else:
            high = middle
