"""Random draws that stay equal on every Python: built on `random()` alone, the one method whose stream is promised."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def draw(items: Sequence[Item], count: int, rng: random.Random) -> list[Item]:
    """`count` different items in random order, all of them when there are fewer."""
    left = list(items)
    drawn = []
    for _ in range(min(count, len(left))):
        index = int(rng.random() * len(left))
        # The last one takes the place of the drawn one, so that a draw from 100 000 rows moves only one of them.
        left[index], left[-1] = left[-1], left[index]
        drawn.append(left.pop())
    return drawn


def shuffled(items: Sequence[Item], rng: random.Random) -> list[Item]:
    """All items in random order."""
    return draw(items, len(items), rng)


def dealt(items: Sequence[Item], size: int, rng: random.Random) -> Iterator[list[Item]]:
    """`size` items at a time, for ever; one comes again only when too few are left that have not been dealt."""
    deck: list[Item] = []
    while True:
        if len(deck) < size:
            deck = shuffled(items, rng)
        yield deck[:size]
        deck = deck[size:]
