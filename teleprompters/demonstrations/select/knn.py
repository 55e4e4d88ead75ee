"""KATE: per query the demonstrations whose inputs are nearest to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from ....signatures.errors import LMError
from ....signatures.prompt import DemoRule
from ..base import Chosen, Selector, Signal, Supply
from ..vectors import embedding_calls


@dataclass(frozen=True)
class Nearest(Selector):
    """A rule, not a set: for every query the k shots with the highest cosine to it.

    encoder: "tfidf" compares the words, weighted by how rare they are, and needs nothing. "encoder" compares vectors of
        the compile's encoder: it embeds the pool once, then every query, in production too.
    order: where the nearest stands; next to the question ("closest_last") or on top. Neither is always better (in the
        paper one was on one data set, the other on two): try both.

    Neighbours of one class can outweigh the others: a rule does not balance. Raises ValueError on unknown settings and,
    when it is to choose, LMError where "encoder" is asked for and the compile has none.
    Source: Liu et al. 2021, arXiv 2101.06804 (KATE). Differs on purpose: always cosines, which favour no long text.
    """

    signals: ClassVar[tuple[Signal, ...]] = ("embeddings",)

    encoder: Literal["tfidf", "encoder"] = "tfidf"
    order: Literal["closest_last", "closest_first"] = "closest_last"

    def __post_init__(self) -> None:
        if self.encoder not in ("tfidf", "encoder"):
            raise ValueError(f"Nearest(encoder={self.encoder!r}): known are 'tfidf' and 'encoder'.")
        if self.order not in ("closest_last", "closest_first"):
            raise ValueError(f"Nearest(order={self.order!r}): known are 'closest_last' and 'closest_first'.")

    def select(self, supply: Supply) -> Iterator[Chosen]:
        if not supply.shots:
            return
        if self.encoder == "tfidf":
            rule = DemoRule("tfidf", supply.k, self.order)
            yield Chosen.of(supply.shots, "in the pool of a rule that picks per query by words (TF-IDF)", rule)
            return
        bench, prompt = supply.bench, supply.candidate.prompt(supply.predictor)
        if bench.encoder is None:
            raise LMError(
                "Nearest(encoder='encoder') compares vectors, and this compile has no encoder. Give it one, or use "
                "Nearest(encoder='tfidf'), which compares words."
            )
        vectors = bench.embed([prompt.question(shot.demo.values) for shot in supply.shots])
        shots = (
            replace(shot, demo=shot.demo.with_vector(vector))
            for shot, vector in zip(supply.shots, vectors, strict=True)
        )
        rule = DemoRule("vectors", supply.k, self.order, bench.encoder)
        yield Chosen.of(shots, f"in the pool of a rule that picks per query by vectors of {bench.encoder}", rule)

    def cost(self, shots: int, k: int, dev: int) -> int:
        return 0

    def embeddings(self, shots: int, k: int, dev: int) -> int:
        return embedding_calls(shots) if self.encoder == "encoder" else 0

    @property
    def embeds_queries(self) -> bool:
        return self.encoder == "encoder"
