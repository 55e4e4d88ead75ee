"""OrderSearch: the best of many orders on dev, found by successive halving."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ...bandits import Contest, Standings, SuccessiveHalving
from ...base import Origin
from ..base import Chosen, Orderer, Signal, Supply
from .permutations import some_orders

_HALVING = SuccessiveHalving()


@dataclass(frozen=True)
class OrderSearch(Orderer):
    """Runs orders on rows of dev, drops the worse half, goes on with fresh rows, and gives back the best `keep`.

    orders: all k! where they are no more, else so many random ones; fewer where the money does not show each a row.
    executions: what may be spent on the choice; None: what a sound one takes, 20 rows an order at most, and never more
        than there is. The log has the mean of all orders and of the best on the same first rows: the mean order, not
        the worst, is what an order has to beat.
    Raises ValueError on sizes below 1.
    Source: the search of Karnin, Koren and Somekh 2013 (see `bandits.SuccessiveHalving`) over the orders of Lu et al.
    2022, arXiv 2104.08786.
    """

    orders: int = 24
    keep: int = 2
    executions: int | None = None

    signals: ClassVar[tuple[Signal, ...]] = ("executions",)

    def __post_init__(self) -> None:
        if min(self.orders, self.keep) < 1 or (self.executions is not None and self.executions < 1):
            raise ValueError(f"{self}: sizes are at least 1.")

    def arrange(self, supply: Supply, chosen: Chosen) -> Iterator[Chosen]:
        if chosen.rule is not None:
            yield chosen
            return
        bench = supply.bench
        rng = bench.rng(f"orders of demonstrations of {supply.predictor}")
        share = min(supply.money, self.cost(len(chosen.shots), len(bench.dev)))
        most = min(self.orders, max(share, self.keep))
        orders = [chosen.arranged(places) for places in some_orders(len(chosen.shots), most, rng)]
        candidates = [supply.shown(one) for one in orders]
        origin = Origin("OrderSearch", "demonstrations", {"predictor": supply.predictor})

        def pull(arms: Sequence[int], examples: Sequence[int]) -> list[tuple[float, ...]]:
            rows = [bench.dev[number] for number in examples]
            scores = bench.score([candidates[arm] for arm in arms], rows, origin=origin, parents=[supply.candidate])
            return [score.values for score in scores]

        contest = Contest(len(orders), len(bench.dev), min(self.keep, len(orders)), share)
        ranking = list(range(len(orders)))
        first: Standings | None = None
        for standings in _HALVING.rounds(contest, pull, rng):
            first, ranking = first or standings, standings.ranking
        if first is not None:
            bench.log(
                "orders compared",
                predictor=supply.predictor,
                orders=len(orders),
                rows=first.counts[0],
                mean=sum(map(first.mean, ranking)) / len(ranking),
                best=first.mean(ranking[0]),
            )
        yield from (orders[arm] for arm in ranking[: self.keep])

    def cost(self, k: int, dev: int) -> int:
        orders = min(self.orders, math.factorial(k))
        return self.executions or _HALVING.needs(orders, dev, min(self.keep, orders))
