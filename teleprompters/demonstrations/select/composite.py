"""Composite: several signals at once, weighted; dev tells which weights."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import ClassVar

from ....signatures.candidate import Candidate
from ....signatures.errors import NoLogprobs
from ....signatures.example import Example
from ...draws import draw, shuffled
from ...label_signals import SAMPLES
from ..base import Chosen, Selector, Shot, Signal, Supply
from ..vectors import embedding_calls
from .influence import Influence, sizes_of, wanted_runs
from .influence_estimates import differences
from .signals import (
    CHOOSING,
    By,
    at_random,
    entropies,
    everything,
    gains,
    information,
    labels_of,
    lengths,
    nearness,
    nothing_to_choose,
    purse_of,
    random_runs,
    shown_text,
    source_of_gains,
    surprises,
    without_probabilities,
    z_scores,
)

# What the signals that cost something get of the money, in proportion.
SHARES: Mapping[str, float] = {"influence": 0.5, "information": 0.25, "doubt": 0.15, "fluency": 0.1}
A_SHOT = 60  # executions that it takes about to look at one shot by all signals
LEAST_SAMPLES, LEAST_ROWS, MOST_ROWS = 3, 4, 16


@dataclass(frozen=True)
class Weights:
    """What each signal counts for. All are z-normalised over the shots, so that weights compare; 0: not measured.

    influence: what sets with the shot score above sets without it. fluency: minus its log perplexity. information: what
    it does, alone, for other rows. nearness: its cosine with the centre of the shots. doubt: the entropy of the bare
    program's answers to its row. brevity: minus its length. A negative weight prefers the opposite.
    """

    influence: float = 0.0
    fluency: float = 0.0
    information: float = 0.0
    nearness: float = 0.0
    doubt: float = 0.0
    brevity: float = 0.0


NAMES = tuple(field.name for field in fields(Weights))


@dataclass(frozen=True)
class Composite(Selector):
    """Ranks shots by a weighted sum of z-normalised signals, and takes the best, an equal share of each class.

    weights: of the signals, one set. None: a set for equal weights and then for `sets` - 1 weightings drawn uniformly
        from those that sum to 1, so that dev chooses among them; the log has them ("weights of signals").
    shots: that are looked at, at most, drawn at random; fewer where the money does not reach. by: as of InfoScore.

    Signals are measured once, whatever the number of weightings, and share the money. One that cannot be had (no
    log-probabilities) or that the money does not reach for drops out, and the log says so ("signal left out"); a shot
    for which it could not be told has its mean. nearness and brevity cost nothing.
    Raises ValueError on sizes below 1, and on weights that are no numbers or all 0.
    Source: ours. The signals: Nguyen and Wong 2023, Gonen et al. 2022, Li and Qiu 2023, Liu et al. 2022, Diao et al.
    2023.
    """

    signals: ClassVar[tuple[Signal, ...]] = ("executions",)

    weights: Weights | None = None
    sets: int = 8
    shots: int = 100
    by: By = "auto"

    def __post_init__(self) -> None:
        for name in ("sets", "shots"):
            if getattr(self, name) < 1:
                raise ValueError(f"Composite({name}={getattr(self, name)}) must be at least 1.")
        if self.by not in ("auto", "probabilities", "flips"):
            raise ValueError(f"Composite(by={self.by!r}): known are 'auto', 'probabilities' and 'flips'.")
        if self.weights is not None:
            given = asdict(self.weights).values()
            if not all(map(math.isfinite, given)) or not any(given):
                raise ValueError(f"Composite(weights={self.weights}): give numbers, one of them not 0.")

    def unfit_rows(self, candidate: Candidate, pool: Sequence[Example]) -> str:
        if self.by != "probabilities" or (self.weights is not None and not self.weights.information):
            return ""
        return without_probabilities(candidate, pool, "Composite(by='probabilities')")

    def select(self, supply: Supply) -> Iterator[Chosen]:
        if nothing_to_choose(supply):
            yield from everything(supply)
            return
        rng = supply.bench.rng(f"composite choice for {supply.predictor}")
        count = min(self.shots, max(2 * supply.k, int(CHOOSING * supply.money) // A_SHOT))
        shots = supply.balanced(shuffled(supply.shots, rng), max(count, supply.k))
        measured = self._measured(supply, shots)
        if not measured:
            yield from at_random(supply, "Composite", A_SHOT * 2 * supply.k)
            return
        seen: set[frozenset[Shot]] = set()
        for number, weights in enumerate(self._weightings(list(measured), rng), start=1):
            chosen = _chosen(supply, shots, measured, weights)
            if frozenset(chosen.shots) not in seen:
                seen.add(frozenset(chosen.shots))
                supply.bench.log("weights of signals", predictor=supply.predictor, set=number, weights=dict(weights))
                yield chosen

    def cost(self, shots: int, k: int, dev: int) -> int:
        looked_at = min(shots, self.shots)
        influence = wanted_runs(looked_at, k) * min(dev, 50)
        return influence + looked_at * (1 + SAMPLES + 4 * MOST_ROWS) + 4 * MOST_ROWS

    def embeddings(self, shots: int, k: int, dev: int) -> int:
        is_wanted = self.weights is None or self.weights.nearness != 0
        return embedding_calls(min(shots, self.shots)) if is_wanted else 0

    def _weightings(self, names: Sequence[str], rng: random.Random) -> Iterator[Mapping[str, float]]:
        if self.weights is not None:
            yield {name: getattr(self.weights, name) for name in names}
            return
        yield dict.fromkeys(names, 1 / len(names))
        for _ in range(self.sets - 1):
            # Exponential numbers over their sum are uniform on the simplex.
            drawn = [-math.log(1 - rng.random()) for _ in names]
            yield {name: one / sum(drawn) for name, one in zip(names, drawn, strict=True)}

    # signals

    def _measured(self, supply: Supply, shots: Sequence[Shot]) -> dict[str, list[float]]:
        """z-scores of each signal that was wanted and could be had, by its name."""
        wanted = [name for name in NAMES if self.weights is None or getattr(self.weights, name)]
        shares = sum(SHARES.get(name, 0.0) for name in wanted)
        found: dict[str, list[float]] = {}
        for name in wanted:
            share = CHOOSING * SHARES.get(name, 0.0) / shares if name in SHARES else 0.0
            values = self._signal(name, supply, shots, share)
            if isinstance(values, str):
                supply.bench.log("signal left out", predictor=supply.predictor, signal=name, reason=values)
            else:
                found[name] = z_scores(values)
        return found

    def _signal(self, name: str, supply: Supply, shots: Sequence[Shot], share: float) -> Sequence[float | None] | str:
        """A signal, the higher the better, for every shot; or why it is left out."""
        money = int(share * supply.money)
        if name == "influence":
            return self._influence(supply, shots, share, money)
        if name == "information":
            return self._information(supply, shots, share, money)
        if name == "fluency":
            return self._fluency(supply, shots, money)
        if name == "doubt":
            samples = min(SAMPLES, money // len(shots))
            return entropies(supply, shots, samples) if samples >= LEAST_SAMPLES else _too_dear(money)
        if name == "nearness":
            return nearness(supply, shots)
        return [-length for length in lengths(supply, shots)]

    def _influence(
        self, supply: Supply, shots: Sequence[Shot], share: float, money: int
    ) -> Sequence[float | None] | str:
        sizes = sizes_of(len(shots), supply.k, len(supply.bench.dev), money, Influence())
        if sizes is None:
            return _too_dear(money)
        rows = draw(supply.bench.dev, sizes.rows, supply.bench.rng(f"rows for influences on {supply.predictor}"))
        runs = random_runs(supply, shots[: sizes.shots], sizes.runs, rows, purse_of(supply, share), "Composite")
        found = [None if one is None else one.value for one in differences(runs, sizes.shots)]
        return [*found, *[None] * (len(shots) - sizes.shots)]

    def _information(
        self, supply: Supply, shots: Sequence[Shot], share: float, money: int
    ) -> Sequence[float | None] | str:
        if money < LEAST_ROWS * (len(shots) + 1):
            return _too_dear(money)
        rng = supply.bench.rng(f"rows for one-shot information of {supply.predictor}")
        rows = shuffled([shot.row for shot in supply.shots], rng)[:MOST_ROWS]
        by = source_of_gains(supply, self.by, rows)
        price = 1 if by == "flips" else len(labels_of(supply, "Composite"))
        count = min(MOST_ROWS, money // (price * (len(shots) + 1)))
        if count < LEAST_ROWS:
            by, count = "flips", min(MOST_ROWS, money // (len(shots) + 1))
        found = gains(supply, shots, rows[:count], by, purse_of(supply, share))
        return [*map(information, found), *[None] * (len(shots) - len(found))]

    def _fluency(self, supply: Supply, shots: Sequence[Shot], money: int) -> Sequence[float | None] | str:
        if money < len(shots):
            return _too_dear(money)
        try:
            found = surprises(supply, [shown_text(supply, shot) for shot in shots])
        except NoLogprobs as error:
            return str(error)
        return [None if value is None else -value for value in found]


def _chosen(
    supply: Supply, shots: Sequence[Shot], measured: Mapping[str, Sequence[float]], weights: Mapping[str, float]
) -> Chosen:
    terms = {
        shot: {name: weights[name] * values[place] for name, values in measured.items()}
        for place, shot in enumerate(shots)
    }
    worth = {shot: round(math.fsum(parts.values()), 9) for shot, parts in terms.items()}
    chosen = supply.balanced(sorted(shots, key=lambda shot: (-worth[shot], shot.row.digest)))
    return Chosen(tuple(chosen), tuple(_said(worth[shot], terms[shot]) for shot in chosen))


def _said(worth: float, parts: Mapping[str, float]) -> str:
    largest = sorted(parts, key=lambda name: (-abs(parts[name]), name))
    return f"in all {worth:+.2f}: " + ", ".join(f"{name} {parts[name]:+.2f}" for name in largest)


def _too_dear(money: int) -> str:
    return f"its share of the money is {money} executions, which is too few"
