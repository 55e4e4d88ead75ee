"""Orders that cost nothing: as the selector gave them, reversed, or at random."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...draws import shuffled
from ..base import Chosen, Orderer, Supply


@dataclass(frozen=True)
class AsGiven(Orderer):
    """The most relevant shot first, as the selector gave them."""

    def arrange(self, supply: Supply, chosen: Chosen) -> Iterator[Chosen]:
        yield chosen

    def cost(self, k: int, dev: int) -> int:
        return 0


@dataclass(frozen=True)
class Reversed(Orderer):
    """The most relevant shot last, where it stands nearest to the question."""

    def arrange(self, supply: Supply, chosen: Chosen) -> Iterator[Chosen]:
        yield chosen if chosen.rule else chosen.arranged(range(len(chosen.shots))[::-1])

    def cost(self, k: int, dev: int) -> int:
        return 0


@dataclass(frozen=True)
class RandomOrder(Orderer):
    """`orders` random orders, no two the same; with more than one the best on dev wins."""

    orders: int = 1

    def __post_init__(self) -> None:
        if self.orders < 1:
            raise ValueError(f"RandomOrder(orders={self.orders}) arranges nothing. Give at least 1.")

    def arrange(self, supply: Supply, chosen: Chosen) -> Iterator[Chosen]:
        if chosen.rule is not None:
            yield chosen
            return
        rng = supply.bench.rng(f"random order of demonstrations of {supply.predictor}")
        seen: set[tuple[int, ...]] = set()
        for _ in range(20 * self.orders):  # small sets have few orders
            places = tuple(shuffled(range(len(chosen.shots)), rng))
            if len(seen) < self.orders and places not in seen:
                seen.add(places)
                yield chosen.arranged(places)

    def cost(self, k: int, dev: int) -> int:
        return 0
