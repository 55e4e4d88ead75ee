"""Curriculum order: from what is easy to what is hard, or the other way round."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ...asking import check_kinds
from ..base import Chosen, Orderer, Supply
from ..difficulty import Difficulty, SuccessRate, easiest_first
from ..pacing import Pacing


@dataclass(frozen=True)
class EasyToHard(Orderer):
    """The easiest shot first, the hardest nearest to the question.

    difficulty: how it is measured. Among equally hard shots labels take turns. hard_first: the other way round, the
        control without which nothing can be said of a curriculum.
    pacing: place j of k draws from the share of the set that the curve has opened by then, so that the order rises on
        the whole and not strictly; None: strictly.
    Source: Liu et al. 2024, arXiv 2402.10738 (strictly). Pacing in a prompt is an extension of ours.
    """

    difficulty: Difficulty = SuccessRate()
    hard_first: bool = False
    pacing: Pacing | None = None

    def __post_init__(self) -> None:
        check_kinds("EasyToHard", difficulty=(self.difficulty, Difficulty), pacing=(self.pacing, Pacing | None))

    def arrange(self, supply: Supply, chosen: Chosen) -> Iterator[Chosen]:
        if chosen.rule is not None:
            yield chosen
            return
        hardness = self.difficulty.measure(supply, chosen.shots)
        places = easiest_first(supply, chosen.shots, hardness)
        if self.pacing is not None:
            rng = supply.bench.rng(f"pacing of demonstrations of {supply.predictor}")
            places = self.pacing.draw(places, len(places), rng, lambda place: supply.answer(chosen.shots[place]))
        name = type(self.difficulty).__name__
        reasons = (f"{why}; difficulty {hard:.3g} ({name})" for why, hard in zip(chosen.reasons, hardness, strict=True))
        yield replace(chosen, reasons=tuple(reasons)).arranged(places[::-1] if self.hard_first else places)

    def cost(self, k: int, dev: int) -> int:
        return self.difficulty.cost(k)

    def asks(self, k: int, dev: int) -> int:
        return self.difficulty.asks(k)

    @property
    def reply_tokens(self) -> int:
        return self.difficulty.reply_tokens
