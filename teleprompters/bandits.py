"""Which of many arms are worth a full score, for a share of the pulls: adaptive filtering and UCB.

An arm is a candidate, a pull its score on one example. Every selector shows all arms of a round the same examples, so
that they are compared in pairs, and never asks for more pulls than its share.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from .draws import dealt, shuffled

LEAST_SUBSET = 10  # examples in a round of filtering: fewer throw good arms out by chance


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


@dataclass(frozen=True)
class Filtering:
    """Adaptive filtering: score all arms on a small subset, keep the best, go on with fresh examples until few remain.

    subset: examples in a round, never one that was used before; None: as many as the share pays for, from 10 up to a
    quarter of them all. keep: share of the arms that stays after each round (rounded up, and never fewer than the
    finalists). The average of an arm runs over all its rounds.
    Source: Zhou et al. 2022, arXiv 2211.01910, "efficient score estimation"; share and subset size are not given there.
    """

    subset: int | None = None
    keep: float = 0.5

    def __post_init__(self) -> None:
        if (self.subset is not None and self.subset < 1) or not 0 < self.keep < 1:
            raise ValueError(f"{self}: subset is at least 1, keep lies between 0 and 1.")

    def rounds(self, contest: Contest, pull: Pull, rng: random.Random) -> Iterator[Standings]:
        standings = Standings.of(contest.arms)
        fresh, left, subset = shuffled(range(contest.examples), rng), contest.share, self._subset(contest)
        while fresh and len(standings.alive) > contest.finalists:
            size = min(subset, len(fresh), left // len(standings.alive))
            if size == 0:
                return
            examples, fresh = fresh[:size], fresh[size:]
            left -= size * len(standings.alive)
            standings = standings.after(standings.alive, pull(standings.alive, examples))
            staying = standings.ranking[: self._staying(len(standings.alive), contest.finalists)]
            standings = replace(standings, alive=tuple(sorted(staying)))
            yield standings

    def needs(self, arms: int, examples: int, finalists: int) -> int:
        return self._pulls(Contest(arms, examples, finalists, share=0), self.subset or LEAST_SUBSET)

    def cost(self, contest: Contest) -> int:
        return min(contest.share, self._pulls(contest, self._subset(contest)))

    def _subset(self, contest: Contest) -> int:
        if self.subset is not None:
            return self.subset
        sizes = range(max(LEAST_SUBSET, contest.examples // 4), LEAST_SUBSET, -1)
        return next((size for size in sizes if self._pulls(contest, size) <= contest.share), LEAST_SUBSET)

    def _pulls(self, contest: Contest, subset: int) -> int:
        """The pulls of all rounds with this subset, were there no share to keep to."""
        pulls, fresh, arms = 0, contest.examples, contest.arms
        while fresh and arms > contest.finalists:
            size = min(subset, fresh)
            pulls, fresh, arms = pulls + size * arms, fresh - size, self._staying(arms, contest.finalists)
        return pulls

    def _staying(self, arms: int, finalists: int) -> int:
        return max(finalists, min(arms - 1, math.ceil(self.keep * arms)))


@dataclass(frozen=True)
class UCB:
    """Upper confidence bounds in batches: each round pulls the arms with the largest mean plus uncertainty.

    round_limit: rounds. arms_per_round: a number of arms, or a share of them when below 1. examples_per_pull: examples
    in a round, the same for all its arms. exploration: factor of sqrt(ln(pulls so far) / pulls of the arm), in units of
    the spread of the rewards seen, so that log-probabilities are explored as far as accuracies.

    No arm is trusted before each has been pulled; nothing is thrown out. An arm that was never pulled ranks last.
    Source: Auer et al. 2002; batches and sizes follow the released code of Zhou et al. 2022, arXiv 2211.01910, which
    compares arms on different examples, scales the bonus for accuracies whatever the reward, and gives an arm that was
    never pulled the score 0, which wins when rewards are negative.
    """

    round_limit: int = 20
    arms_per_round: float = 1 / 3
    examples_per_pull: int = 5
    exploration: float = 1.0

    def __post_init__(self) -> None:
        if min(self.round_limit, self.examples_per_pull) < 1 or self.arms_per_round <= 0 or self.exploration < 0:
            raise ValueError(f"{self}: sizes are at least 1 (arms_per_round may be a share), exploration at least 0.")

    def rounds(self, contest: Contest, pull: Pull, rng: random.Random) -> Iterator[Standings]:
        if contest.arms <= contest.finalists or not contest.examples:
            return
        state = _Bounds(Standings.of(contest.arms), self.exploration, shuffled(range(contest.arms), rng))
        hands = dealt(range(contest.examples), min(self.examples_per_pull, contest.examples), rng)
        left = contest.share
        for _, examples in zip(range(self.round_limit), hands, strict=False):
            count = min(self._batch(contest.arms), left // len(examples))
            if count == 0:
                return
            arms = sorted(state.hopeful()[:count])
            left -= len(examples) * len(arms)
            state = state.after(arms, pull(arms, examples))
            yield state.standings

    def needs(self, arms: int, examples: int, finalists: int) -> int:
        if arms <= finalists:
            return 0
        return self.round_limit * self._batch(arms) * min(self.examples_per_pull, examples)

    def cost(self, contest: Contest) -> int:
        return min(contest.share, self.needs(contest.arms, contest.examples, contest.finalists))

    def _batch(self, arms: int) -> int:
        wanted = self.arms_per_round * arms if self.arms_per_round < 1 else self.arms_per_round
        return max(1, min(arms, math.floor(wanted)))


@dataclass(frozen=True)
class _Bounds:
    """Standings with the order of optimism. turn: breaks ties, drawn once."""

    standings: Standings
    exploration: float
    turn: list[int]
    seen: tuple[float, float] | None = field(default=None)

    def hopeful(self) -> list[int]:
        place = {arm: position for position, arm in enumerate(self.turn)}
        return sorted(self.standings.alive, key=lambda arm: (-self._bound(arm), place[arm]))

    def _bound(self, arm: int) -> float:
        count = self.standings.counts[arm]
        if count == 0:
            return math.inf
        low, high = self.seen or (0.0, 0.0)
        spread = high - low or 1.0
        bonus = math.sqrt(math.log(sum(self.standings.counts)) / count)
        return self.standings.mean(arm) + self.exploration * spread * bonus

    def after(self, arms: Sequence[int], rewards: Sequence[Sequence[float]]) -> _Bounds:
        values = [value for row in rewards for value in row] + list(self.seen or ())
        return replace(self, standings=self.standings.after(arms, rewards), seen=(min(values), max(values)))
