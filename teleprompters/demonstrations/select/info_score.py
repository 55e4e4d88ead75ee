"""InfoScore: shots that help many rows, found by a filter that grows stricter, put together by a diverse search."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from ....signatures.candidate import Candidate
from ....signatures.canonical import JSON
from ....signatures.example import Example
from ...base import Origin
from ...draws import draw, shuffled
from ...instruction_search import Purse
from ..base import Chosen, Selector, Shot, Signal, Supply
from .signals import (
    CHOOSING,
    By,
    at_random,
    everything,
    gains,
    information,
    labels_of,
    nothing_to_choose,
    purse_of,
    source_of_gains,
    without_probabilities,
    z_scores,
)

LEAST_SCORE_ROWS = 4  # with fewer a first impression is chance
MOST_ROWS, LEAST_ROWS = 50, 10  # of dev, that sets are compared on
NEAR_BEST = 4  # a shot that comes into a set is drawn from so many of the best


@dataclass(frozen=True)
class InfoScore(Selector):
    """LENS: finds the shots that inform most, and searches among sets of them for those that score best.

    1. Filter: c(e, e') = p(y' | e, x') - p(y' | x') of every shot on a few rows of the pool; the best 1 / `keep_one_in`
       go on, and are measured on `keep_one_in` times as many rows; until `kept` are left.
    2. Search: `beam` sets, each put together greedily. Every round each of them has `beam` children: in a quarter of
       them the shots change places, in the others one of them gives its place to another shot of its class with a
       high z(I(e)) - diversity x mean of z(cosine of features) with the rest. Of parents and children the best on
       rows of dev stay.

    by: what c is taken from. "probabilities": of the label, a call for each label; "flips": what the metric gives, 0 or
        1, which takes about three times the rows for the same certainty; "auto": probabilities where the LM tells them
        and labels are at most 4. kept, score_rows, beam, rounds: sizes; less where the money does not reach, and half
        of it is for the search. diversity: weight of what shots have in common, both terms in standard deviations.

    Yields the sets of the beam, the best on dev first. With "flips" it needs no classes and takes graded metrics.
    Raises ValueError on sizes below 1 (keep_one_in below 2). "probabilities" is refused before any call where labels
    have none (free text, several predictors), and raises NoLogprobs with the first call of an LM that tells none.
    Source: Li and Qiu 2023, arXiv 2302.13539, sections 3 and 4, `InfoScore.paper()` has the published sizes; diversity
    by the mean similarity of z-scored terms and one of the 4 best in place of the best as in the released code.
    """

    signals: ClassVar[tuple[Signal, ...]] = ("label probabilities", "executions")

    kept: int = 50
    score_rows: int = 10
    keep_one_in: int = 2
    beam: int = 4
    rounds: int = 5
    diversity: float = 1.0
    by: By = "auto"

    def __post_init__(self) -> None:
        for name, least in (("kept", 1), ("score_rows", 1), ("keep_one_in", 2), ("beam", 1), ("rounds", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"InfoScore({name}={getattr(self, name)}) must be at least {least}.")
        if not math.isfinite(self.diversity):
            raise ValueError(f"InfoScore(diversity={self.diversity}) must be a number.")
        if self.by not in ("auto", "probabilities", "flips"):
            raise ValueError(f"InfoScore(by={self.by!r}): known are 'auto', 'probabilities' and 'flips'.")

    @classmethod
    def paper(cls, **changes: Any) -> InfoScore:
        """The published sizes: 500 shots kept, 8 sets, 10 rounds. They cost some 300 000 calls."""
        return cls(**{"kept": 500, "beam": 8, "rounds": 10, **changes})

    def unfit_rows(self, candidate: Candidate, pool: Sequence[Example]) -> str:
        asked = "InfoScore(by='probabilities')"
        return without_probabilities(candidate, pool, asked) if self.by == "probabilities" else ""

    def select(self, supply: Supply) -> Iterator[Chosen]:
        if nothing_to_choose(supply):
            yield from everything(supply)
            return
        rng = supply.bench.rng(f"InfoScore for {supply.predictor}")
        rows = shuffled([shot.row for shot in supply.shots], rng)
        half = CHOOSING / 2
        if int(half * supply.money) < LEAST_SCORE_ROWS * 2 * supply.k:
            yield from at_random(supply, "InfoScore", math.ceil(LEAST_SCORE_ROWS * 2 * supply.k / half))
            return
        by = source_of_gains(supply, self.by, rows)
        price = 1 if by == "flips" else len(labels_of(supply, "InfoScore"))
        informed = self._filtered(supply, by, price, rows, purse_of(supply, half), rng)
        if len(informed.shots) < supply.k:
            yield from at_random(supply, "InfoScore", math.ceil(LEAST_SCORE_ROWS * 2 * supply.k * price / half))
            return
        sets = self._searched(supply, informed, purse_of(supply, half), rng)
        for members in sets:
            yield Chosen(
                tuple(informed.shots[member] for member in members),
                tuple(informed.reason(member) for member in members),
            )

    def cost(self, shots: int, k: int, dev: int) -> int:
        most = 2 * self.score_rows * shots * max(1, math.ceil(math.log(max(2, shots), self.keep_one_in)))
        search = self.beam * (1 + self.rounds * self.beam) * min(dev, MOST_ROWS)
        return 4 * most + search  # up to 4 labels a pair

    # filter

    def _filtered(
        self,
        supply: Supply,
        by: Literal["probabilities", "flips"],
        price: int,
        rows: Sequence[Example],
        purse: Purse,
        rng: random.Random,
    ) -> Informed:
        """The shots that are left, the most informative first, with their gains on all rows they were measured on."""
        alive = shuffled(supply.shots, rng)
        levels = math.ceil(math.log(max(1.0, len(alive) / self.kept), self.keep_one_in))
        pairs = purse.left // price
        # A level halves the shots and doubles the rows, so it costs what half of the first one did (for keep_one_in 2).
        weight = 1 + levels * (1 - 1 / self.keep_one_in)
        size = max(LEAST_SCORE_ROWS, min(self.score_rows, int(pairs / (len(alive) * weight))))
        alive = supply.balanced(alive, max(1, min(len(alive), int(pairs / (size * weight)))))
        known: dict[Shot, list[float | None]] = {shot: [] for shot in alive}
        measured = 0
        while True:
            size = min(size, len(rows))
            new = rows[measured:size]
            if measured and purse.left < price * len(new) * len(alive):
                break
            found = gains(supply, alive, new, by, purse)
            if measured and len(found) < len(alive):
                break  # shots that were measured on different rows cannot be compared
            alive, measured = alive[: len(found)], size
            for shot, values in zip(alive, found, strict=True):
                known[shot] += values
            alive.sort(key=lambda shot: (-(information(known[shot]) or 0.0), shot.row.digest))
            wanted = max(self.kept, math.ceil(len(alive) / self.keep_one_in))
            last = len(alive) <= self.kept or measured == len(rows)
            if last:
                break
            alive = supply.balanced(alive, wanted)
            size *= self.keep_one_in
        alive = supply.balanced(alive, self.kept)
        return Informed(tuple(alive), tuple(tuple(known[shot]) for shot in alive), by)

    # search

    def _searched(self, supply: Supply, informed: Informed, purse: Purse, rng: random.Random) -> list[tuple[int, ...]]:
        """Ordered sets of numbers, the best on dev first; as they were put together where the money buys no search."""
        classes = [supply.answer(shot) if supply.classes else "" for shot in informed.shots]
        beam = self._started(supply, informed, classes, rng)
        width = len(beam)
        rows = draw(supply.bench.dev, self._rows(len(supply.bench.dev), purse, width), rng)
        if not rows:
            return beam
        scores = self._scored(supply, informed, beam, rows)
        for _ in range(self.rounds):
            if purse.left < width * self.beam * len(rows):
                break
            children = [
                self._child(informed, classes, set_, number, rng) for set_ in beam for number in range(self.beam)
            ]
            new = list(dict.fromkeys(child for child in children if child not in scores))
            scores |= self._scored(supply, informed, new, rows)
            ranked = list(dict.fromkeys([*beam, *children]))
            beam = sorted(ranked, key=lambda members: -scores[members])[:width]
        return sorted(beam, key=lambda members: -scores[members])

    def _rows(self, dev: int, purse: Purse, width: int) -> int:
        """Rows of dev that the first sets and all rounds can be scored on; 0 when that is too few for any."""
        affordable = purse.left // (width * (1 + self.rounds * self.beam))
        if affordable < LEAST_ROWS:
            affordable = min(LEAST_ROWS, dev) if purse.left >= width * (1 + self.beam) * min(LEAST_ROWS, dev) else 0
        return min(dev, MOST_ROWS, affordable)

    def _started(
        self, supply: Supply, informed: Informed, classes: Sequence[str], rng: random.Random
    ) -> list[tuple[int, ...]]:
        """Sets that begin with one of the best shots each and take the best of the others for what they hold."""
        share = -(-supply.k // max(1, len(set(classes))))
        sets: dict[frozenset[int], tuple[int, ...]] = {}
        for first in range(min(len(classes), 2 * self.beam)):
            members = [first]
            while len(members) < supply.k:
                worth = informed.worth(members, self.diversity)
                free = [one for one in range(len(classes)) if one not in members]
                due = [one for one in free if sum(classes[m] == classes[one] for m in members) < share]
                members.append(max(due or free, key=lambda one: (worth[one], -one)))
            sets.setdefault(frozenset(members), tuple(shuffled(members, rng)))
        return list(sets.values())[: self.beam]

    def _child(
        self, informed: Informed, classes: Sequence[str], members: tuple[int, ...], number: int, rng: random.Random
    ) -> tuple[int, ...]:
        if number < self.beam // 4:
            return tuple(shuffled(members, rng))
        place = int(rng.random() * len(members))
        rest = [one for other, one in enumerate(members) if other != place]
        free = [o for o in range(len(classes)) if o not in members and classes[o] == classes[members[place]]]
        if not free:
            return tuple(shuffled(members, rng))
        worth = informed.worth(rest, self.diversity)
        best = sorted(free, key=lambda one: (-worth[one], one))[:NEAR_BEST]
        weights = [math.exp(worth[one] - worth[best[0]]) for one in best]
        drawn, taken = rng.random() * sum(weights), best[-1]
        for one, weight in zip(best, weights, strict=True):
            drawn -= weight
            if drawn < 0:
                taken = one
                break
        return (*members[:place], taken, *members[place + 1 :])

    def _scored(
        self, supply: Supply, informed: Informed, sets: Sequence[tuple[int, ...]], rows: Sequence[Example]
    ) -> dict[tuple[int, ...], float]:
        shown = [[informed.shots[member] for member in members] for members in sets]
        origins = []
        for members in sets:
            reasons: dict[str, JSON] = {informed.shots[m].row.digest: informed.reason(m) for m in members}
            detail: dict[str, JSON] = {"predictor": supply.predictor, "select": "InfoScore", "rows": reasons}
            origins.append(Origin("Demonstrations", "demonstrations", detail))
        candidates = [supply.showing(shots) for shots in shown]
        scores = supply.bench.score(candidates, rows, origin=origins, parents=[supply.candidate])
        return {members: score.mean for members, score in zip(sets, scores, strict=True)}


@dataclass(frozen=True)
class Informed:
    """Shots, the gains of each on the same rows, and what they were taken from."""

    shots: tuple[Shot, ...]
    gains: tuple[tuple[float | None, ...], ...]
    by: str
    _z: list[float] = field(init=False, compare=False)
    _alike: list[list[float]] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_z", z_scores([information(values) for values in self.gains]))
        object.__setattr__(self, "_alike", similarities(self.gains))

    def worth(self, others: Sequence[int], diversity: float) -> list[float]:
        """z(I(e)) - diversity x the mean over the others of z(cosine of the features), for each shot."""
        return [
            z - diversity * math.fsum(self._alike[one][other] for other in others) / max(1, len(others))
            for one, z in enumerate(self._z)
        ]

    def reason(self, number: int) -> str:
        gain = information(self.gains[number])
        what = "right answers" if self.by == "flips" else "probability of the label"
        rows = sum(value is not None for value in self.gains[number])
        return f"shown alone {100 * (gain or 0.0):+.1f} points of {what} on {rows} rows"


def similarities(features: Sequence[Sequence[float | None]]) -> list[list[float]]:
    """z-scored cosines of the features of different shots; a gain that is not known counts as none."""
    known = [[value or 0.0 for value in row] for row in features]
    lengths = [math.sqrt(math.fsum(value * value for value in row)) for row in known]
    cosine = [
        [
            math.fsum(a * b for a, b in zip(one, other, strict=True)) / (n * m) if n and m else 0.0
            for other, m in zip(known, lengths, strict=True)
        ]
        for one, n in zip(known, lengths, strict=True)
    ]
    size = len(known)
    flat = z_scores([cosine[one][other] for one in range(size) for other in range(size) if one != other])
    values = iter(flat)
    return [[0.0 if one == other else next(values) for other in range(size)] for one in range(size)]
