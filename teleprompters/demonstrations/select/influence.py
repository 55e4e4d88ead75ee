"""Influence: the demonstrations whose presence in random sets goes with high scores; and those that do harm."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from ...draws import draw, shuffled
from ..base import Chosen, Selector, Shot, Signal, Supply
from .influence_estimates import Estimate, Run, datamodel, differences
from .signals import (
    CHOOSING,
    at_random,
    everything,
    nothing_to_choose,
    purse_of,
    random_runs,
)

COVERAGE = 30  # runs that each shot is wanted in: the paper's number
LEAST_COVERAGE = 10  # with less, only the largest influences are more than noise
LEAST_ROWS, MOST_ROWS = 10, 50  # of dev, for each run


@dataclass(frozen=True)
class Influence(Selector):
    """Scores random sets, and takes the shots by what sets with them score above sets without them.

    1. f(S) for random sets S of k shots, an equal share of each class, in random order, all on the same rows of dev.
    2. I(j) = mean of f(S) over the sets with j - mean over those without, and its standard error.
    3. The k highest I - `errors` x se, an equal share of each class.
    Yields them, then the highest I, then the best of the random sets.

    runs: how many sets; None: each shot in 30 of them, fewer where the money does not reach. rows: of dev; None: 10 to
        50, what the runs leave money for. With less money than for 10 sets a shot, fewer shots are looked at.
    estimate: "difference", as in step 2; "datamodel": the weights of a linear model, which tells apart what shots that
        were often shown together did; ridge: its penalty, in runs (0: least squares).
    errors: standard errors that are taken off, so that luck is not chosen; 0: the paper.
    harmful: shots with I + harmful x se < 0, worse than what stands in their place, are named in the log. Often their
        label is wrong; of many shots a few are named by chance.

    Costs runs x rows executions. Additive: what two shots do together, and where they stand, is not seen; weak for k
    below 8. Raises ValueError on sizes below 1, negative numbers and an unknown estimate.
    Source: Nguyen and Wong 2023, arXiv 2302.11042, sections 3 and 4. Differs on purpose: the lower bound; shots that
    were in no run are never chosen; ridge in place of the lasso.
    """

    signals: ClassVar[tuple[Signal, ...]] = ("executions",)

    runs: int | None = None
    rows: int | None = None
    estimate: Literal["difference", "datamodel"] = "difference"
    ridge: float = 1.0
    errors: float = 1.0
    harmful: float = 2.0

    def __post_init__(self) -> None:
        for name in ("runs", "rows"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"Influence({name}={value}) must be at least 1.")
        for name in ("ridge", "errors", "harmful"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"Influence({name}={getattr(self, name)}) must be a number from 0 on.")
        if self.estimate not in ("difference", "datamodel"):
            raise ValueError(f"Influence(estimate={self.estimate!r}): known are 'difference' and 'datamodel'.")

    def select(self, supply: Supply) -> Iterator[Chosen]:
        if nothing_to_choose(supply):
            yield from everything(supply)
            return
        rng = supply.bench.rng(f"rows and shots for influences on {supply.predictor}")
        sizes = sizes_of(len(supply.shots), supply.k, len(supply.bench.dev), int(CHOOSING * supply.money), self)
        if sizes is None:
            yield from at_random(supply, "Influence", LEAST_ROWS * 2 * LEAST_COVERAGE)
            return
        shots = supply.balanced(shuffled(supply.shots, rng), sizes.shots)
        rows = draw(supply.bench.dev, sizes.rows, rng)
        runs = random_runs(supply, shots, sizes.runs, rows, purse_of(supply), "Influence")
        found = estimates(runs, len(shots), self.estimate, self.ridge)
        self._flag(supply, shots, found)
        for errors in dict.fromkeys((self.errors, 0.0)):
            yield self._best(supply, shots, found, errors)
        best = max(runs, key=lambda run: run.score)
        reason = f"in the best of {len(runs)} random sets: {100 * best.score:.1f} points on {len(rows)} rows"
        yield Chosen.of((shots[member] for member in best.members), reason)

    def cost(self, shots: int, k: int, dev: int) -> int:
        runs = wanted_runs(shots, k) if self.runs is None else self.runs
        return runs * min(dev, self.rows or MOST_ROWS)

    def _best(self, supply: Supply, shots: Sequence[Shot], found: Sequence[Estimate | None], errors: float) -> Chosen:
        known = {shot: estimate for shot, estimate in zip(shots, found, strict=True) if estimate is not None}
        chosen = supply.balanced(sorted(known, key=lambda shot: (-known[shot].bound(errors), shot.row.digest)))
        return Chosen(tuple(chosen), tuple(said_of(known[shot]) for shot in chosen))

    def _flag(self, supply: Supply, shots: Sequence[Shot], found: Sequence[Estimate | None]) -> None:
        for shot, estimate in zip(shots, found, strict=True):
            if estimate is not None and estimate.bound(-self.harmful) < 0:
                supply.bench.log(
                    "demonstration looks harmful",
                    predictor=supply.predictor,
                    row=shot.row.digest,
                    place=shot.row.place,
                    influence=said_of(estimate),
                )


@dataclass(frozen=True)
class InfluenceSizes:
    """How many shots are looked at, in how many runs, each on how many rows of dev."""

    shots: int
    runs: int
    rows: int


def sizes_of(shots: int, k: int, dev: int, money: int, settings: Influence) -> InfluenceSizes | None:
    """What the money buys; None when it does not buy 10 runs of each of twice as many shots as a set has."""
    wanted = wanted_runs(shots, k) if settings.runs is None else settings.runs
    rows = min(dev, settings.rows or min(MOST_ROWS, max(LEAST_ROWS, money // wanted)))
    runs = min(wanted, money // max(1, rows))
    # The paper's answer to little money is a small pool: many influences, none of them known, are worth nothing.
    looked_at = shots if settings.runs is not None else min(shots, runs * k // LEAST_COVERAGE)
    if looked_at < min(shots, 2 * k) or runs < 2:
        return None
    return InfluenceSizes(looked_at, runs, rows)


def wanted_runs(shots: int, k: int) -> int:
    return math.ceil(COVERAGE * shots / max(1, k))


def estimates(
    runs: Sequence[Run], shots: int, estimate: Literal["difference", "datamodel"], ridge: float
) -> list[Estimate | None]:
    return differences(runs, shots) if estimate == "difference" else datamodel(runs, shots, ridge)


def said_of(estimate: Estimate) -> str:
    return f"influence {100 * estimate.value:+.1f} points (standard error {100 * estimate.error:.1f})"
