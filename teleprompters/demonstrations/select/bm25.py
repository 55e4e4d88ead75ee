"""BM25: per query the demonstrations whose inputs share the most telling words with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ....signatures.prompt import DemoRule
from ..base import Chosen, Selector, Supply


@dataclass(frozen=True)
class BM25(Selector):
    """A rule, not a set: Okapi BM25 picks k of all shots for every query, at no cost.

    order: where the best match stands; nearest to the question ("closest_last") or on top.
    Source: Robertson and Zaragoza 2009; as a selector of demonstrations in Rubin et al. 2022, arXiv 2112.08633.
    """

    order: Literal["closest_last", "closest_first"] = "closest_last"

    def select(self, supply: Supply) -> Iterator[Chosen]:
        if supply.shots:
            rule = DemoRule("bm25", supply.k, self.order)
            yield Chosen.of(supply.shots, "in the pool of a rule that picks per query by BM25", rule)

    def cost(self, shots: int, k: int, dev: int) -> int:
        return 0
