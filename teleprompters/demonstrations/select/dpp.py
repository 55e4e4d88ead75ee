"""DPP: rows that are typical of the pool and unlike each other, as a determinant weighs the two."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..base import Chosen, Selector, Signal, Supply
from ..vectors import EXACT, centrality, embedding_calls, question_vectors

if TYPE_CHECKING:
    from ..vectors import Floats

LEAST = 1e-10  # below this a row repeats what was chosen, and dividing by it is no longer exact


@dataclass(frozen=True)
class DPP(Selector):
    """One set that greedily maximises log det K over its shots, where K = diag(r) S diag(r).

    S_ij = (cos(i, j) + 1) / 2 makes similar shots worth less together. r_i = exp((q_i - max q) / (2 scale)) with
    q_i = (cos(i, centre) + 1) / 2 favours shots near the mean of the pool's vectors. The most relevant comes first.
    scale: how much relevance gives way to diversity: small means relevance, large diversity alone.

    Fewer shots than k where the vectors of those left depend on the chosen ones, as equal ones do. Costs no call but
    the encoder's; without an encoder vectors are TF-IDF. Raises ValueError on a scale that is not positive and finite.
    Source: Ye et al. 2023, arXiv 2302.05698 (CEIL), with the greedy search of Chen et al. 2018, arXiv 1709.05135.
    Differs on purpose: there it chooses again for every query; a frozen file shows a fixed set or ranks its pool by one
    score a shot, so the pool's centre stands for the query, and all of the pool competes, not the nearest 50 or 100.
    """

    signals: ClassVar[tuple[Signal, ...]] = ("embeddings",)

    scale: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.scale < math.inf:
            raise ValueError(f"DPP(scale={self.scale}) cannot weigh relevance. Give a number above 0, such as 0.1.")

    def select(self, supply: Supply) -> Iterator[Chosen]:
        if not supply.shots:
            return
        vectors = question_vectors(supply)
        relevance = (centrality(vectors) + 1) / 2
        weights = (relevance - relevance.max()) / self.scale  # log r^2
        similar = (vectors @ vectors.T + 1) / 2  # not rounded: that would make dependent rows look new
        gains = greedy_map(similar, weights, supply.k)
        places = sorted(gains, key=lambda place: (-relevance[place], place))
        yield Chosen(
            tuple(supply.shots[place] for place in places),
            tuple(
                f"relevance {relevance[place]:.2f}, adds {gains[place]:+.2f} to the log-determinant" for place in places
            ),
        )

    def cost(self, shots: int, k: int, dev: int) -> int:
        return 0

    def embeddings(self, shots: int, k: int, dev: int) -> int:
        return embedding_calls(shots)


def greedy_map(similar: Floats, weights: Floats, k: int) -> dict[int, float]:
    """Places in the order chosen, each with what it adds to log det K, K_ij = exp(weight_i / 2) S_ij exp(weight_j / 2).

    similar: S, symmetric, no eigenvalue below 0. Ends before k where all that is left depends on what was chosen.
    Source: Chen et al. 2018, algorithm 1: a Cholesky factor that grows by a row a step. Here it is that of S, and the
    weights are added as logarithms, so that small ones do not vanish.
    """
    import numpy as np

    rest = np.diag(similar).copy()  # what of each row's own similarity the chosen ones do not explain
    factor = np.zeros((k, len(similar)))
    chosen: dict[int, float] = {}
    while len(chosen) < min(k, len(similar)):
        gains = np.where(rest < LEAST, -math.inf, weights + np.log(np.maximum(rest, LEAST)))
        best = int(np.round(gains, EXACT).argmax())
        if rest[best] < LEAST:
            break
        row = (similar[best] - factor[:, best] @ factor) / math.sqrt(rest[best])
        factor[len(chosen)] = row
        chosen[best] = float(gains[best])
        rest -= row**2
        rest[list(chosen)] = 0.0
    return chosen
