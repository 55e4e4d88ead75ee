"""What a selector decides: arms that are pulled on examples, where they stand after a round, and who stays."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

LEAST_SUBSET = 10  # examples in a round of filtering: fewer throw good arms out by chance
LEAST_PULLS = 2 * LEAST_SUBSET  # an arm, on average: what filtering by halves takes with the least subset


class Pull(Protocol):
    """Rewards of each arm on each example: one list an arm, in the order asked. Any scale; more is better."""

    def __call__(self, arms: Sequence[int], examples: Sequence[int], /) -> Sequence[Sequence[float]]: ...


@dataclass(frozen=True)
class Contest:
    """What is to be decided. arms, examples: how many there are (they go by number, from 0).

    finalists: how many arms are wanted. share: pulls that may be spent, one being one arm on one example.
    """

    arms: int
    examples: int
    finalists: int
    share: int


@dataclass(frozen=True)
class Standings:
    """After a round: each arm's sum of rewards and number of pulls, and which arms are still in."""

    totals: tuple[float, ...]
    counts: tuple[int, ...]
    alive: tuple[int, ...]

    def mean(self, arm: int) -> float:
        """Mean reward so far; minus infinity for an arm that was never pulled, whatever the scale of rewards."""
        return self.totals[arm] / self.counts[arm] if self.counts[arm] else -math.inf

    @property
    def ranking(self) -> list[int]:
        """All arms, best first: those still in before those that are out, among equals the one known better."""
        alive = set(self.alive)
        return sorted(range(len(self.counts)), key=lambda arm: (arm not in alive, -self.mean(arm), -self.counts[arm]))

    def after(self, arms: Sequence[int], rewards: Sequence[Sequence[float]]) -> Standings:
        totals, counts = list(self.totals), list(self.counts)
        for arm, values in zip(arms, rewards, strict=True):
            totals[arm] += sum(values)
            counts[arm] += len(values)
        return replace(self, totals=tuple(totals), counts=tuple(counts))

    def keeping(self, count: int, turn: Sequence[int]) -> Standings:
        """The best of those still in, by their mean; among equals those that come first in `turn`."""
        best = sorted((arm for arm in turn if arm in self.alive), key=lambda arm: -self.mean(arm))
        return replace(self, alive=tuple(sorted(best[:count])))

    @classmethod
    def of(cls, arms: int) -> Standings:
        return cls((0.0,) * arms, (0,) * arms, tuple(range(arms)))


class Selector(Protocol):
    """A way to find the finalists. Implementations are frozen dataclasses: their fields are their settings."""

    def rounds(self, contest: Contest, pull: Pull, rng: random.Random) -> Iterator[Standings]:
        """Standings after each round; no round at all when every arm can be a finalist, or nothing may be spent."""
        ...

    def needs(self, arms: int, examples: int, finalists: int) -> int:
        """The pulls that a sound choice takes: how many arms a share can judge follows from it."""
        ...

    def cost(self, contest: Contest) -> int:
        """The pulls that `rounds` makes at most: never more than the share."""
        ...
