"""What selectors and orderers work with: shots, the supply that they come from, and sets of them with reasons."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Literal, TypeAlias

from ...signatures.candidate import Candidate
from ...signatures.canonical import JSON, canonical
from ...signatures.example import Example
from ...signatures.prompt import Demo, DemoRule
from ...signatures.schema import Schema
from ..base import Workbench

Signal: TypeAlias = Literal[
    "embeddings", "label probabilities", "prompt log-probabilities", "executions", "optimizer LM"
]

FEW_LABELS = 20  # more different answers than this are no classes
DUPLICATE = 0.9  # share of word triples in common from which two inputs are the same text


@dataclass(frozen=True)
class Shot:
    """A pool row as one predictor can be shown it.

    contrast: a wrong answer to the same question, marked as wrong by its note, shown with the demonstration; or None.
    contrast_first: whether it stands before the demonstration.
    """

    row: Example
    demo: Demo
    contrast: Demo | None = None
    contrast_first: bool = True

    @property
    def demos(self) -> tuple[Demo, ...]:
        """What is shown, in order."""
        if self.contrast is None:
            return (self.demo,)
        return (self.contrast, self.demo) if self.contrast_first else (self.demo, self.contrast)

    def __hash__(self) -> int:
        return hash((self.row.digest, self.demo.data))


@dataclass(frozen=True)
class Chosen:
    """A demonstration set of one predictor, most relevant shot first, with the reason of each choice.

    rule: picks from the shots per query; None: all of them stand in front of every query, in this order.
    """

    shots: tuple[Shot, ...]
    reasons: tuple[str, ...]
    rule: DemoRule | None = None

    def __post_init__(self) -> None:
        if len(self.shots) != len(self.reasons):
            raise ValueError(f"{len(self.reasons)} reasons for {len(self.shots)} shots; give one each.")

    @classmethod
    def of(cls, shots: Iterable[Shot], reason: str, rule: DemoRule | None = None) -> Chosen:
        """All for one reason."""
        chosen = tuple(shots)
        return cls(chosen, (reason,) * len(chosen), rule)

    def arranged(self, places: Sequence[int]) -> Chosen:
        """The shots at these places, in this order."""
        return replace(
            self,
            shots=tuple(self.shots[place] for place in places),
            reasons=tuple(self.reasons[place] for place in places),
        )

    def without_last(self) -> Chosen:
        """Without the least relevant shot; a rule picks one less."""
        if self.rule is None:
            return self.arranged(range(len(self.shots) - 1))
        return Chosen((), ()) if self.rule.k == 1 else replace(self, rule=replace(self.rule, k=self.rule.k - 1))


@dataclass(frozen=True, eq=False)
class Supply:
    """What a set is chosen from, for one predictor.

    candidate: what the set will be part of; this predictor is shown nothing yet. shots: no two of them nearly the same,
    none of them nearly a row of dev. k: how many make a set.
    rows: the rows of the pool that are not left out, whether or not there is a shot of them.
    money: executions, or calls to the optimizer LM, that choosing and ordering may cost at most.
    """

    bench: Workbench
    candidate: Candidate
    predictor: str
    shots: tuple[Shot, ...]
    k: int
    money: int
    rows: tuple[Example, ...] = ()

    @property
    def schema(self) -> Schema:
        return self.candidate.prompt(self.predictor).schema

    def shown(self, chosen: Chosen) -> Candidate:
        """The candidate with this set. Raises SchemaError where the prompt cannot show it.

        What stands last, nearest to the question, is never a wrong answer.
        """
        last = tuple(replace(shot, contrast_first=True) for shot in chosen.shots[-1:])
        demos = tuple(demo for shot in (*chosen.shots[:-1], *last) for demo in shot.demos)
        return self.candidate.with_prompt(self.predictor, demos=demos, rule=chosen.rule)

    def showing(self, shots: Iterable[Shot]) -> Candidate:
        """The candidate with these shots, in this order."""
        return self.shown(Chosen.of(shots, ""))

    def question(self, shot: Shot) -> str:
        """The inputs of a shot as one text: what encoders and word counts see."""
        return self.text(shot.demo.values)

    def query(self, row: Example) -> str:
        """The same of a row, where its inputs are those of the predictor."""
        return self.text(row.input_values)

    def text(self, values: Mapping[str, JSON]) -> str:
        return self.candidate.prompt(self.predictor).question(values)

    def answer(self, shot: Shot) -> str:
        """The outputs of a shot as one text: equal for equal answers. Free text before the answer does not count."""
        return canonical({name: shot.demo.values[name] for name in self.answered if name in shot.demo.values})

    @cached_property
    def answered(self) -> tuple[str, ...]:
        """Outputs that rows of the pool have a value for; all of them where the pool knows none."""
        outputs = [field.name for field in self.schema.outputs]
        known = [name for name in outputs if any(shot.row.values.get(name) is not None for shot in self.shots)]
        return tuple(known or outputs)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The different answers, the most frequent first, where they are few enough to be classes; else none."""
        counts = Counter(self.answer(shot) for shot in self.shots)
        are_classes = len(counts) <= min(FEW_LABELS, len(self.shots) // 2)
        return tuple(sorted(counts, key=lambda answer: (-counts[answer], answer))) if are_classes else ()

    def labels(self) -> list[dict[str, JSON]]:
        """The output values of each class, in the order of `classes`."""
        examples = {self.answer(shot): shot for shot in reversed(self.shots)}
        return [{name: examples[one].demo.values[name] for name in self.answered} for one in self.classes]

    def balanced(self, ranked: Sequence[Shot], k: int | None = None) -> list[Shot]:
        """The first of the ranked shots, no class more often than an equal share, rounded up.

        Where classes run out the next best fill up. Without classes: the first k.
        """
        k = self.k if k is None else k
        share = -(-k // max(1, len(self.classes)))
        taken: list[Shot] = []
        counts: Counter[str] = Counter()
        for shot in ranked:
            if len(taken) < k and counts[self.answer(shot)] < share:
                taken.append(shot)
                counts[self.answer(shot)] += 1
        taken += [shot for shot in ranked if shot not in taken][: k - len(taken)]
        place = {shot: number for number, shot in enumerate(ranked)}
        return sorted(taken, key=lambda shot: place[shot])


class Selector(ABC):
    """A way to choose demonstrations. Implementations are frozen dataclasses: their fields are their settings.

    signals: what it needs beside the shots themselves, for the table "which method when".
    """

    signals: ClassVar[tuple[Signal, ...]] = ()

    @abstractmethod
    def select(self, supply: Supply) -> Iterator[Chosen]:
        """Sets of `supply.k` shots (fewer where there are not so many), the most promising set first.

        A generator: what makes a further set cost something is spent when it is asked for. Uses `bench.rng` alone for
        chance, never dev rows for anything but executions, and spends at most about `supply.money`.
        Raises LMError that names the substitute where the LM lacks a signal.
        """

    @abstractmethod
    def cost(self, shots: int, k: int, dev: int) -> int:
        """Executions and calls, at most, that its first set takes; scoring it and the encoder's are not counted."""

    def asks(self, shots: int, k: int, dev: int) -> int:
        """How many of them, at most, are calls to the optimizer LM."""
        return 0

    def embeddings(self, shots: int, k: int, dev: int) -> int:
        """Calls to the encoder, where the compile has one, that come on top of `cost`."""
        return 0

    @property
    def embeds_queries(self) -> bool:
        """Whether it gives a rule that compares vectors: then every query costs a call to the encoder as well."""
        return False

    @property
    def reply_tokens(self) -> int:
        """That one such call may bring, at most; 0 without any."""
        return 0

    def refusal(self, candidate: Candidate) -> str:
        """Why it cannot choose for this program, and what to do; or "". Asked before any call."""
        return ""

    def unfit_rows(self, candidate: Candidate, pool: Sequence[Example]) -> str:
        """Why it cannot choose among these rows, and what to do; or "". Asked before any call."""
        return ""


class Orderer(ABC):
    """A way to put a chosen set in order. Implementations are frozen dataclasses."""

    signals: ClassVar[tuple[Signal, ...]] = ()

    @abstractmethod
    def arrange(self, supply: Supply, chosen: Chosen) -> Iterator[Chosen]:
        """The set in one order or in several that are worth a full score, the most promising first.

        What is shown last stands nearest to the question. A set with a rule is given back as it is: the rule has an
        order of its own. Spends at most about `supply.money`.
        """

    @abstractmethod
    def cost(self, k: int, dev: int) -> int:
        """Executions and calls that an arrangement takes at most; scoring it and the encoder's are not counted."""

    def asks(self, k: int, dev: int) -> int:
        """How many of them, at most, are calls to the optimizer LM."""
        return 0

    def embeddings(self, k: int, pool: int) -> int:
        """Calls to the encoder, where the compile has one, for all arrangements: an embedded text costs nothing."""
        return 0

    @property
    def reply_tokens(self) -> int:
        """That one such call may bring, at most; 0 without any."""
        return 0
