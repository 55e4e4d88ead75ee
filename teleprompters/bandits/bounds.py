"""Upper confidence bounds: each round pulls the arms that may still be the best."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from ..draws import dealt, shuffled
from .contest import LEAST_PULLS, Contest, Pull, Standings


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
        turn = shuffled(range(contest.arms), rng)
        state = _Bounds(Standings.of(contest.arms), self.exploration, turn, _hoeffding)
        hands = dealt(range(contest.examples), min(self.examples_per_pull, contest.examples), rng)
        left = contest.share
        for _, examples in zip(range(self.round_limit), hands, strict=False):
            count = min(_batch(self.arms_per_round, contest.arms), left // len(examples))
            if count == 0:
                return
            arms = sorted(state.hopeful()[:count])
            left -= len(examples) * len(arms)
            state = state.after(arms, pull(arms, examples))
            yield state.standings

    def needs(self, arms: int, examples: int, finalists: int) -> int:
        if arms <= finalists:
            return 0
        return self.round_limit * _batch(self.arms_per_round, arms) * min(self.examples_per_pull, examples)

    def cost(self, contest: Contest) -> int:
        return min(contest.share, self.needs(contest.arms, contest.examples, contest.finalists))


@dataclass(frozen=True)
class UCBE:
    """UCB-E, upper confidence bounds for finding the best arm: the bonus does not grow with the pulls made.

    Each round pulls the arms with the largest mean plus spread * sqrt(exploration / pulls of the arm), until the share
    is spent or every arm is known exactly. spread: of the rewards seen, so that any scale is explored alike.

    exploration: the paper's a. For rewards from 0 to 1, 25/36 * (n - K) / H1 is proved to do, n being the share, K the
    arms and H1 the sum of 1 / gap^2, a gap being how far an arm's mean is below the best one's. Gaps are not known
    beforehand, and 1 did best in docs/bandits.md, where 0.3 and 3 did about as well.
    arms_per_round: a number of arms, or a share of them when below 1; fewer arms make more rounds, which choose better
    and take longer. examples_per_pull: examples in a round; fewer when the share does not pay for them on all arms.

    A round shows its arms examples that none of them has seen, the first such in an order drawn once; where there are
    none, examples that its most hopeful arm has not seen, to those for which they are new too. So no arm sees an
    example twice, and arms are compared on the same ones. Nothing is thrown out.
    Source: Audibert, Bubeck and Munos 2010, "Best arm identification in multi-armed bandits", figure 1; in batches, as
    in the code that Pryzant et al. 2023 released, where the bonus is c * sqrt(c / pulls): exploration = c^3.
    """

    exploration: float = 1.0
    arms_per_round: float = 1 / 8
    examples_per_pull: int = 5

    def __post_init__(self) -> None:
        if self.examples_per_pull < 1 or self.arms_per_round <= 0 or self.exploration < 0:
            raise ValueError(f"{self}: sizes are at least 1 (arms_per_round may be a share), exploration at least 0.")

    def rounds(self, contest: Contest, pull: Pull, rng: random.Random) -> Iterator[Standings]:
        left = self.cost(contest)
        turn, order = shuffled(range(contest.arms), rng), shuffled(range(contest.examples), rng)
        state = _Bounds(Standings.of(contest.arms), 1.0, turn, self._bonus)
        seen: list[set[int]] = [set() for _ in range(contest.arms)]
        while left:
            hopeful = [arm for arm in state.hopeful() if len(seen[arm]) < contest.examples]
            hopeful = hopeful[: _batch(self.arms_per_round, contest.arms)]
            taken = set[int]().union(*(seen[arm] for arm in hopeful))
            if len(taken) == contest.examples:
                taken = seen[hopeful[0]]
            size = min(self.examples_per_pull, contest.share // contest.arms, left)
            examples = list(islice((example for example in order if example not in taken), size))
            arms = sorted([arm for arm in hopeful if seen[arm].isdisjoint(examples)][: left // len(examples)])
            for arm in arms:
                seen[arm].update(examples)
            left -= len(examples) * len(arms)
            state = state.after(arms, pull(arms, examples))
            yield state.standings

    def needs(self, arms: int, examples: int, finalists: int) -> int:
        return arms * min(LEAST_PULLS, examples) if arms > finalists else 0

    def cost(self, contest: Contest) -> int:
        if contest.arms <= contest.finalists or contest.share < contest.arms:
            return 0
        return min(contest.share, contest.arms * contest.examples)

    def _bonus(self, pulls: int, count: int) -> float:
        return math.sqrt(self.exploration / count)


def _hoeffding(pulls: int, count: int) -> float:
    return math.sqrt(math.log(pulls) / count)


def _batch(wanted: float, arms: int) -> int:
    return max(1, min(arms, math.floor(wanted * arms if wanted < 1 else wanted)))


@dataclass(frozen=True)
class _Bounds:
    """Standings with the order of optimism. turn: breaks ties, drawn once. bonus: of all pulls and those of the arm."""

    standings: Standings
    exploration: float
    turn: list[int]
    bonus: Callable[[int, int], float]
    seen: tuple[float, float] | None = field(default=None)

    def hopeful(self) -> list[int]:
        place = {arm: position for position, arm in enumerate(self.turn)}
        pulls = sum(self.standings.counts)
        return sorted(self.standings.alive, key=lambda arm: (-self._bound(arm, pulls), place[arm]))

    def _bound(self, arm: int, pulls: int) -> float:
        count = self.standings.counts[arm]
        if count == 0:
            return math.inf
        low, high = self.seen or (0.0, 0.0)
        spread = high - low or 1.0
        return self.standings.mean(arm) + self.exploration * spread * self.bonus(pulls, count)

    def after(self, arms: Sequence[int], rewards: Sequence[Sequence[float]]) -> _Bounds:
        values = [value for row in rewards for value in row] + list(self.seen or ())
        return replace(self, standings=self.standings.after(arms, rewards), seen=(min(values), max(values)))
