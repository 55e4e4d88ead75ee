"""Orders to try: all of a small set, some of a larger one."""

from __future__ import annotations

import itertools
import math
import random

from ...draws import shuffled


def some_orders(count: int, most: int, rng: random.Random) -> list[tuple[int, ...]]:
    """Up to `most` different orders of `count` places, in random order: all of them where there are no more."""
    if most >= math.factorial(count):
        return shuffled(list(itertools.permutations(range(count))), rng)
    found: dict[tuple[int, ...], None] = {}
    while len(found) < most:
        found.setdefault(tuple(shuffled(range(count), rng)))
    return list(found)
