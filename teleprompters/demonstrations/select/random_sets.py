"""Random sets: the baseline of every selector. One of them, or the best of several on dev."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...draws import shuffled
from ..base import Chosen, Selector, Shot, Supply


@dataclass(frozen=True)
class Random(Selector):
    """Shots drawn without replacement, every class about equally often.

    sets: how many sets are drawn, no two of the same shots. With more than one the best on dev wins, which is what
    other selectors have to beat: best-of-10 random is `Random(sets=10)`.
    balanced: an equal share for each class, and every class among them where k is large enough; False: as the pool is
        mixed.
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
            shots = _balanced(supply, drawn) if self.balanced else drawn[: supply.k]
            key = frozenset(shot.row.digest for shot in shots)
            if shots and key not in seen:
                seen.add(key)
                yield Chosen.of(shots, "drawn at random")

    def cost(self, shots: int, k: int, dev: int) -> int:
        return 0


def _balanced(supply: Supply, drawn: Sequence[Shot]) -> list[Shot]:
    """An equal share of each class in the order drawn; with many classes for k shots, each of them once at first."""
    firsts = set({supply.answer(shot): shot for shot in reversed(drawn)}.values()) if supply.classes else set()
    shots = supply.balanced(sorted(drawn, key=lambda shot: shot not in firsts))
    return [shot for shot in drawn if shot in shots]
