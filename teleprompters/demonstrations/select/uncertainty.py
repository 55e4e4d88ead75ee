"""Uncertainty: the rows that the program itself is least sure of, by what it answers when it is asked several times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from ...draws import shuffled
from ..base import Chosen, Selector, Signal, Supply
from .signals import CHOOSING, at_random, entropy_of_answers, everything, nothing_to_choose, sampled_answers

LEAST_SAMPLES = 3  # with two there is agreement or none


@dataclass(frozen=True)
class Uncertainty(Selector):
    """Shows the rows on which samples of the bare program at temperature 1 disagree most: there labels teach something.

    by: "disagreement": u = different answers / samples. "entropy": H of the answers' frequencies, with the correction
        for their number. The other one breaks ties, which are common, and then chance does.
    samples: of each row, fewer (at least 3) and then fewer rows, drawn at random, where the money does not reach.
    balanced: an equal share for each class, else one that the program finds hard could be all that is shown.

    Answers are what the program gives for the columns that rows have labels of: free text before them does not count.
    Rows where fewer than half of the samples could be read come last. Yields the set by `by`, then that by the other
    measure. Costs rows x samples executions. Raises ValueError on samples below 2 and an unknown measure.
    Source: Diao et al. 2023, arXiv 2302.12246 (active prompting), section 2.2, where people then write the answers.
    """

    signals: ClassVar[tuple[Signal, ...]] = ("executions",)

    by: Literal["disagreement", "entropy"] = "disagreement"
    samples: int = 10
    balanced: bool = True

    def __post_init__(self) -> None:
        if self.by not in ("disagreement", "entropy"):
            raise ValueError(f"Uncertainty(by={self.by!r}): known are 'disagreement' and 'entropy'.")
        if self.samples < 2:
            raise ValueError(f"Uncertainty(samples={self.samples}) sees no disagreement. Give at least 2.")

    def select(self, supply: Supply) -> Iterator[Chosen]:
        if nothing_to_choose(supply):
            yield from everything(supply)
            return
        money, fewest = int(CHOOSING * supply.money), min(self.samples, LEAST_SAMPLES)
        samples = max(fewest, min(self.samples, money // len(supply.shots)))
        # Shuffled, so that what nothing else decides is decided by chance.
        order = shuffled(supply.shots, supply.bench.rng(f"rows to be unsure of, for {supply.predictor}"))
        shots = order[: money // samples]
        if len(shots) <= supply.k:
            yield from at_random(supply, "Uncertainty", (supply.k + 1) * fewest)
            return
        answers = sampled_answers(supply, [shot.row for shot in shots], samples)
        doubts = {shot: _doubts(said, samples) for shot, said in zip(shots, answers, strict=True)}
        first = 0 if self.by == "disagreement" else 1
        for measure in (first, 1 - first):
            ranked = sorted(shots, key=lambda shot: (doubts[shot][measure], doubts[shot][1 - measure]), reverse=True)
            chosen = supply.balanced(ranked) if self.balanced else ranked[: supply.k]
            yield Chosen(
                tuple(chosen),
                tuple(f"disagreement {doubts[shot][0]:.2f}, entropy {doubts[shot][1]:.2f} nats" for shot in chosen),
            )

    def cost(self, shots: int, k: int, dev: int) -> int:
        return shots * self.samples


def _doubts(answers: Sequence[str], samples: int) -> tuple[float, float]:
    entropy = entropy_of_answers(answers, samples)
    return (0.0, 0.0) if entropy is None else (len(set(answers)) / samples, entropy)
