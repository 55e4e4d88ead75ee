"""Which of many arms are worth a full score, for a share of the pulls: elimination in phases, and confidence bounds.

An arm is a candidate, a pull its score on one example. Every selector shows all arms of a round the same examples, so
that they are compared in pairs, and never asks for more pulls than its share.
"""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, islice, pairwise
from typing import Protocol

from .draws import dealt, shuffled

LEAST_SUBSET = 10  # examples in a round of filtering: fewer throw good arms out by chance
LEAST_PULLS = 2 * LEAST_SUBSET  # an arm, on average: what filtering by halves takes with the least subset
UNIFORM_ROUNDS = 4  # after any of which a search may be paused


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
class Phase:
    """So many arms see so many fresh examples each; the best of them by their mean over all phases stay."""

    arms: int
    examples: int
    staying: int


class Phased(ABC):
    """Selectors whose phases are known beforehand. A subclass states the schedule of its paper.

    Papers draw rewards for ever; here each example is drawn once. An arm that has seen them all is known exactly and
    not pulled again, so the phases end there. The pulls that this saves buy more examples for all phases: the schedule
    is then that of the largest budget whose phases, ended so, still fit the share.
    Means run over all phases, and among equal ones chance decides by an order drawn once. With less than one pull an
    arm there is no round.
    """

    @abstractmethod
    def schedule(self, arms: int, finalists: int, budget: int) -> list[tuple[int, int]]:
        """Of each phase: how many arms are in, and how many examples each of them has seen at its end, at least 1.

        Called with more arms than finalists and a budget of at least one pull an arm, which is never passed.
        """

    def rounds(self, contest: Contest, pull: Pull, rng: random.Random) -> Iterator[Standings]:
        standings, fresh = Standings.of(contest.arms), shuffled(range(contest.examples), rng)
        turn = shuffled(range(contest.arms), rng)
        for phase in self.phases(contest):
            examples, fresh = fresh[: phase.examples], fresh[phase.examples :]
            standings = standings.after(standings.alive, pull(standings.alive, examples))
            standings = standings.keeping(phase.staying, turn)
            yield standings

    def needs(self, arms: int, examples: int, finalists: int) -> int:
        return arms * min(LEAST_PULLS, examples) if arms > finalists else 0

    def cost(self, contest: Contest) -> int:
        return _cost(self.phases(contest))

    def phases(self, contest: Contest) -> list[Phase]:
        """The schedule as far as there are examples, each with something new to decide by."""
        if contest.arms <= contest.finalists or contest.share < contest.arms or not contest.examples:
            return []
        schedule = self.schedule(contest.arms, contest.finalists, contest.share)
        if schedule[-1][1] <= contest.examples:
            return _ended(schedule, contest)

        def phases(budget: int) -> list[Phase]:
            return _ended(self.schedule(contest.arms, contest.finalists, budget), contest)

        # The last of these shows every arm every example, whatever the schedule.
        budgets = range(contest.share, contest.share + contest.arms * (contest.arms + 1) * (contest.examples + 1))
        fitting = bisect_right(budgets, contest.share, key=lambda budget: _cost(phases(budget)))
        return phases(budgets[max(0, fitting - 1)])


def _ended(schedule: Sequence[tuple[int, int]], contest: Contest) -> list[Phase]:
    phases: list[Phase] = []
    seen = 0
    for (arms, target), (staying, _) in pairwise([*schedule, (contest.finalists, 0)]):
        shown = min(target, contest.examples)
        if shown > seen:
            phases.append(Phase(arms, shown - seen, staying))
        else:  # nothing new to decide by, so the last phase decides this too
            phases[-1] = replace(phases[-1], staying=staying)
        seen = shown
    return phases


def _cost(phases: Sequence[Phase]) -> int:
    return sum(phase.arms * phase.examples for phase in phases)


@dataclass(frozen=True)
class Uniform(Phased):
    """All arms on the same sample, as large as the share pays for: what every other selector has to beat.

    The sample comes in four parts, after any of which a search may be paused.
    """

    def schedule(self, arms: int, finalists: int, budget: int) -> list[tuple[int, int]]:
        parts = min(UNIFORM_ROUNDS, budget // arms)
        return [(arms, budget // arms * part // parts) for part in range(1, parts + 1)]


@dataclass(frozen=True)
class SuccessiveRejects(Phased):
    """Successive rejects: one arm goes after each phase, and the phases are such that late ones cost as much as early.

    In phase k of K arms and n pulls, each arm that is still in has seen n_k = ceil((n - K) / (logbar * (K + 1 - k)))
    examples at its end, where logbar = 1/2 + 1/2 + 1/3 + ... + 1/K. It has no parameter, and needs no guess of how far
    arms lie apart.

    With m finalists there are K - m phases, and logbar = m/(m + 1) + 1/(m + 1) + ... + 1/K: the paper's for m = 1, and
    for every m the one that spends the share on the same proportions. What is wanted is the best arm among the
    finalists, so arms are rejected and never accepted early, as they are where the m best are wanted (Bubeck, Wang and
    Viswanathan 2013, arXiv 1205.3181).
    Source: Audibert, Bubeck and Munos 2010, "Best arm identification in multi-armed bandits", figure 3. Differs from
    the code that Pryzant et al. 2023 released, which counts only the arms that will be rejected, shows at least 4
    examples whatever is left, and decides by the newest phase alone.
    """

    def schedule(self, arms: int, finalists: int, budget: int) -> list[tuple[int, int]]:
        logbar = finalists / (finalists + 1) + math.fsum(1 / rank for rank in range(finalists + 1, arms + 1))
        # One example costs K: with n = K, where the formula says none, there is money for it.
        return [(left, max(1, math.ceil((budget - arms) / (logbar * left)))) for left in range(arms, finalists, -1)]


@dataclass(frozen=True)
class SuccessiveHalving(Phased):
    """Successive halving: the better half stays after each phase, and every phase costs the same.

    ceil(log2(arms / finalists)) phases, each with floor(share / (arms still in * phases)) fresh examples for every arm
    still in; of which the better half stays, rounded up, and never fewer than the finalists. Where that is no example
    at all, one, as long as there is money for it.

    Source: Karnin, Koren and Somekh 2013, "Almost optimal exploration in multi-armed bandits", where it is called
    sequential halving and decides by the newest phase alone, which its proof needs; running means use all that was
    paid for. One sample for all arms of a phase: Baharav and Tse 2019, arXiv 1906.04356. Differs from the code that
    Pryzant et al. 2023 released, which keeps arms at or above the average: all of them on a tie, and possibly too few.
    """

    def schedule(self, arms: int, finalists: int, budget: int) -> list[tuple[int, int]]:
        sizes = [arms]
        while (half := max(finalists, math.ceil(sizes[-1] / 2))) < sizes[-1]:
            sizes.append(half)
        *sizes, _ = sizes
        examples, left = [], budget
        for size in sizes:
            examples.append(min(max(1, budget // (size * len(sizes))), left // size))
            left -= size * examples[-1]
        return list(zip(sizes, accumulate(examples), strict=True))


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
