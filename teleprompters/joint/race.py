"""Races: candidates see the same rows in the same order, block by block, and those that fall behind are dropped."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

LEAST_ROWS, MOST_ROWS = 8, 24  # of the first block, where it is left to the size of dev
CELLS, SPREAD = 80, 5.0  # that a walk is followed by, and how many deviations down
_NORMAL = NormalDist()
STAKES = tuple(step / 10 for step in range(1, 10))  # shares of the wealth that are bet on each row


@dataclass(frozen=True)
class Field:
    """The runners of a race at the end of a block.

    runners: the scores of each still in, row by row; all have seen the same rows. bars: for each runner, the scores
    of the best on these rows, among all that it is to be measured by, itself included. rivals: how many different
    candidates these are in all, which is what a test that names the best of them must answer for. looks: how many rows
    have been seen at each look of the race at which runners are dropped, those to come included.
    """

    runners: tuple[Sequence[float], ...]
    bars: tuple[Sequence[float], ...]
    rivals: int
    looks: tuple[int, ...] = (1,)

    @property
    def ranking(self) -> list[int]:
        """The runners, best first; of equals the one that came first."""
        return sorted(range(len(self.runners)), key=lambda number: (-sum(self.runners[number]), number))


class Race(ABC):
    """When candidates are compared and which of them go on. Implementations are frozen dataclasses."""

    first: int | None

    def rungs(self, rows: int, turn: int) -> list[int]:
        """How many rows have been seen at the end of each block, up to all. turn: number of the race, from 0.

        Each block doubles what was seen: so a candidate that is dropped late has not cost much more than one that
        was seen through, and one that is dropped at once has cost little.
        """
        seen = [min(rows, self.first or min(MOST_ROWS, max(LEAST_ROWS, rows // 8)))]
        while seen[-1] < rows:
            seen.append(min(rows, 2 * seen[-1]))
        return seen

    @abstractmethod
    def staying(self, field: Field) -> list[int]:
        """The runners that go on to the next block, best first."""


@dataclass(frozen=True)
class Paired(Race):
    """Drops a runner that is worse than the best on the same rows beyond what chance explains.

    A bet on each row against the runner being as good as the best: wealth grows by the difference of their scores. If
    the runner is no worse, wealth reaches 1/p at any time at all with a probability of p at most. So one may look after
    every block, and the chance that a runner as good as the best is ever dropped stays below `error`, divided among
    the rivals of which the best is one.

    error: that chance. first: rows of the first block; None: an eighth of dev, from 8 to 24.
    Raises ValueError on an error that is not between 0 and 1, and a block without rows.
    Source: Ville's inequality; Waudby-Smith and Ramdas 2024, JRSS B 86, 1-27 (bets); Maron and Moore 1994, NeurIPS 6
    (races). Scores are taken to lie within 0 and 1.
    """

    error: float = 0.1
    first: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.error < 1:
            raise ValueError(f"{self}: the error lies between 0 and 1.")
        _check_first(self)

    def staying(self, field: Field) -> list[int]:
        limit = math.log(field.rivals / self.error)
        return [n for n in field.ranking if log_wealth(field.bars[n], field.runners[n]) < limit]


@dataclass(frozen=True)
class Pocock(Race):
    """Drops a runner that is behind the best on the same rows by so many standard errors, the same at every look.

    How many follows from `error`: the chance that a runner as good as what it is measured by is dropped at any of the
    looks. A large error is meant for searches that make more candidates than they can pay for: there one that was
    good but unlucky costs less than seeing through all that are not. The best of many, which most runners are measured
    by, was lucky itself, so more of them are dropped: see docs/joint.md. `Paired` answers for that, too.

    error: that chance, as far as a sum of so few rows is a normal walk: on first blocks of 8 rows up to 0.41 for 0.3.
        Whoever is not behind goes on, so that errors above 0.65 or so are not reached. first: rows of the first block;
        None: an eighth of dev, from 8 to 24.
    Raises ValueError on an error that is not between 0 and 1, and a block without rows.
    Source: Pocock 1977, Biometrika 64, 191-199; the test compares wins with losses, as McNemar's does, and the boundary
    takes their difference for a normal walk.
    """

    error: float = 0.6
    first: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.error < 1:
            raise ValueError(f"{self}: the error lies between 0 and 1.")
        _check_first(self)

    def staying(self, field: Field) -> list[int]:
        limit = max(0.0, boundary(self.error, field.looks))  # whoever is not behind goes on
        return [n for n in field.ranking if _behind(field.bars[n], field.runners[n]) <= limit]


@dataclass(frozen=True)
class Halving(Race):
    """Successive halving: after each block the best 1/eta of the runners go on, one at least.

    Source: Jamieson and Talwalkar 2016, AISTATS; here the blocks are rows of dev. Says nothing of its errors.
    """

    eta: int = 2
    first: int | None = None

    def __post_init__(self) -> None:
        if self.eta < 2:
            raise ValueError(f"{self}: eta is at least 2.")
        _check_first(self)

    def staying(self, field: Field) -> list[int]:
        return field.ranking[: max(1, len(field.runners) // self.eta)]


@dataclass(frozen=True)
class Hyperband(Halving):
    """Successive halving that begins in turn with a small, a larger, ... first block, in case small ones mislead.

    Source: Li et al. 2018, JMLR 18(185). The brackets are taken in turn, one a race.
    """

    def rungs(self, rows: int, turn: int) -> list[int]:
        seen = super().rungs(rows, turn)
        return seen[turn % len(seen) :]


@dataclass(frozen=True)
class NoRace(Race):
    """Every candidate sees all rows."""

    first: int | None = None

    def rungs(self, rows: int, turn: int) -> list[int]:
        return [rows]

    def staying(self, field: Field) -> list[int]:
        return field.ranking


def log_wealth(best: Sequence[float], other: Sequence[float]) -> float:
    """The logarithm of what a bet of 1 against `other` being as good as `best` has become, over several stakes."""
    grown = []
    for stake in STAKES:
        grown.append(math.fsum(math.log1p(stake * (a - b)) for a, b in zip(best, other, strict=True)))
    top = max(grown)
    return top + math.log(math.fsum(math.exp(one - top) for one in grown) / len(grown))


@cache
def boundary(error: float, looks: tuple[int, ...]) -> float:
    """The number c for which a normal walk is above c standard deviations at any of the looks with this probability.

    looks: their times, increasing. By bisection; to about three digits.
    """
    low, high = -4.0, 6.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if _crosses(middle, looks) > error else (low, middle)
    return (low + high) / 2


def _crosses(limit: float, looks: Sequence[int]) -> float:
    """The probability of being above the limit at any look, by summing over where the walk has been at each."""
    places, weights, before = [0.0], [1.0], 0
    for look in looks:
        deviation, top = math.sqrt(look - before), limit * math.sqrt(look)
        step = (top + SPREAD * math.sqrt(look)) / CELLS
        cells = [top - (number + 0.5) * step for number in range(CELLS)]
        reached = [
            math.fsum(w * _NORMAL.pdf((cell - place) / deviation) for place, w in zip(places, weights, strict=True))
            for cell in cells
        ]
        places, weights, before = cells, [density * step / deviation for density in reached], look
    return 1 - sum(weights)


def _behind(best: Sequence[float], other: Sequence[float]) -> float:
    """How far `other` is behind, in standard errors of the difference where there is none."""
    differences = [a - b for a, b in zip(best, other, strict=True)]
    error = math.sqrt(math.fsum(one * one for one in differences))
    return math.fsum(differences) / error if error else 0.0


def _check_first(race: Race) -> None:
    if race.first is not None and race.first < 1:
        raise ValueError(f"{race}: the first block has at least 1 row.")
