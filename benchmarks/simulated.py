"""Simulated tasks for a search over parts: the worth of every combination is known, and no model is asked."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from statistics import NormalDist
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from burnish.signatures.candidate import Candidate, Part
from burnish.signatures.canonical import JSON
from burnish.signatures.errors import BudgetSpent
from burnish.signatures.example import Example
from burnish.signatures.prompt import Demo, Prompt
from burnish.signatures.schema import Field, Schema
from burnish.teleprompters.base import Forecast, Messages, Origin, Remaining, Round, Score, Sizes, Spend, Teleprompter
from burnish.teleprompters.instruction_search import round_of

FORMATS = ("chat", "plain", "xml")
INSTRUCTIONS, SETS = 12, 12  # in the universe of each predictor, the student's own (number 0) included
STUDENT, BEST = 0.4, 0.85  # true accuracies
SHARED = 0.5  # of what decides about a row, that is the row's difficulty, equal for all candidates
SURFACES = {
    "additive": "each part brings what it brings, whatever stands beside it",
    "format": "in the student's format instructions and demonstrations bring a tenth of what they bring in the others",
    "pairs": "half of what an instruction brings depends on the demonstrations beside it, at random",
}

Choice: TypeAlias = tuple[int, int, int]  # of one predictor: format, instruction and demonstration set by number
Combination: TypeAlias = tuple[Choice, ...]  # of all predictors
SLOTS = ("format", "instruction", "demonstrations")
_SCHEMA = Schema((Field("text"),), (Field("label"),))
_NORMAL = NormalDist()


class World:
    """A universe of parts with effects, and rows. Combinations are worth what their predictors' choices add up to.

    Effects are normal draws, scaled so that the best combination has the accuracy BEST.
    """

    def __init__(self, surface: str, predictors: int, rows: int, seed: int) -> None:
        self.mark = f"{surface} {predictors} {seed}"  # of worlds with more rows, these are the first
        self.paths = tuple(f"step{number}" for number in range(predictors))
        self.dev = tuple(Example.of({"text": f"row {number}", "label": "yes"}, ("text",)) for number in range(rows))
        self.row_of = {row.digest: number for number, row in enumerate(self.dev)}
        self._gains = [self._gains_of(surface, path) for path in self.paths]
        self._scale = (BEST - STUDENT) / sum(max(gains.values()) for gains in self._gains)
        self._hardness = _generator(f"{self.mark} rows").standard_normal(1000)[:rows]
        self._choices: dict[Prompt, Choice] = {}

    @property
    def student(self) -> Candidate:
        return self.candidate(tuple((0, 0, 0) for _ in self.paths))

    def candidate(self, combination: Combination) -> Candidate:
        return Candidate.of({path: Part(_prompt(one)) for path, one in zip(self.paths, combination, strict=True)})

    def combination(self, candidate: Candidate) -> Combination:
        return tuple(_choice(candidate.prompt(path)) for path in self.paths)

    def accuracy(self, combination: Combination) -> float:
        """True: the expectation over all rows that there might be."""
        gain = sum(gains[one] for gains, one in zip(self._gains, combination, strict=True))
        return min(0.98, max(0.02, STUDENT + self._scale * gain))

    def right(self, combination: Combination) -> npt.NDArray[np.bool_]:
        """On which rows of dev it is right."""
        own = _generator(f"{self.mark} {combination}").standard_normal(1000)[: len(self.dev)]
        level = _NORMAL.inv_cdf(self.accuracy(combination))
        right: npt.NDArray[np.bool_] = level + SHARED**0.5 * self._hardness + (1 - SHARED) ** 0.5 * own > 0
        return right

    def _gains_of(self, surface: str, path: str) -> dict[Choice, float]:
        draws = _generator(f"{self.mark} {path}")
        formats, instructions, sets = (draws.standard_normal(n) for n in (len(FORMATS), INSTRUCTIONS, SETS))
        pairs = draws.standard_normal((INSTRUCTIONS, SETS))
        sets = sets + 0.5  # demonstrations mostly help
        formats[0] = instructions[0] = sets[0] = pairs[0, 0] = 0.0
        gains = {}
        for f, i, s in product(range(len(FORMATS)), range(INSTRUCTIONS), range(SETS)):
            shown = instructions[i] + sets[s]
            if surface == "pairs":
                shown = 0.7 * instructions[i] + sets[s] + 0.7 * pairs[i, s]
            if surface == "format":
                shown = 0.1 * shown if f == 0 else shown
            gains[f, i, s] = float(shown + (0.0 if surface == "format" else 0.5 * formats[f]))
        return gains


def _generator(mark: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(mark.encode()).digest()[:8], "big"))


def _prompt(choice: Choice) -> Prompt:
    form, instruction, shown = choice
    demos = (Demo.of({"text": f"set {shown}", "label": "yes"}),) if shown else ()
    return Prompt(_SCHEMA, f"instruction {instruction}", demos, FORMATS[form])


def _choice(prompt: Prompt) -> Choice:
    shown = int(str(prompt.demos[0].values["text"]).split()[1]) if prompt.demos else 0
    return FORMATS.index(prompt.format), int(prompt.instruction.split()[1]), shown


@dataclass
class SimulatedBench:
    """The `Workbench` of a simulated task, in memory. A call is an execution on a row or a request to the optimizer LM.

    picks: (calls, true accuracy) whenever another candidate became the best.
    """

    world: World
    budget: int
    seed: int
    picks: list[tuple[int, float]] = field(default_factory=list)
    kept: dict[str, JSON] = field(default_factory=dict)
    rows_seen: dict[str, set[int]] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    revealed: dict[tuple[str, str], int] = field(default_factory=dict)
    _used: int = 0
    _known: list[tuple[float, int, int, Score]] = field(default_factory=list)
    _values: dict[str, tuple[float, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.student, self.dev = self.world.student, self.world.dev
        self.pool: tuple[Example, ...] = ()
        self.score_range, self.encoder, self.task_lms = (0.0, 1.0), None, ("task",)
        self._everything = frozenset(self.world.row_of)

    @property
    def known(self) -> Sequence[Score]:
        return [score for *_, score in self._known]

    @property
    def remaining(self) -> Remaining:
        left = self.budget - self._used
        return Remaining(left, None, None, left, left)

    @property
    def spent(self) -> Spend:
        return Spend(self._used)

    def ask(
        self, requests: Sequence[Messages], n: int = 1, *, temperature: float = 1.0, max_tokens: int = 512, purpose: str
    ) -> list[list[str]]:
        """A new instruction for the predictor that a request names; "" when all are known."""
        self._pay(len(requests))
        found = [self.reveal(str(messages[0]["content"]), "instruction") for messages in requests]
        return [["" if number is None else f"instruction {number}"] for number in found]

    def reveal(self, path: str, kind: str) -> int | None:
        """The number of one more instruction or demonstration set of a predictor, or None."""
        number = self.revealed.get((path, kind), 0) + 1
        if number == (INSTRUCTIONS if kind == "instruction" else SETS):
            return None
        self.revealed[path, kind] = number
        return number

    def admit(
        self, candidate: Candidate, predictor: str, texts: Sequence[str], *, max_length: int | None = None
    ) -> list[Candidate]:
        return [candidate.with_prompt(predictor, instruction=text) for text in texts if text]

    def score(
        self,
        candidates: Sequence[Candidate],
        examples: Sequence[Example] | None = None,
        *,
        origin: Origin | Sequence[Origin] | None = None,
        parents: Sequence[Candidate] = (),
    ) -> list[Score]:
        rows = self.dev if examples is None else examples
        digests = tuple(row.digest for row in rows)
        numbers = [self.world.row_of[one] for one in digests]
        scores = []
        for candidate in candidates:
            name = candidate.digest
            if name not in self._values:
                right = self.world.right(self.world.combination(candidate)).tolist()
                self._values[name], self.rows_seen[name] = tuple(map(float, right)), set()
            self._pay(len(new := set(numbers) - self.rows_seen[name]))
            self.rows_seen[name] |= new
            values = self._values[name]
            score = Score(candidate, tuple(values[number] for number in numbers), digests)
            scores.append(score)
            if new and len(numbers) == len(self.dev):
                self._record(score, origin)
        return scores

    @property
    def share_dropped(self) -> float:
        """Of all executions, those of candidates that were not seen through, and of those with a part taken out."""
        total = sum(map(len, self.rows_seen.values()))
        gone = (n for name, rows in self.rows_seen.items() if self._is_gone(name, n := len(rows)))
        return sum(gone) / total

    def _is_gone(self, name: str, rows: int) -> bool:
        return rows < len(self.dev) or self.origins.get(name) == "taken out"

    def _pay(self, calls: int) -> None:
        if self._used + calls > self.budget:
            self._used = self.budget
            raise BudgetSpent("the simulated budget is spent")
        self._used += calls

    def _record(self, score: Score, origin: Origin | Sequence[Origin] | None) -> None:
        best = self._known[0] if self._known else None
        prompts = [part.prompt for _, part in score.candidate.parts]
        length = sum(len(one.demos) for one in prompts) if self._known else -1  # the student before its equals
        self._known.append((-score.mean, length, len(self._known), score))
        self._known.sort(key=lambda one: one[:3])
        if isinstance(origin, Origin):
            self.origins[score.candidate.digest] = origin.move
        if self._known[0] is not best:
            self.picks.append((self._used, self.world.accuracy(self.world.combination(self.known[0].candidate))))

    def record(self, candidate: Candidate, score: Score, *, origin: Origin, parents: Sequence[Candidate] = ()) -> None:
        """Nothing here scores in other ways."""

    def choose(self, candidate: Candidate) -> None:
        """Here the best score ships."""

    def rng(self, purpose: str) -> random.Random:
        return random.Random(f"{self.seed} {purpose}")

    def log(self, event: str, **detail: JSON) -> None:
        """Nobody reads it."""

    def keep(self, name: str, document: JSON, *, in_file: bool = False) -> None:
        self.kept[name] = document

    def _not_simulated(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError("there is no program and no LM behind a simulated bench")

    predict = bootstrap = label_logprobs = label_distribution = _not_simulated
    continuation_logprobs = text_logprobs = embed = _not_simulated


# the searches that make parts known


@dataclass(frozen=True)
class Instructions(Teleprompter):
    """One instruction a round, for one predictor after the other, beside the best there is; one request each."""

    def search(self, bench: Any) -> Iterator[Round]:
        bench.score([bench.student])
        waiting = list(bench.student.predictors)
        while waiting:
            predictor, start = waiting.pop(0), bench.known[0].candidate
            ((text,),) = bench.ask([[{"role": "user", "content": predictor}]], purpose="an instruction")
            made = bench.admit(start, predictor, [text])
            bench.score(made, origin=Origin("Instructions", "instruction"), parents=[start])
            if made:
                waiting.append(predictor)
            yield round_of(bench, predictor, made)

    def forecast(self, sizes: Sizes) -> Forecast:
        return Forecast(INSTRUCTIONS, sizes.executions - INSTRUCTIONS, "instructions")


@dataclass(frozen=True)
class SetsInFormats(Teleprompter):
    """One set for every predictor a round, beside the student's instructions, in every format, as RandomDemos does."""

    bench: SimulatedBench = field(repr=False, compare=False)

    def search(self, bench: Any) -> Iterator[Round]:
        paths = bench.student.predictors
        starts = []
        for name in FORMATS:
            starts.append(bench.student)
            for path in paths:
                starts[-1] = starts[-1].with_prompt(path, format=name)
        origin = Origin("SetsInFormats", "demonstrations")
        bench.score(starts, origin=origin, parents=[bench.student])
        yield round_of(bench, "formats", starts)
        while all(number := [self.bench.reveal(path, "demonstrations") for path in paths]):
            made = []
            for start in starts:
                made.append(start)
                for path, one in zip(paths, number, strict=True):
                    made[-1] = made[-1].with_prompt(path, demos=_prompt((0, 0, one or 0)).demos)
            bench.score(made, origin=origin, parents=[bench.student])
            yield round_of(bench, f"sets {number}", made)

    def forecast(self, sizes: Sizes) -> Forecast:
        return Forecast(0, sizes.executions, "sets in formats")


@dataclass(frozen=True)
class Sets(Teleprompter):
    """One set a round, for one predictor after the other, beside the best there is."""

    bench: SimulatedBench = field(repr=False, compare=False)

    def search(self, bench: Any) -> Iterator[Round]:
        bench.score([bench.student])
        waiting = list(bench.student.predictors)
        while waiting:
            predictor, start = waiting.pop(0), bench.known[0].candidate
            number = self.bench.reveal(predictor, "demonstrations")
            made = []
            if number is not None:
                waiting.append(predictor)
                made = [start.with_prompt(predictor, demos=_prompt((0, 0, number)).demos)]
            bench.score(made, origin=Origin("Sets", "demonstrations"), parents=[start])
            yield round_of(bench, predictor, made)

    def forecast(self, sizes: Sizes) -> Forecast:
        return Forecast(0, sizes.executions, "sets")
