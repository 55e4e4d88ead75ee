"""A teleprompter that is watched while it searches: a workbench that passes everything on and writes faults down."""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..signatures.candidate import Candidate
from ..signatures.canonical import JSON
from ..signatures.errors import BudgetSpent
from ..signatures.example import Example
from ..teleprompters.base import (
    Forecast,
    Likelihood,
    Messages,
    Origin,
    Outcome,
    Remaining,
    Round,
    Score,
    Sizes,
    Spend,
    Teleprompter,
    Workbench,
)
from ..teleprompters.label_signals import is_sample


@dataclass
class Watch:
    """A workbench that passes everything on to the real one, and nothing that is not in the protocol.

    interrupt_at: the number of a call to the bench at which KeyboardInterrupt is raised instead.
    faults: what the teleprompter did that it must not; kept here because it may swallow what is raised.
    chosen: what it made the finalist in place of the best.
    """

    bench: Workbench
    interrupt_at: int | None = None
    faults: list[str] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)
    calls: int = 0
    admitted: set[Candidate] = field(default_factory=set)
    executed: dict[Candidate, set[str]] = field(default_factory=dict)
    predicted_whole: set[Candidate] = field(default_factory=set)
    origins: list[tuple[Candidate, Origin | None]] = field(default_factory=list)
    chosen: Candidate | None = None
    state: Literal["searching", "spent", "closed"] = "searching"

    @property
    def student(self) -> Candidate:
        return self.bench.student

    @property
    def pool(self) -> tuple[Example, ...]:
        return self.bench.pool

    @property
    def dev(self) -> tuple[Example, ...]:
        return self.bench.dev

    @property
    def known(self) -> Sequence[Score]:
        return self.bench.known

    @property
    def remaining(self) -> Remaining:
        return self.bench.remaining

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
        with self._entered("ask"):
            return self.bench.ask(requests, n, temperature=temperature, max_tokens=max_tokens, purpose=purpose)

    def admit(
        self, candidate: Candidate, predictor: str, texts: Sequence[str], *, max_length: int | None = None
    ) -> list[Candidate]:
        with self._entered("admit"):
            made = self.bench.admit(candidate, predictor, texts, max_length=max_length)
            self.admitted.update(made)
            return made

    def predict(self, candidate: Candidate, examples: Sequence[Example]) -> list[Outcome]:
        with self._entered("predict", [candidate], examples):
            whole = {example.digest for example in examples} >= {example.digest for example in self.dev}
            if whole and not is_sample(candidate):
                self.predicted_whole.add(candidate)
            return self.bench.predict(candidate, examples)

    def bootstrap(self, candidate: Candidate, examples: Sequence[Example]) -> list[Outcome]:
        with self._entered("bootstrap", [candidate], examples):
            return self.bench.bootstrap(candidate, examples)

    def score(
        self,
        candidates: Sequence[Candidate],
        examples: Sequence[Example] | None = None,
        *,
        origin: Origin | Sequence[Origin] | None = None,
        parents: Sequence[Candidate] = (),
    ) -> list[Score]:
        with self._entered("score", candidates, self.dev if examples is None else examples):
            named = [origin] * len(candidates) if origin is None or isinstance(origin, Origin) else list(origin)
            if examples is None:
                self.origins += zip(candidates, named, strict=True)
            return self.bench.score(candidates, examples, origin=origin, parents=parents)

    def record(self, candidate: Candidate, score: Score, *, origin: Origin, parents: Sequence[Candidate] = ()) -> None:
        with self._entered("record"):
            self.origins.append((candidate, origin))
            self.bench.record(candidate, score, origin=origin, parents=parents)

    def label_logprobs(self, candidate: Candidate, examples: Sequence[Example]) -> list[float]:
        with self._entered("label_logprobs", [candidate], examples):
            return self.bench.label_logprobs(candidate, examples)

    def label_distribution(
        self, candidate: Candidate, examples: Sequence[Example], labels: Sequence[JSON]
    ) -> list[list[Likelihood]]:
        with self._entered("label_distribution", [candidate], examples):
            return self.bench.label_distribution(candidate, examples, labels)

    def continuation_logprobs(
        self, prompts: Sequence[str | Messages], continuations: Sequence[str]
    ) -> list[list[float]]:
        with self._entered("continuation_logprobs"):
            return self.bench.continuation_logprobs(prompts, continuations)

    def text_logprobs(self, texts: Sequence[str]) -> list[list[float]]:
        with self._entered("text_logprobs"):
            return self.bench.text_logprobs(texts)

    @property
    def encoder(self) -> str | None:
        return self.bench.encoder

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        with self._entered("embed"):
            return self.bench.embed(texts)

    def rng(self, purpose: str) -> random.Random:
        return self.bench.rng(purpose)

    def log(self, event: str, **detail: JSON) -> None:
        self.bench.log(event, **detail)

    def choose(self, candidate: Candidate) -> None:
        self.bench.choose(candidate)
        self.chosen = candidate

    def keep(self, name: str, document: JSON, *, in_file: bool = False) -> None:
        self.bench.keep(name, document, in_file=in_file)

    @contextlib.contextmanager
    def _entered(
        self, method: str, candidates: Sequence[Candidate] = (), examples: Sequence[Example] = ()
    ) -> Iterator[None]:
        self.calls += 1
        if self.state != "searching":
            why = "the budget had ended" if self.state == "spent" else "the search was closed"
            self.faults.append(f"bench.{method}(...) was called after {why}")
            raise BudgetSpent(self.faults[-1])
        if self.calls == self.interrupt_at:
            raise KeyboardInterrupt
        for candidate in candidates:
            self.executed.setdefault(candidate, set()).update(example.digest for example in examples)
        try:
            yield
        except BudgetSpent:
            self.state = "spent"
            raise


