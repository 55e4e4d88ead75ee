"""Where the limit of an interval lies: the smallest change, in whole multiples of UNIT, that a test does not reject.

What the paired and the unpaired test share: each gives the p-value, or the statistic, of a hypothesised change.
"""

from __future__ import annotations

import math
from collections.abc import Callable

UNIT = 1e-4  # a hundredth of a point
GAIN_POINTS = 12  # hypothesised changes tried between the observed one and the outside


def scanned_limit(
    p_value_at: Callable[[float], float], observed: float, outside: float, most: int, error: float
) -> tuple[float, float]:
    """The one-sided p-value of "no change or a fall", and the smallest change that is not rejected at `error`.

    From one scan over hypothesised changes, from the outside in: the p-value is the largest at any change up to 0, so
    that it is at most `error` exactly when the limit lies above 0. outside: a change that is surely rejected. most: the
    largest change there can be, in units.
    """
    rejected = max(-most - 1, math.floor(outside / UNIT) - 1)
    spacing = max(1, most // 50, (math.ceil(observed / UNIT) - rejected) // GAIN_POINTS)
    p_value, limit = (p_value_at(0.0), None) if rejected >= 0 else (0.0, None)
    change = spacing * -(-(rejected + 1) // spacing)  # 0 is one of the changes tried
    while limit is None or change <= 0:
        p = p_value_at(change * UNIT)
        if change <= 0:
            p_value = max(p_value, p)
        if limit is None and (p > error or change > most):
            limit = min(change, most)
        elif limit is None:
            rejected = change
        change += spacing
    while limit - rejected > 1:
        middle = (limit + rejected) // 2
        if p_value_at(middle * UNIT) > error:
            limit = middle
        else:
            rejected = middle
    return min(1.0, p_value), limit * UNIT


def bisected_limit(statistic_at: Callable[[float], float], observed: float, z: float) -> float:
    """The smallest change whose statistic stays below `z`."""
    rejected, limit = -round(1 / UNIT), math.ceil(observed / UNIT)
    while limit - rejected > 1:
        middle = (limit + rejected) // 2
        if statistic_at(middle * UNIT) >= z:
            rejected = middle
        else:
            limit = middle
    return limit * UNIT
