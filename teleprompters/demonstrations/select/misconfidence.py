"""Misconfidence: the rows that the LM gets wrong most confidently take the place of half of a random set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ....signatures.canonical import JSON
from ....signatures.example import Example
from ...draws import shuffled
from ...label_signals import SAMPLES, Source, as_outputs, distributions, misconfidence, place_of
from ...label_signals import cost as cost_of_distributions
from ..base import FEW_LABELS, Chosen, Selector, Shot, Signal, Supply
from .signals import CHOOSING, at_random, everything, nothing_to_choose, program_labels, purse_of, without_classes


@dataclass(frozen=True)
class Misconfidence(Selector):
    """In-Context Reflection: one round from a random set P0 to P1, which shows what P0 leaves misunderstood.

    1. P0: k random shots, labels as the pool mixes them.
    2. psi(x, y*) = max over y != y* of p(y | x, P0) / p(y* | x, P0) for shots that are not in P0; above 1: wrong.
    3. P1: the `replaced` highest in front, then P0 without its first ones.
    Yields P1 and then P0: what is better on dev stays.

    replaced: how many; None: half of k. With fewer wrong answers than that, fewer are replaced.
    pool: shots that are looked at, drawn at random; fewer where the money does not reach.
    screened: P0 answers every shot once, and psi is measured where it was wrong, which is where it can be above 1.
    cap: of one class among the new ones, at most; None: an equal share and one more. A high psi is also the mark of
        errors that all concern one class, or of wrong labels.
    source, samples: where p comes from, as in `label_signals.distributions`.
    suspect: from this psi on the log names the row as one whose label looks wrong; it is shown all the same.

    Costs an execution a shot, and samples (or a call a label) for each wrong one. Needs classes: on free text, and
    on one class alone, sets are drawn at random, and the log says so.
    Raises ValueError on sizes below 1, an unknown source, suspect not above 1.
    Source: Xu and Zhang 2024, arXiv 2401.06301, section 3: m = 16, n = 8, one round, 500 rows. Differs on purpose: the
    screen, the cap, and the return to P0.
    """

    signals: ClassVar[tuple[Signal, ...]] = ("label probabilities", "executions")

    replaced: int | None = None
    pool: int = 500
    screened: bool = True
    cap: int | None = None
    source: Source = "auto"
    samples: int = SAMPLES
    suspect: float = 9.0

    def __post_init__(self) -> None:
        for name in ("replaced", "pool", "cap", "samples"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"Misconfidence({name}={value}) must be at least 1.")
        if self.source not in ("auto", "logprobs", "samples"):
            raise ValueError(f"Misconfidence(source={self.source!r}): known are 'auto', 'logprobs' and 'samples'.")
        if not self.suspect > 1:
            raise ValueError(f"Misconfidence(suspect={self.suspect}) suspects right answers. Give more than 1.")

    def select(self, supply: Supply) -> Iterator[Chosen]:
        if nothing_to_choose(supply):
            yield from everything(supply)
            return
        labels = program_labels(supply)
        if len(labels) < 2:
            yield from without_classes(supply, "Misconfidence")
            return
        order = shuffled(supply.shots, supply.bench.rng(f"start of misconfidence for {supply.predictor}"))
        start, others = order[: supply.k], order[supply.k :]
        replaced = min(supply.k, self.replaced or max(1, supply.k // 2))
        price = cost_of_distributions(1, len(labels), self.samples).most
        money = int(CHOOSING * supply.money)
        # Half for the screen, half for what it finds: a third of all answers may be wrong, or more.
        looked_at = others[: min(self.pool, money // 2 if self.screened else money // price)]
        if not looked_at or money < price:
            yield from at_random(supply, "Misconfidence", 2 * price)
            return
        psi = self._misconfidences(supply, start, looked_at, labels, price)
        self._flag(supply, psi)
        new = self._capped(supply, psi, replaced, len(labels))
        kept = start[len(new) :]
        if new:
            yield Chosen(
                (*new, *kept),
                (*(f"misconfidence {psi[shot]:.3g}" for shot in new), *("drawn at random" for _ in kept)),
            )
        yield Chosen.of(start, "drawn at random")

    def cost(self, shots: int, k: int, dev: int) -> int:
        looked_at = min(self.pool, max(0, shots - k))
        return looked_at * (self.screened + cost_of_distributions(1, FEW_LABELS, self.samples).most)

    def _misconfidences(
        self,
        supply: Supply,
        start: Sequence[Shot],
        shots: Sequence[Shot],
        labels: Sequence[dict[str, JSON]],
        price: int,
    ) -> dict[Shot, float]:
        """psi of the shots for which it could be told, the highest first."""
        candidate, purse = supply.showing(start), purse_of(supply)
        if self.screened:
            shots = self._wrong(supply, start, shots, labels)
        shots = shots[: max(0, purse.left // price)]
        rows = [shot.row for shot in shots]
        told = distributions(supply.bench, candidate, rows, labels, self.source, n=self.samples)
        found = zip(shots, misconfidence(told, candidate, rows, labels), strict=True)
        known = {shot: value for shot, value in found if value is not None}
        return dict(sorted(known.items(), key=lambda one: (-one[1], one[0].row.digest)))

    def _wrong(
        self, supply: Supply, start: Sequence[Shot], shots: Sequence[Shot], labels: Sequence[dict[str, JSON]]
    ) -> list[Shot]:
        """Shots on which the program, with the start shown, gives another label than their own."""
        candidate = supply.showing(start)
        answers = as_outputs(candidate, labels)
        outcomes = supply.bench.predict(candidate, [shot.row for shot in shots])
        wrong = []
        for shot, outcome in zip(shots, outcomes, strict=True):
            said = None if outcome.failure else place_of(Example.of(outcome.outputs, ()), answers)
            if said is not None and said != place_of(shot.row, answers):
                wrong.append(shot)
        return wrong

    def _flag(self, supply: Supply, psi: dict[Shot, float]) -> None:
        for shot, value in psi.items():
            if value >= self.suspect:
                supply.bench.log(
                    "label looks wrong, or the row is hard",
                    predictor=supply.predictor,
                    row=shot.row.digest,
                    place=shot.row.place,
                    label=supply.answer(shot),
                    misconfidence=f"{value:.3g}",
                )

    def _capped(self, supply: Supply, psi: dict[Shot, float], most: int, labels: int) -> list[Shot]:
        cap = -(-most // labels) + 1 if self.cap is None else self.cap
        taken: list[Shot] = []
        counts: Counter[str] = Counter()
        for shot in psi:
            if len(taken) < most and counts[supply.answer(shot)] < cap:
                taken.append(shot)
                counts[supply.answer(shot)] += 1
        return taken