class Watched(Teleprompter):
    """A teleprompter that is watched while it searches. stop_after: rounds after which its search is closed."""

    def __init__(
        self,
        inner: Teleprompter,
        on_end: Callable[[], None],
        *,
        stop_after: int | None = None,
        interrupt_at: int | None = None,
    ) -> None:
        self.inner, self.on_end = inner, on_end
        self.stop_after, self.interrupt_at = stop_after, interrupt_at
        self.watch = Watch(_Nothing())  # until the search begins, which a budget may end before

    def settings(self) -> dict[str, JSON]:
        return self.inner.settings()

    def forecast(self, sizes: Sizes) -> Forecast:
        return self.inner.forecast(sizes)

    def refusal(self, student: Candidate) -> str:
        return self.inner.refusal(student)

    def unfit_rows(self, student: Candidate, pool: Sequence[Example]) -> str:
        return self.inner.unfit_rows(student, pool)

    @property
    def embeds_queries(self) -> bool:
        return self.inner.embeds_queries

    def preference(self, score: Score) -> float:
        return self.inner.preference(score)

    def search(self, bench: Workbench) -> Iterator[Round]:
        watch = self.watch = Watch(bench, self.interrupt_at)
        inner = self.inner.search(watch)
        try:
            for number in itertools.count(1):
                done = next(inner, None)
                if done is None:
                    return
                watch.rounds.append(done)
                self._look_at(done, watch)
                yield done
                if number == self.stop_after:
                    return
        finally:
            watch.state = "closed" if watch.state == "searching" else watch.state
            self._close(inner, watch)
            self.on_end()

    def _look_at(self, done: Round, watch: Watch) -> None:
        best = max(map(self.inner.preference, watch.known), default=None)
        if done.best is not None and done.best.candidate not in [score.candidate for score in watch.known]:
            watch.faults.append(f"round {done.name!r} calls a candidate the best that has no score on all of dev")
        elif (self.inner.preference(done.best) if done.best else None) != best:
            watch.faults.append(f"round {done.name!r} calls {done.best and done.best.mean} the best; known is {best}")
        if watch.state == "spent":
            watch.faults.append(f"round {done.name!r} was yielded after the budget had ended")

    def _close(self, inner: Iterator[Round], watch: Watch) -> None:
        if not hasattr(inner, "close"):
            watch.faults.append("search() returned an iterator that cannot be closed; write it as a generator")
            return
        try:
            inner.close()
        except RuntimeError as error:
            watch.faults.append(f"search() did not end when it was closed: {error}")


class _Nothing:
    """Stands for the workbench of a search that never began."""

    known: Sequence[Score] = ()
    pool: tuple[Example, ...] = ()
    dev: tuple[Example, ...] = ()

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the search never began, so there is no {name}")
