"""How hard a shot is: by solving it, by how likely its answer is, by its length, or in the optimizer LM's judgement."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar

from ...signatures.canonical import JSON
from ...signatures.errors import NoLogprobs
from ...signatures.schema import Field
from ..draws import shuffled
from ..induction import written
from ..label_signals import sampled
from ..metaprompts import MetaPrompt, load, own
from ..replies import passages
from .base import Shot, Signal, Supply

_RATING = re.compile(r"(?:^|\n)\W*(\d+)[*_\s]*[:.)=-]+[*_\s]*(\d+(?:\.\d+)?)")


class Difficulty(ABC):
    """A way to measure how hard shots are. Implementations are frozen dataclasses: their fields are their settings.

    signals: what it needs beside the shots. reply_tokens: that one call to the optimizer LM may bring, 0 without any.
    """

    signals: ClassVar[tuple[Signal, ...]] = ()

    @abstractmethod
    def measure(self, supply: Supply, shots: Sequence[Shot]) -> list[float]:
        """A number for each shot, higher is harder; to be compared with those of the same call alone.

        Spends at most about `supply.money`: with less than it takes it measures more coarsely, with too little for that
        by length, and the log says so.
        """

    @abstractmethod
    def cost(self, shots: int) -> int:
        """Executions and calls that so many shots take at most."""

    def asks(self, shots: int) -> int:
        """How many of them, at most, are calls to the optimizer LM."""
        return 0

    @property
    def reply_tokens(self) -> int:
        return 0


@dataclass(frozen=True)
class Length(Difficulty):
    """Characters of the inputs. Costs nothing.

    outputs: counts those of the outputs too, where they show the work.
    """

    outputs: bool = False

    def measure(self, supply: Supply, shots: Sequence[Shot]) -> list[float]:
        return [float(self._of(supply, shot)) for shot in shots]

    def cost(self, shots: int) -> int:
        return 0

    def _of(self, supply: Supply, shot: Shot) -> int:
        return len(written(supply.schema, shot.demo.values) if self.outputs else supply.question(shot))


@dataclass(frozen=True)
class SuccessRate(Difficulty):
    """1 - the share of right answers, of `samples` at temperature 1 with nothing shown. Needs nothing but replies.

    The whole program is run on the shot's row. A graded metric counts by its mean: 1 - the mean score.
    Raises ValueError on samples below 1.
    Source: ours; what the label's perplexity stands for in Liu et al. 2024, arXiv 2402.10738, measured without it.
    """

    samples: int = 5

    signals: ClassVar[tuple[Signal, ...]] = ("executions",)

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"SuccessRate(samples={self.samples}) measures nothing. Give at least 1.")

    def measure(self, supply: Supply, shots: Sequence[Shot]) -> list[float]:
        samples = min(self.samples, supply.money // max(1, len(shots)))
        if samples < 1:
            return _by_length(supply, shots)
        rows = [shot.row for shot in shots]
        drawn = [supply.bench.predict(sampled(supply.candidate, number), rows) for number in range(samples)]
        return [1 - sum(outcome.score for outcome in outcomes) / samples for outcomes in zip(*drawn, strict=True)]

    def cost(self, shots: int) -> int:
        return self.samples * shots


@dataclass(frozen=True)
class LabelLogProbability(Difficulty):
    """The perplexity of the answer after instruction and input: exp of minus its mean log-probability a token.

    One call a shot. The answer is the reply as the format writes it. Infinite where the prompt overflows the context.
    otherwise: what measures instead where the LM tells no log-probabilities or a shot has no answer; the log says so.
    Source: Liu et al. 2024, arXiv 2402.10738; per token, as in the released code.
    """

    otherwise: Difficulty = SuccessRate()

    signals: ClassVar[tuple[Signal, ...]] = ("prompt log-probabilities",)

    def measure(self, supply: Supply, shots: Sequence[Shot]) -> list[float]:
        if supply.money < len(shots):
            return _by_length(supply, shots)
        prompt, schema = supply.candidate.prompt(supply.predictor), supply.schema
        needed = [
            field.name for field in (*schema.inputs, *schema.outputs) if field.required or field in schema.outputs
        ]
        if any(shot.demo.values.get(name) is None for shot in shots for name in needed):
            return self._otherwise(supply, shots, "some shots lack an input or the answer")
        try:
            found = supply.bench.continuation_logprobs(
                [prompt.template.render(_only(shot, schema.inputs)) for shot in shots],
                [prompt.reply(_only(shot, schema.outputs)) for shot in shots],
            )
        except NoLogprobs as error:
            return self._otherwise(supply, shots, str(error))
        return [perplexity(values) for values in found]

    def cost(self, shots: int) -> int:
        return max(shots, self.otherwise.cost(shots))

    def asks(self, shots: int) -> int:
        return self.otherwise.asks(shots)

    @property
    def reply_tokens(self) -> int:
        return self.otherwise.reply_tokens

    def _otherwise(self, supply: Supply, shots: Sequence[Shot], reason: str) -> list[float]:
        supply.bench.log("difficulty measured otherwise", by=type(self.otherwise).__name__, reason=reason)
        return self.otherwise.measure(supply, shots)


@dataclass(frozen=True)
class Judge(Difficulty):
    """The optimizer LM rates shots, inputs and answers, from 1 (easy) to `scale`; the mean of several ratings.

    batch: shots that are rated in one call. repeats: ratings of each shot, every time in another mixture.
    A shot without a rating is asked for once more, then counts as the middle of the scale, which the log counts.
    metaprompt: your own, a text or the name of a file, with {{instruction}}, {{examples}} and {{scale}}.
    Raises ValueError on sizes below 1, a scale below 2, and a meta-prompt without its slots.
    Source: Liu et al. 2024, arXiv 2402.10738, whose first version has LMs rank in place of five people.
    """

    scale: int = 5
    batch: int = 10
    repeats: int = 3
    metaprompt: str | None = None
    temperature: float = 1.0
    max_tokens: int = 512

    signals: ClassVar[tuple[Signal, ...]] = ("optimizer LM",)

    def __post_init__(self) -> None:
        if min(self.batch, self.repeats, self.max_tokens, self.scale - 1) < 1 or self.temperature < 0:
            raise ValueError(f"{self}: sizes are at least 1, the scale at least 2, the temperature at least 0.")
        if self.metaprompt is not None:
            object.__setattr__(self, "metaprompt", own(self.metaprompt, {"instruction", "examples", "scale"}))

    def measure(self, supply: Supply, shots: Sequence[Shot]) -> list[float]:
        repeats = min(self.repeats, supply.money // max(1, math.ceil(len(shots) / self.batch)))
        if repeats < 1:
            return _by_length(supply, shots)
        rng = supply.bench.rng(f"mixtures of demonstrations to judge of {supply.predictor}")
        unrated = [list(range(len(shots))) for _ in range(repeats)]
        ratings: list[list[float]] = [[] for _ in shots]
        for purpose in ("difficulty", "difficulty, once more"):
            batches = [
                (repeat, batch)
                for repeat, places in enumerate(unrated)
                for batch in _batches(shuffled(places, rng), self.batch)
            ]
            replies = self._ask(supply, [[shots[place] for place in batch] for _, batch in batches], purpose)
            for (repeat, batch), reply in zip(batches, replies, strict=True):
                for number, rating in self._read(reply, len(batch)).items():
                    ratings[batch[number - 1]].append(rating)
                    unrated[repeat].remove(batch[number - 1])
        if missing := sum(map(len, unrated)):
            supply.bench.log("difficulty not rated", predictor=supply.predictor, ratings=missing)
        middle = (1 + self.scale) / 2
        return [(sum(given) + middle * (repeats - len(given))) / repeats for given in ratings]

    def cost(self, shots: int) -> int:
        return 2 * self.repeats * math.ceil(shots / self.batch)

    def asks(self, shots: int) -> int:
        return self.cost(shots)

    @property
    def reply_tokens(self) -> int:
        return self.max_tokens

    def _ask(self, supply: Supply, batches: Sequence[Sequence[Shot]], purpose: str) -> list[str]:
        if not batches:
            return []
        metaprompt = MetaPrompt(self.metaprompt) if self.metaprompt else load("difficulty")
        requests = [
            metaprompt.fill(instruction=told(supply), examples=numbered(supply, batch), scale=str(self.scale))
            for batch in batches
        ]
        replies = supply.bench.ask(
            [[{"role": "user", "content": text}] for text in requests],
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            purpose=purpose,
        )
        return [reply for (reply,) in replies]

    def _read(self, reply: str, count: int) -> dict[int, float]:
        """Ratings by the number of the shot, from 1; what is none on the scale is left out."""
        found = _RATING.findall("\n".join(passages(reply, "ratings") or []))
        rated = {int(number): float(rating) for number, rating in found}
        return {n: rating for n, rating in rated.items() if 1 <= n <= count and 1 <= rating <= self.scale}


def perplexity(log_probabilities: Sequence[float]) -> float:
    """exp of minus the mean: 1 for what is certain, infinite for what cannot be."""
    try:
        return math.exp(-sum(log_probabilities) / max(1, len(log_probabilities)))
    except OverflowError:
        return math.inf


def easiest_first(supply: Supply, shots: Sequence[Shot], hardness: Sequence[float]) -> list[int]:
    """The places of the shots, the easiest first. Of equally hard ones the shorter come first, answers taking turns.

    Else an order by difficulty may be one by label, which has an effect of its own.
    """
    hard = [round(value, 9) for value in hardness]
    length = Length().measure(supply, shots)
    ranked = sorted(range(len(shots)), key=lambda place: (hard[place], length[place], shots[place].row.digest))
    ordered: list[int] = []
    answers = [supply.answer(shot) for shot in shots]
    for _, tied in groupby(ranked, key=lambda place: hard[place]):
        ordered += _by_turns(list(tied), answers, answers[ordered[-1]] if ordered else None)
    return ordered


def _by_turns(places: list[int], answers: Sequence[str], last: str | None) -> Iterator[int]:
    """The places so that equal answers stand apart: the answer that most are left of is next, but not twice running."""
    while places:
        left = Counter(answers[place] for place in places)
        following = max(places, key=lambda place: (answers[place] != last, left[answers[place]]))
        places.remove(following)
        last = answers[following]
        yield following


def told(supply: Supply) -> str:
    """The instruction as meta-prompts show it."""
    return supply.candidate.prompt(supply.predictor).instruction.strip() or "(no instruction)"


def numbered(supply: Supply, shots: Sequence[Shot]) -> str:
    """The shots as the optimizer LM sees them, numbered from 1."""
    texts = [written(supply.schema, shot.demo.values) for shot in shots]
    return "\n\n".join(f"Example {number}\n{text}" for number, text in enumerate(texts, start=1))


def _only(shot: Shot, fields: Sequence[Field]) -> dict[str, JSON]:
    return {field.name: shot.demo.values[field.name] for field in fields if field.name in shot.demo.values}


def _batches(places: Sequence[int], size: int) -> list[Sequence[int]]:
    return [places[first : first + size] for first in range(0, len(places), size)]


def _by_length(supply: Supply, shots: Sequence[Shot]) -> list[float]:
    if shots:
        supply.bench.log("difficulty measured otherwise", by="Length", reason="no money for another measure")
    return Length().measure(supply, shots)
