"""MutualInformation: of some random sets those under which answers differ between inputs and each is sure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ....signatures.canonical import JSON
from ....signatures.example import Example
from ...draws import shuffled
from ...label_signals import SAMPLES, Source, distributions, mutual_information
from ...label_signals import cost as cost_of_distributions
from ..base import FEW_LABELS, Chosen, Selector, Signal, Supply
from .random_sets import Random
from .signals import CHOOSING, at_random, everything, nothing_to_choose, program_labels, purse_of, without_classes

LEAST_INPUTS = 8  # with fewer, mutual information is mostly chance


@dataclass(frozen=True)
class MutualInformation(Selector):
    """Ranks random sets by MI(C) = H(mean over inputs of p(y | C, x)) - mean over inputs of H(p(y | C, x)).

    No label is looked at but for which labels there are: the inputs are rows of the pool, those that stand in no set
    first; one that stands in a set is left out for that set.

    sets: random sets that are compared, fewer where the money does not reach. inputs: that each is asked about.
    source: where p comes from, as in `label_signals.distributions`; all sets by the same. samples: an input, where they
        are counted; None: 10, or 4 a label, for fewer hide what entropies differ by.
    balanced: sets with an equal share for each class.

    Costs sets x inputs x (labels or samples). Needs classes: on free text, and where every row has the same label, sets
    are drawn at random, and the log says so. Raises NoLogprobs with source "logprobs" only, ValueError on sizes below 1
    and an unknown source.
    Source: Sorensen et al. 2022, arXiv 2203.11364, who rank templates; sets are to prompts what templates are.
    """

    signals: ClassVar[tuple[Signal, ...]] = ("label probabilities",)

    sets: int = 20
    inputs: int = 64
    source: Source = "auto"
    samples: int | None = None
    balanced: bool = True

    def __post_init__(self) -> None:
        for name in ("sets", "inputs", "samples"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"MutualInformation({name}={value}) must be at least 1.")
        if self.source not in ("auto", "logprobs", "samples"):
            raise ValueError(f"MutualInformation(source={self.source!r}): known are 'auto', 'logprobs' and 'samples'.")

    def select(self, supply: Supply) -> Iterator[Chosen]:
        if nothing_to_choose(supply):
            yield from everything(supply)
            return
        labels = program_labels(supply)
        if len(labels) < 2:
            yield from without_classes(supply, "MutualInformation")
            return
        samples = self._samples(len(labels))
        price = cost_of_distributions(1, len(labels), samples).most
        pairs = int(CHOOSING * supply.money) // price
        inputs = min(self.inputs, len(_rows(supply)), max(LEAST_INPUTS, pairs // self.sets))
        sets = min(self.sets, pairs // inputs)
        if sets < 2:
            yield from at_random(supply, "MutualInformation", 2 * LEAST_INPUTS * price)
            return
        drawn = list(Random(sets, self.balanced).select(supply))
        rows = self._inputs(supply, drawn, inputs)
        found = self._informations(supply, drawn, rows, labels, samples, price)
        for bits, number in sorted(((bits, -number) for number, bits in enumerate(found)), reverse=True):
            yield Chosen.of(drawn[-number].shots, f"in a set of mutual information {bits:.3f} nats")

    def cost(self, shots: int, k: int, dev: int) -> int:
        return self.sets * min(self.inputs, shots) * max(FEW_LABELS, self._samples(FEW_LABELS))

    def _samples(self, labels: int) -> int:
        return max(SAMPLES, 4 * labels) if self.samples is None else self.samples

    def _inputs(self, supply: Supply, drawn: Sequence[Chosen], count: int) -> list[Example]:
        shown = {shot.row for chosen in drawn for shot in chosen.shots}
        rows = shuffled(_rows(supply), supply.bench.rng(f"inputs for mutual information of {supply.predictor}"))
        return sorted(rows, key=lambda row: row in shown)[:count]

    def _informations(
        self,
        supply: Supply,
        drawn: Sequence[Chosen],
        rows: Sequence[Example],
        labels: Sequence[dict[str, JSON]],
        samples: int,
        price: int,
    ) -> list[float]:
        """The mutual information of each set; of fewer sets when the money ends."""
        purse, source = purse_of(supply), self.source
        found: list[float] = []
        for chosen in drawn:
            if found and purse.left < len(rows) * price:
                break
            others = [row for row in rows if row not in {shot.row for shot in chosen.shots}]
            told = distributions(supply.bench, supply.shown(chosen), others, labels, source, n=samples)
            source = told.source  # sets are compared by one source alone
            found.append(mutual_information(told))
        return found


def _rows(supply: Supply) -> tuple[Example, ...]:
    return supply.rows or tuple(dict.fromkeys(shot.row for shot in supply.shots))
