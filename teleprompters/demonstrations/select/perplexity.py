"""Perplexity: the demonstrations, or the sets, whose text the LM finds most familiar."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from ....signatures.errors import NoLogprobs
from ...draws import shuffled
from ..base import Chosen, Selector, Shot, Signal, Supply
from .random_sets import Random
from .signals import CHOOSING, at_random, everything, nothing_to_choose, shown_text, surprises


@dataclass(frozen=True)
class Perplexity(Selector):
    """Takes what reads most fluently: ppl(t) = exp(-(1 / tokens) sum of log p(token | the tokens before it)).

    of: "shots": the perplexity of each demonstration, inputs and outputs; the k lowest, within the classes' shares.
        "prompts": of random sets the one whose whole prompt, with an input of the pool, has the lowest mean ppl.
    sets, inputs: with of="prompts", sets that are compared and inputs that each is filled with, no label shown: those
        that stand in no set first; one that stands in a set is left out for that set.
    matched: takes out what length alone does (log ppl is regressed on log characters), since short texts read worse.
    surrogate: a function from a text to its perplexity under another model, where the task LM tells none; what is
        familiar to one model is only likely to be so to another, so the ranking alone counts. Costs no call.

    Costs a call a shot, or sets x inputs; where the money does not reach, fewer shots or sets, drawn at random. Without
    log-probabilities and surrogate it raises NoLogprobs. Fluent but pointless demonstrations win here: in Nguyen and
    Wong 2023 low perplexity ranked below random, so have `Random(sets=...)` beside it.
    Raises ValueError on sizes below 1 and an unknown `of`.
    Source: Gonen et al. 2022, arXiv 2212.04037 (SPELL), sections 3 and 5; applied to demonstrations.
    """

    signals: ClassVar[tuple[Signal, ...]] = ("prompt log-probabilities",)

    of: Literal["shots", "prompts"] = "shots"
    sets: int = 20
    inputs: int = 8
    matched: bool = False
    surrogate: Callable[[str], float] | None = None

    def __post_init__(self) -> None:
        if self.of not in ("shots", "prompts"):
            raise ValueError(f"Perplexity(of={self.of!r}): known are 'shots' and 'prompts'.")
        for name in ("sets", "inputs"):
            if getattr(self, name) < 1:
                raise ValueError(f"Perplexity({name}={getattr(self, name)}) must be at least 1.")

    def select(self, supply: Supply) -> Iterator[Chosen]:
        if supply.shots:
            yield from self._by_shots(supply) if self.of == "shots" else self._by_prompts(supply)

    def cost(self, shots: int, k: int, dev: int) -> int:
        if self.surrogate is not None:
            return 0
        return shots if self.of == "shots" else self.sets * min(self.inputs, shots)

    def _by_shots(self, supply: Supply) -> Iterator[Chosen]:
        rng = supply.bench.rng(f"demonstrations of {supply.predictor} to measure the perplexity of")
        shots = supply.balanced(shuffled(supply.shots, rng), self._affordable(supply, len(supply.shots)))
        if len(shots) < supply.k:
            yield from at_random(supply, "Perplexity", supply.k)
            return
        texts = [shown_text(supply, shot) for shot in shots]
        measured = dict(zip(shots, self._logarithms(supply, texts), strict=True))
        ranked = sorted(shots, key=lambda shot: (measured[shot], shot.row.digest))
        said = "perplexity" + (", for its length," if self.matched else "")
        chosen = supply.balanced(ranked)
        yield Chosen(tuple(chosen), tuple(f"{said} {_exp(measured[shot]):.3g}" for shot in chosen))

    def _by_prompts(self, supply: Supply) -> Iterator[Chosen]:
        if nothing_to_choose(supply):
            yield from everything(supply)
            return
        rng = supply.bench.rng(f"inputs for perplexities of {supply.predictor}")
        count = min(self.inputs, len(supply.shots))
        sets = min(self.sets, self._affordable(supply, self.sets * count) // count)
        if not sets:
            yield from at_random(supply, "Perplexity", count)
            return
        drawn = list(Random(sets).select(supply))
        shown = {shot.row for chosen in drawn for shot in chosen.shots}
        inputs = sorted(shuffled(supply.shots, rng), key=lambda shot: shot.row in shown)[:count]
        asked = [
            (number, _prompt_text(supply, chosen, shot))
            for number, chosen in enumerate(drawn)
            for shot in inputs
            if shot.row not in {one.row for one in chosen.shots}
        ]
        perplexities: list[list[float]] = [[] for _ in drawn]
        logarithms = self._logarithms(supply, [text for _, text in asked])
        for (number, _), one in zip(asked, logarithms, strict=True):
            perplexities[number].append(_exp(one))
        means = [math.fsum(found) / len(found) if found else math.inf for found in perplexities]
        for number in sorted(range(len(drawn)), key=lambda number: (means[number], number)):
            yield Chosen.of(drawn[number].shots, f"in a prompt of perplexity {means[number]:.3g}")

    def _affordable(self, supply: Supply, wanted: int) -> int:
        return wanted if self.surrogate is not None else min(wanted, int(CHOOSING * supply.money))

    def _logarithms(self, supply: Supply, texts: Sequence[str]) -> list[float]:
        """log ppl of each text, infinite where it cannot be told; with `matched` what of it is not due to length."""
        try:
            found = surprises(supply, texts) if self.surrogate is None else [self._by_surrogate(t) for t in texts]
        except NoLogprobs as error:
            raise NoLogprobs(
                f"{error} Perplexity chooses by nothing else: give it Perplexity(surrogate=...), a function from a "
                "text to its perplexity under a small local model, or choose by Influence, Uncertainty or Random."
            ) from error
        if all(value is None for value in found):
            supply.bench.log("no perplexity could be told", predictor=supply.predictor, texts=len(texts))
        values = [math.inf if value is None else value for value in found]
        return _without_length(values, [len(text) for text in texts]) if self.matched else values

    def _by_surrogate(self, text: str) -> float | None:
        assert self.surrogate is not None
        perplexity = float(self.surrogate(text))
        return math.log(perplexity) if 0 < perplexity < math.inf else None


def _prompt_text(supply: Supply, chosen: Chosen, query: Shot) -> str:
    prompt = supply.shown(chosen).prompt(supply.predictor)
    inputs = {
        field.name: query.demo.values[field.name] for field in prompt.schema.inputs if field.name in query.demo.values
    }
    return "\n".join(message["content"] for message in prompt.template.render(inputs))


def _without_length(values: Sequence[float], lengths: Sequence[int]) -> list[float]:
    """Residuals of the values from a straight line in log length."""
    known = [(math.log(max(1, n)), value) for value, n in zip(values, lengths, strict=True) if value < math.inf]
    if not known:
        return list(values)
    x = math.fsum(one for one, _ in known) / len(known)
    y = math.fsum(one for _, one in known) / len(known)
    spread = math.fsum((one - x) ** 2 for one, _ in known)
    slope = math.fsum((a - x) * (b - y) for a, b in known) / spread if spread else 0.0
    return [v - y - slope * (math.log(max(1, n)) - x) for v, n in zip(values, lengths, strict=True)]


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf
