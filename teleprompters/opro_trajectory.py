"""OPRO's memory: the instructions scored so far, how they are shown, and which exemplars stand beside them."""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ..signatures.candidate import Candidate
from ..signatures.canonical import JSON
from ..signatures.example import Example
from ..signatures.prompt import Position
from ..signatures.schema import Schema
from .base import Score, Workbench
from .draws import draw, shuffled
from .induction import written_inputs, written_outputs
from .reflection import cases, errors
from .replies import instruction

Rule: TypeAlias = Literal["random", "constant", "most_often_wrong", "currently_wrong"]

_ITEM_END = re.compile(r"<\s*/\s*text\s*>", re.IGNORECASE)
_WHERE: dict[Position, str] = {
    "system": "The instruction stands at the very beginning.",
    "before_question": "The instruction stands before each input.",
    "question_begin": "The instruction stands at the beginning of each input.",
    "question_end": "The instruction stands at the end of each input.",
    "answer_begin": "The instruction is the beginning of each output: the language model writes on from there.",
}


@dataclass(frozen=True)
class Shown:
    """How the trajectory is shown.

    instructions: the best so many. buckets: scores from 0 to 1 are shown as whole numbers of so many parts; None: with
    three digits. threshold: of those shown, scores below it are left out; None: none are.
    """

    instructions: int = 20
    buckets: int | None = 100
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.instructions < 1 or (self.buckets is not None and self.buckets < 1):
            raise ValueError(f"{self}: instructions and buckets are at least 1.")


@dataclass(frozen=True)
class Exemplars:
    """Which examples stand in the meta-prompt.

    rule: "random": others at every step. "constant": the same at every step. "most_often_wrong": those that most
        instructions so far got wrong. "currently_wrong": those that most of the instructions shown got wrong.
    count: how many. rows, threshold: for the two wrong ones, every instruction of this search is run on so many rows of
        the pool, and a score below the threshold is wrong. What other searches found counts as wrong nowhere.
    """

    rule: Rule = "random"
    count: int = 3
    rows: int = 16
    threshold: float = 1.0

    def __post_init__(self) -> None:
        known = ("random", "constant", "most_often_wrong", "currently_wrong")
        if self.rule not in known:
            raise ValueError(f"Exemplars(rule={self.rule!r}): known are {', '.join(map(repr, known))}.")
        if self.count < 1 or self.rows < 1 or not math.isfinite(self.threshold):
            raise ValueError(f"{self}: count and rows are at least 1, the threshold is a score.")

    @property
    def shows_errors(self) -> bool:
        return self.rule in ("most_often_wrong", "currently_wrong")

    @property
    def executions(self) -> int:
        """What an instruction costs beside its score."""
        return self.rows if self.shows_errors else 0


@dataclass
class Trajectory:
    """Scored instructions in the order in which they came. preference: what they are compared by."""

    shown: Shown
    preference: Callable[[Score], float]
    _scores: dict[Candidate, Score] = field(default_factory=dict)

    def extend(self, scores: Sequence[Score]) -> None:
        for score in scores:
            self._scores.setdefault(score.candidate, score)

    @property
    def best(self) -> Candidate:
        """The best so far; of equals the first."""
        return self.descending()[0]

    def descending(self) -> list[Candidate]:
        """All of them, best first; of equals the one that came first."""
        return sorted(self._scores, key=lambda candidate: -self.preference(self._scores[candidate]))

    def ascending(self) -> list[Score]:
        """What is shown: the best ones, worst first and of equals the latest last; then none below the threshold."""
        best = sorted(self._scores.values(), key=self.preference)[-self.shown.instructions :]
        threshold = self.shown.threshold
        return [score for score in best if threshold is None or self.preference(score) >= threshold]

    def to_json(self, predictor: str, moves: Mapping[Candidate, str]) -> JSON:
        """Every instruction in the order in which it came, with its score. moves: where it comes from, if from here."""
        return [
            {
                "instruction": candidate.prompt(predictor).instruction,
                "score": score.mean,
                "move": moves.get(candidate, "known before, or found by others"),
                "candidate": candidate.digest,
            }
            for candidate, score in self._scores.items()
        ]

    # as text

    @property
    def scale(self) -> str:
        buckets = self._buckets
        return "A higher score is better." if buckets is None else f"Scores are whole numbers from 0 to {buckets}."

    def as_pairs(self, predictor: str) -> str:
        """Each instruction and its score, one pair after the other."""
        pairs = [
            f"instruction:\n{_text(score, predictor)}\nscore:\n{self._number(score)}" for score in self.ascending()
        ]
        return "\n\n".join(pairs) or "(none has been tried yet)"

    def as_list(self, predictor: str) -> str:
        """A list that a language model can go on with (see `next_line`)."""
        items = self.ascending()
        return "\n".join(f"Precision: {self._number(s)} <TEXT>{_text(s, predictor)}</TEXT>" for s in items)

    @property
    def next_line(self) -> str:
        """The beginning of the next item of the list: the highest precision, or more than any there is."""
        if self._are_shares:
            return f"Precision: {self.shown.buckets or 1} <TEXT>"
        return f"Precision: {math.floor(max(map(self.preference, self._scores.values()))) + 1} <TEXT>"

    @property
    def _buckets(self) -> int | None:
        """None where scores are no shares: a metric with another range is shown as it is."""
        return self.shown.buckets if self._are_shares else None

    @property
    def _are_shares(self) -> bool:
        return all(0 <= score.mean <= 1 for score in self._scores.values())

    def _number(self, score: Score) -> str:
        """The number to improve on: the score, less what the length of the prompt costs."""
        buckets, value = self._buckets, self.preference(score)
        return f"{value:.3g}" if buckets is None else str(round(max(0.0, value) * buckets))


