"""Random sets: the baseline of every selector. One of them, or the best of several on dev."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ...draws import shuffled
from ..base import Chosen, Selector, Supply


@dataclass(frozen=True)
class Random(Selector):
    """Shots drawn without replacement, every class about equally often.

    sets: how many sets are drawn, no two of the same shots. With more than one the best on dev wins, which is what
    other selectors have to beat: best-of-10 random is `Random(sets=10)`.
    balanced: an equal share for each class; False: as the pool is mixed.
    Raises ValueError on sets below 1.
    Source: the baselines of Xu and Zhang 2024, arXiv 2401.06301, section 4 (best of 10 random sets).
    """

    sets: int = 1
    balanced: bool = True

    def __post_init__(self) -> None:
        if self.sets < 1:
            raise ValueError(f"Random(sets={self.sets}) draws nothing. Give at least 1.")

    def select(self, supply: Supply) -> Iterator[Chosen]:
        rng = supply.bench.rng(f"random demonstrations of {supply.predictor}")
        wanted = min(self.sets, math.comb(len(supply.shots), supply.k))
        seen: set[frozenset[str]] = set()
        for _ in range(50 * wanted):  # balanced draws may not reach every combination
            if len(seen) == wanted:
                return
            drawn = shuffled(supply.shots, rng)
            shots = supply.balanced(drawn) if self.balanced else drawn[: supply.k]
            key = frozenset(shot.row.digest for shot in shots)
            if shots and key not in seen:
                seen.add(key)
                yield Chosen.of(shots, "drawn at random")

    def cost(self, shots: int, k: int, dev: int) -> int:
        return 0
