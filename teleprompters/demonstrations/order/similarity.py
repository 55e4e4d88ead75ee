"""By similarity: what is most like the pool as a whole next to the question, or on top."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ..base import Chosen, Orderer, Signal, Supply
from ..supply import MOST_SHOTS
from ..vectors import centrality, embedding_calls, vectors_of


@dataclass(frozen=True)
class BySimilarity(Orderer):
    """A fixed set by the cosine of each shot's inputs to the mean of the pool's: no labels and no row of dev are used.

    closest_last: the most typical shot stands next to the question; False: on top.

    Costs no call but the encoder's; without an encoder vectors are TF-IDF. Source: Liu et al. 2021, arXiv 2101.06804,
    who order by similarity to each query, as rules do here; that the mean of the pool stands for the queries of a set
    that is the same for all of them is ours.
    """

    signals: ClassVar[tuple[Signal, ...]] = ("embeddings",)

    closest_last: bool = True

    def arrange(self, supply: Supply, chosen: Chosen) -> Iterator[Chosen]:
        if chosen.rule is not None or not chosen.shots:
            yield chosen
            return
        pool = dict.fromkeys(supply.question(shot) for shot in supply.shots)
        own = [supply.question(shot) for shot in chosen.shots]
        texts = list(pool | dict.fromkeys(own))  # shots that were made, not found, are no part of the mean
        similar = dict(zip(texts, centrality(vectors_of(supply, texts), len(pool)), strict=True))
        places = sorted(range(len(chosen.shots)), key=lambda place: (-similar[own[place]], place))
        yield chosen.arranged(places[::-1] if self.closest_last else places)

    def cost(self, k: int, dev: int) -> int:
        return 0

    def embeddings(self, k: int, pool: int) -> int:
        return embedding_calls(min(pool, MOST_SHOTS) + k)
