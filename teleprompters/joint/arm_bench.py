"""ArmBench: the workbench as one arm of a portfolio sees it, with fewer rows and a share of the money."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ...signatures.candidate import Candidate
from ...signatures.canonical import JSON
from ...signatures.example import Example
from ..base import Likelihood, Messages, Origin, Outcome, Remaining, Score, Spend, Workbench


@dataclass(frozen=True)
class Made:
    """A candidate that a search has made, from what, and how it says it was done."""

    candidate: Candidate
    parent: Candidate
    origin: Origin


@dataclass
class ArmBench:
    """See `Workbench`. An arm selects on the first block of a race: its scores there are the first of the race as well.

    dev: these rows. pool: without rows that nearly repeat a row of the whole dev. told: executions that the arm is told
    it has, in all currencies alike; it may be stopped before, at any yield. known_here: what is known, with scores on
    `dev`, best first. made: what was scored on all of `dev` and is new to it, until it is taken.
    """

    bench: Workbench
    name: str
    dev: tuple[Example, ...]
    pool: tuple[Example, ...]
    told: Callable[[], int]
    known_here: Callable[[], Sequence[Score]]
    note: Callable[[Sequence[Candidate]], None]
    made: list[Made] = field(default_factory=list)
    _seen: set[Candidate] = field(default_factory=set)

    @property
    def student(self) -> Candidate:
        return self.bench.student

    @property
    def known(self) -> Sequence[Score]:
        return self.known_here()

    @property
    def remaining(self) -> Remaining:
        left = self.bench.remaining
        share = min(1.0, self.told() / left.expected) if left.expected else 0.0
        return Remaining(
            calls=None if left.calls is None else int(left.calls * share),
            tokens=None if left.tokens is None else int(left.tokens * share),
            usd=None if left.usd is None else left.usd * share,
            evaluations=int(left.evaluations * share),
            expected=int(left.expected * share),
        )

    @property
    def task_lms(self) -> tuple[str, ...]:
        return self.bench.task_lms

    @property
    def spent(self) -> Spend:
        return self.bench.spent

    @property
    def score_range(self) -> tuple[float, float]:
        return self.bench.score_range

    def ask(
        self, requests: Sequence[Messages], n: int = 1, *, temperature: float = 1.0, max_tokens: int = 512, purpose: str
    ) -> list[list[str]]:
        return self.bench.ask(requests, n, temperature=temperature, max_tokens=max_tokens, purpose=purpose)

    def admit(
        self, candidate: Candidate, predictor: str, texts: Sequence[str], *, max_length: int | None = None
    ) -> list[Candidate]:
        return self.bench.admit(candidate, predictor, texts, max_length=max_length)

    def predict(self, candidate: Candidate, examples: Sequence[Example]) -> list[Outcome]:
        return self.bench.predict(candidate, examples)

    def bootstrap(self, candidate: Candidate, examples: Sequence[Example]) -> list[Outcome]:
        return self.bench.bootstrap(candidate, examples)

    def score(
        self,
        candidates: Sequence[Candidate],
        examples: Sequence[Example] | None = None,
        *,
        origin: Origin | Sequence[Origin] | None = None,
        parents: Sequence[Candidate] = (),
    ) -> list[Score]:
        rows = self.dev if examples is None else tuple(examples)
        scores = self.bench.score(candidates, rows, origin=origin, parents=parents)
        if {row.digest for row in rows} >= {row.digest for row in self.dev}:
            origins = [origin] * len(candidates) if origin is None or isinstance(origin, Origin) else list(origin)
            parent = parents[0] if parents else self.student
            for candidate, made in zip(candidates, origins, strict=True):
                self._take(candidate, parent, made or Origin(self.name, "scored"))
        return scores

    def record(self, candidate: Candidate, score: Score, *, origin: Origin, parents: Sequence[Candidate] = ()) -> None:
        self.bench.record(candidate, score, origin=origin, parents=parents)
        self._take(candidate, parents[0] if parents else self.student, origin)

    def label_logprobs(self, candidate: Candidate, examples: Sequence[Example]) -> list[float]:
        return self.bench.label_logprobs(candidate, examples)

    def label_distribution(
        self, candidate: Candidate, examples: Sequence[Example], labels: Sequence[JSON]
    ) -> list[list[Likelihood]]:
        return self.bench.label_distribution(candidate, examples, labels)

    def continuation_logprobs(
        self, prompts: Sequence[str | Messages], continuations: Sequence[str]
    ) -> list[list[float]]:
        return self.bench.continuation_logprobs(prompts, continuations)

    def text_logprobs(self, texts: Sequence[str]) -> list[list[float]]:
        return self.bench.text_logprobs(texts)

    @property
    def encoder(self) -> str | None:
        return self.bench.encoder

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return self.bench.embed(texts)

    def rng(self, purpose: str) -> random.Random:
        return self.bench.rng(f"{self.name}: {purpose}")

    def log(self, event: str, **detail: JSON) -> None:
        self.bench.log(event, **detail)

    def choose(self, candidate: Candidate) -> None:
        """Not the arm's to decide."""

    def keep(self, name: str, document: JSON, *, in_file: bool = False) -> None:
        self.bench.keep(f"{self.name}_{name}".replace(" ", "_"), document, in_file=in_file)

    def taken(self) -> Iterator[Made]:
        """What was made since the last time, each once."""
        made, self.made = self.made, []
        yield from made

    def _take(self, candidate: Candidate, parent: Candidate, origin: Origin) -> None:
        if candidate not in self._seen and candidate != self.student:
            self._seen.add(candidate)
            self.made.append(Made(candidate, parent, origin))
        self.note([candidate])
