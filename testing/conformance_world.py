"""The world that a teleprompter is checked in: scripted programs, scripted LMs, and a workbench that watches it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import os
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

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

if TYPE_CHECKING:
    from ..compiler.frozen.compiled import CompiledProgram
    from .scripted import ScriptedLM

ProgramKind: TypeAlias = Literal["one predictor", "several predictors"]
Writer: TypeAlias = Callable[[str, int], str]  # (text of the request, number of the draw) -> what the optimizer LM says

_NOTE = ("`note`", "<note>", '"note"', "a note")  # how formats and the program's own instruction name the field
PLENTY = 260  # calls: room for a search and a final comparison
SEAL = "sealed-4f7c1e"  # stands in every held-out row and nowhere else


def fraction(*parts: object) -> float:
    """A number from 0 to 1 that depends on the parts alone."""
    return int(hashlib.sha256(repr(parts).encode()).hexdigest()[:12], 16) / 16**12


def _label(number: int) -> str:
    return "yes" if fraction("label", number) < 0.5 else "no"


def rows(first: int, count: int, *, sealed: bool = False) -> list[dict[str, str]]:
    """Tickets with the column urgent, "yes" or "no", which cannot be told from the text."""
    return [
        {
            "ticket": f"Ticket {number}{' ' + SEAL if sealed else ''}",
            "urgent": _label(number),
        }
        for number in range(first, first + count)
    ]


TRAIN, DEV, HOLDOUT = rows(0, 14), rows(100, 20), rows(200, 14, sealed=True)


def instruct(prompt: str, draw: int) -> str:
    """What the optimizer LM says by default: a new instruction every time, in tags."""
    return f"<instruction>Sort the tickets in manner {int(10**6 * fraction(prompt, draw))}.</instruction>"


def work(messages: Sequence[Mapping[str, Any]], body: Mapping[str, Any]) -> str:
    """What the task LM says: right with a probability that depends on all of the prompt but the ticket."""
    question, told = str(messages[-1]["content"]), "\n".join(str(message["content"]) for message in messages[:-1])
    numbers = re.findall(r"Ticket (\d+)", question)
    number = int(numbers[-1]) if numbers else 0
    # The first of two predictors writes a note; the second is shown it. A format may use the word for its own ends.
    writes_note = any(mark in (told + question).lower() for mark in _NOTE) and "Note on" not in question
    skill = 0.3 + 0.6 * fraction("skill", told)
    right = fraction("answer", number, told) < skill
    value = {True: _label(number), False: "no" if _label(number) == "yes" else "yes"}[right]
    return _formatted(
        "note" if writes_note else "urgent", f"Note on {number}" if writes_note else value, told + question
    )


def _formatted(name: str, value: str, prompt: str) -> str:
    if "[[ ## " in prompt:
        return f"[[ ## {name} ## ]]\n{value}\n\n[[ ## completed ## ]]"
    if f"<{name}>" in prompt:
        return f"<{name}>{value}</{name}>"
    return f'{{"{name}": "{value}"}}' if "JSON" in prompt else value


@dataclass
class Ran:
    """A compile that was watched. calls: how many reached an LM; searching: how many of them before the comparison."""

    compiled: CompiledProgram | None
    watch: Watch
    task: ScriptedLM
    optimizer: ScriptedLM
    searching: int
    file: bytes
    encoder: ScriptedLM | None = None

    @property
    def calls(self) -> int:
        embedded = [] if self.encoder is None else self.encoder.calls
        return len(self.task.calls) + len(self.optimizer.calls) + len(embedded)


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
        self.watch: Watch | None = None

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


@dataclass(frozen=True)
class World:
    """Where compiles happen: a folder of its own, a teleprompter, what its optimizer LM says, and its encoder."""

    folder: Path
    teleprompter: Teleprompter
    seed: int
    writer: Writer
    embed: Callable[[str], list[float]] | None = None
    _whole: dict[ProgramKind, Ran] = field(default_factory=dict)

    def whole(self, kind: ProgramKind) -> Ran:
        """A compile with room for a search, as it runs when nothing disturbs it. Made once."""
        if kind not in self._whole:
            self._whole[kind] = self.run(kind, PLENTY, name="whole")
        return self._whole[kind]

    def run(
        self,
        kind: ProgramKind,
        calls: int,
        *,
        name: str,
        concurrency: int = 4,
        stop_after: int | None = None,
        interrupt_at: int | None = None,
        writer: Writer | None = None,
    ) -> Ran:
        """One compile under a budget of calls. Equal names share a run folder and a cache: the second resumes."""
        from ..compiler.budget import Budget
        from ..compiler.compile import compile
        from ..compiler.metrics import exact_match
        from .scripted import ScriptedLM

        write, home = writer or self.writer, self.folder / kind / name

        def optimize(messages: list[dict[str, JSON]], body: dict[str, JSON]) -> list[str]:
            prompt = "\n".join(str(message["content"]) for message in messages)
            return [write(prompt, 8 * (body.get("seed") or 0) + n) for n in range(body.get("n") or 1)]

        task, optimizer = ScriptedLM(work, model="task"), ScriptedLM(optimize, model="optimizer")
        encoder = None if self.embed is None else ScriptedLM([], model="encoder", embed=self.embed)
        searching: list[int] = []
        watched = Watched(
            self.teleprompter,
            lambda: searching.append(len(task.calls)),
            stop_after=stop_after,
            interrupt_at=interrupt_at,
        )
        compiled = None
        with _cache_in(home / "cache"), contextlib.redirect_stderr(io.StringIO()):
            try:
                compiled = compile(
                    program(kind),
                    trainset=TRAIN,
                    valset=DEV,
                    holdout=HOLDOUT,
                    metric=exact_match("urgent"),
                    lm=task,
                    optimizer_lm=optimizer,
                    encoder=encoder,
                    teleprompter=watched,
                    budget=Budget(calls=calls, calls_per_example=1 if kind == "one predictor" else 2),
                    run_dir=home / "run",
                    seed=self.seed,
                    concurrency=concurrency,
                    progress=False,
                )
            except KeyboardInterrupt:
                if interrupt_at is None:
                    raise
        written = home / "run" / "program.json"
        watch = watched.watch or Watch(_Nothing())  # the budget ended before the search began
        return Ran(
            compiled,
            watch,
            task,
            optimizer,
            (searching or [len(task.calls)])[0],
            written.read_bytes() if compiled else b"",
            encoder,
        )


class _Nothing:
    """Stands for the workbench of a search that never began."""

    known: Sequence[Score] = ()
    pool: tuple[Example, ...] = ()
    dev: tuple[Example, ...] = ()

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the search never began, so there is no {name}")


def program(kind: ProgramKind) -> Any:
    """A predictor that says whether a ticket is urgent; or one that writes a note and one that reads both."""
    from ..signatures.dspy_bridge import InputField, OutputField, Predict, Signature
    from ..signatures.pipeline import Pipeline

    class Urgency(Signature):  # type: ignore[misc]
        """Say whether the ticket is urgent."""

        ticket: str = InputField()
        urgent: Literal["yes", "no"] = OutputField()

    class Note(Signature):  # type: ignore[misc]
        """Write a note on the ticket."""

        ticket: str = InputField()
        note: str = OutputField()

    class Decision(Signature):  # type: ignore[misc]
        """Say whether the ticket is urgent."""

        ticket: str = InputField()
        note: str = InputField()
        urgent: Literal["yes", "no"] = OutputField()

    return Predict(Urgency) if kind == "one predictor" else Pipeline(remember=Note, decide=Decision)


@contextlib.contextmanager
def _cache_in(folder: Path) -> Iterator[None]:
    """The reply cache of this compile alone: what another one paid for must not show."""
    before = os.environ.get("BURNISH_CACHE_DIR")
    os.environ["BURNISH_CACHE_DIR"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["BURNISH_CACHE_DIR"]
        else:
            os.environ["BURNISH_CACHE_DIR"] = before