def _text(score: Score, predictor: str) -> str:
    return score.candidate.prompt(predictor).instruction.strip() or "(no instruction)"


class ExemplarChoice:
    """The exemplars of each step, and the counts that they follow from.

    rows: those of the pool that can be shown. Some of them, drawn once, are what the rules of the wrong look at.
    """

    def __init__(self, bench: Workbench, exemplars: Exemplars, rows: Sequence[Example], rng: random.Random) -> None:
        self._bench, self._exemplars, self._rows = bench, exemplars, rows
        self._constant = draw(rows, exemplars.count, rng)
        self._watched = draw(rows, exemplars.rows, rng)
        self._wrong: dict[Candidate, frozenset[Example]] = {}

    def count(self, candidates: Sequence[Candidate]) -> None:
        """Runs the candidates on the watched rows, where the rule wants to know what they get wrong."""
        for candidate in candidates if self._exemplars.shows_errors else ():
            wrong = errors(cases(self._bench, candidate, self._watched), self._exemplars.threshold)
            self._wrong[candidate] = frozenset(case.example for case in wrong)

    def choose(self, trajectory: Trajectory, rng: random.Random) -> list[Example]:
        """The exemplars of a step. Where nothing is wrong they are random ones."""
        if self._exemplars.rule == "constant":
            return self._constant
        random_ones = draw(self._rows, self._exemplars.count, rng)
        if self._exemplars.rule == "random":
            return random_ones
        everyone = list(self._wrong)
        shown = [score.candidate for score in trajectory.ascending()]
        asked = shown if self._exemplars.rule == "currently_wrong" else everyone
        counts = Counter(row for candidate in asked for row in self._wrong.get(candidate, ()))
        # The sort is stable: rows that equally many got wrong stay in random order.
        order = sorted(shuffled(self._watched, rng), key=lambda row: -counts[row])
        return [row for row in order[: self._exemplars.count] if counts[row]] or random_ones


# exemplars


def exemplar(schema: Schema, values: Mapping[str, JSON], position: Position) -> str:
    """An example with `<INS>` where the instruction stands."""
    question, answer = written_inputs(schema, values), written_outputs(schema, values)
    title, _, rest = question.partition(":")
    if position == "question_begin":
        return f"{title}: <INS>\n{rest.strip()}\n{answer}"
    if position == "question_end":
        return f"{question}\n<INS>\n{answer}"
    if position == "answer_begin":
        title, _, rest = answer.partition(":")
        return f"{question}\n{title}: <INS> {rest.strip()}"
    return f"<INS>\n{question}\n{answer}"


def placed_instruction(reply: str) -> str | None:
    """The instruction that a reply proposes, also where the writer put it between marks of its place, `<INS>`."""
    text = instruction(reply)
    return None if text is None else instruction(text, tag="INS")


def continued_instruction(reply: str) -> str | None:
    """The instruction with which a reply goes on with the list: its first item, whatever is listed after that."""
    return instruction(_ITEM_END.split(reply, maxsplit=1)[0], tag="text")


def where(position: Position) -> str:
    """Where the instruction stands, in a sentence."""
    return _WHERE[position]
