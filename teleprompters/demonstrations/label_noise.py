"""LabelNoise: how much it matters that the labels of demonstrations are right."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...signatures.candidate import Candidate
from ..base import Forecast, Origin, Round, Score, Sizes, Teleprompter, Workbench
from ..instruction_search import round_of
from ..wording import counted, of_predictors
from .base import Selector, Shot, Supply
from .knobs import LABEL_SOURCES, LabelSource, labelled_from, partly_right
from .select.random_sets import Random
from .supply import supply_of


@dataclass(frozen=True)
class MappingUse:
    """Mean scores on dev of equal demonstration sets, with their own labels and with others, a pair for each seed."""

    gold: tuple[float, ...]
    other: tuple[float, ...]

    @property
    def delta(self) -> float:
        """How much the right labels bring, in score units. Small: spend on inputs, format and instruction. Large: on
        the labels."""
        return sum(self.differences) / max(1, len(self.gold))

    @property
    def differences(self) -> tuple[float, ...]:
        return tuple(gold - other for gold, other in zip(self.gold, self.other, strict=True))

    @property
    def standard_error(self) -> float | None:
        """Of delta, over the seeds; None with fewer than 2."""
        n = len(self.gold)
        if n < 2:
            return None
        return math.sqrt(sum((one - self.delta) ** 2 for one in self.differences) / (n - 1) / n)


def mapping_use_probe(
    supply: Supply, seeds: int = 5, source: LabelSource = "uniform", select: Selector | None = None
) -> MappingUse:
    """Accuracy with right labels minus accuracy with random ones, on all of dev, over `seeds` demonstration sets.

    supply: of a predictor whose answers are classes. select: gives the sets; by default they are random and balanced.
    Call it where a bench is at hand: `mapping_use_probe(supply_of(bench, bench.student, "self", k=8, money=0))`; from
    outside, `compile(..., teleprompter=LabelNoise())` calls it. Cost: 2 * seeds * rows of dev executions; every set is
    recorded. Fewer pairs where the selector has fewer sets. Raises ValueError where there are no classes.
    Source: Min et al. 2022, arXiv 2202.12837, section 4.
    """
    gold, other = [], []
    for number, chosen in zip(range(seeds), (select or Random(sets=seeds)).select(supply), strict=False):
        rng = supply.bench.rng(f"labels of set {number} of {supply.predictor}")
        noisy = labelled_from(supply, chosen.shots, source, rng)
        gold.append(_scored(supply, chosen.shots, "gold", number).mean)
        other.append(_scored(supply, noisy, source, number).mean)
    return MappingUse(tuple(gold), tuple(other))


@dataclass(frozen=True)
class LabelNoise(Teleprompter):
    """An experiment: the same demonstrations with right labels, with labels of other sources, and partly wrong ones.

    For each predictor whose answers are classes, `seeds` random sets of k are scored on all of dev, each with its own
    labels, with those of every one of `sources`, and with each of `shares` of its labels right. Means and differences
    are written to label_noise.json in the run folder. Every set is recorded, also one with wrong labels: what the
    compile gives back is the best on dev, as ever, so look at the table rather than at the program.

    sources: of "uniform", "prior" and "silver". k, seeds: as in `mapping_use_probe`, whose pairs are among these.
    A predictor whose answers are no classes is passed over, and the log says so. Raises ValueError on sizes below 1,
    shares outside 0 to 1 and an unknown source.
    Source: Min et al. 2022, arXiv 2202.12837, sections 4 and 5; 5 seeds and 16 demonstrations there.
    """

    k: int = 8
    seeds: int = 5
    sources: tuple[LabelSource, ...] = ("uniform",)
    shares: tuple[float, ...] = (0.5, 0.0)

    def __post_init__(self) -> None:
        if self.k < 1 or self.seeds < 1:
            raise ValueError(f"LabelNoise(k={self.k}, seeds={self.seeds}): both are at least 1.")
        if unknown := set(self.sources) - set(LABEL_SOURCES):
            raise ValueError(f"LabelNoise(sources={self.sources}): {unknown} is not among {LABEL_SOURCES}.")
        if not all(0 <= share <= 1 for share in self.shares):
            raise ValueError(f"LabelNoise(shares={self.shares}): each is from 0 to 1.")

    def search(self, bench: Workbench) -> Iterator[Round]:
        bench.score([bench.student])
        table: dict[str, dict[str, list[float]]] = {}
        for predictor in bench.student.predictors:
            supply = supply_of(bench, bench.student, predictor, k=self.k, money=bench.remaining.expected)
            if len(supply.classes) < 2:
                bench.log("no label noise: the answers are no classes", predictor=predictor)
                yield round_of(bench, f"{predictor}: no classes")
                continue
            means = table.setdefault(predictor, {})
            for number, chosen in enumerate(Random(sets=self.seeds).select(supply)):
                proposed = []
                for name, shots in self._variants(supply, chosen.shots, number):
                    score = _scored(supply, shots, name, number)
                    means.setdefault(name, []).append(score.mean)
                    proposed.append(score.candidate)
                bench.keep("label_noise", {path: _described(found) for path, found in table.items()})
                yield round_of(bench, f"{predictor}: set {number + 1}", proposed)

    @property
    def embeds_queries(self) -> bool:
        return False

    def forecast(self, sizes: Sizes) -> Forecast:
        variants = 1 + len(self.sources) + len(self.shares)
        silver = self.k * self.seeds if "silver" in self.sources else 0
        executions = sizes.predictors * (self.seeds * variants * sizes.dev + silver) + sizes.dev
        return Forecast(
            asks=0,
            executions=min(sizes.executions, executions),
            summary=f"LabelNoise: {counted(self.seeds, 'set')} of {counted(self.k, 'demonstration')} with {variants} "
            f"kinds of labels, each scored on {counted(sizes.dev, 'row')} of dev, for "
            f"{of_predictors(sizes.predictors)}. An experiment.",
        )

    def _variants(self, supply: Supply, shots: Sequence[Shot], number: int) -> Iterator[tuple[str, Sequence[Shot]]]:
        yield "gold", shots
        for source in self.sources:
            rng = supply.bench.rng(f"labels of set {number} of {supply.predictor}")
            yield source, labelled_from(supply, shots, source, rng)
        for share in self.shares:
            rng = supply.bench.rng(f"share {share} of labels of set {number} of {supply.predictor}")
            yield f"{share:.0%} right", partly_right(shots, supply.labels(), share, rng)


def _scored(supply: Supply, shots: Sequence[Shot], labels: str, number: int) -> Score:
    detail = {"predictor": supply.predictor, "labels": labels, "set": number, "rows": [s.row.digest for s in shots]}
    candidate: Candidate = supply.showing(shots)
    origin = Origin("LabelNoise", "demonstrations", detail)
    return supply.bench.score([candidate], origin=origin, parents=[supply.candidate])[0]


def _described(means: dict[str, list[float]]) -> dict[str, object]:
    return {
        name: {
            "means": values,
            "delta": (use := MappingUse(tuple(means["gold"][: len(values)]), tuple(values))).delta,
            "standard_error": use.standard_error,
        }
        for name, values in means.items()
    }
