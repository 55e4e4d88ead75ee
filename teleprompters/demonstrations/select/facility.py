"""Facility location: rows such that every row of the pool has a similar one among them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..base import Chosen, Selector, Signal, Supply
from ..vectors import EXACT, cosines, embedding_calls, question_vectors

if TYPE_CHECKING:
    from ..vectors import Floats


@dataclass(frozen=True)
class FacilityLocation(Selector):
    """One set that greedily maximises the sum over the pool of each row's cosine to the shot nearest to it.

    A step takes the shot with the largest sum over j of relu(cos(j, i) - best_j), where best_j is the cosine of row j
    to the nearest shot so far, -1 at first. Greedy gets at least 1 - 1/e of the most that k shots can. Costs no call
    but the encoder's; without an encoder vectors are TF-IDF.
    Source: Nemhauser, Wolsey and Fisher 1978; as a choice of demonstrations in Su et al. 2022,
    arXiv 2209.01975.
    """

    signals: ClassVar[tuple[Signal, ...]] = ("embeddings",)

    def select(self, supply: Supply) -> Iterator[Chosen]:
        if not supply.shots:
            return
        similar = cosines(question_vectors(supply))
        places = facilities(similar, supply.k)
        nearest = similar[:, places].argmax(axis=1)
        yield Chosen(
            tuple(supply.shots[place] for place in places),
            tuple(f"nearest to {int((nearest == number).sum())} rows" for number in range(len(places))),
        )

    def cost(self, shots: int, k: int, dev: int) -> int:
        return 0

    def embeddings(self, shots: int, k: int, dev: int) -> int:
        return embedding_calls(shots)


def facilities(similar: Floats, k: int) -> list[int]:
    """k columns in the order chosen, from a square matrix of similarities of -1 to 1."""
    import numpy as np

    best = np.full(len(similar), -1.0)
    chosen: list[int] = []
    while len(chosen) < min(k, len(similar)):
        gains = np.round(np.maximum(similar - best[:, None], 0.0).sum(axis=0), EXACT)
        gains[chosen] = -1.0
        chosen.append(int(gains.argmax()))
        best = np.maximum(best, similar[:, chosen[-1]])
    return chosen
