"""Adaptive filtering: the better half by their scores on a small subset, then the better half of those."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..draws import shuffled
from .contest import LEAST_SUBSET, Contest, Pull, Standings


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
