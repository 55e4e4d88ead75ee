"""Elimination in phases that are known beforehand: uniform, successive rejects, successive halving."""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from ..draws import shuffled
from .contest import LEAST_PULLS, Contest, Pull, Standings

UNIFORM_ROUNDS = 4  # after any of which a search may be paused


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
