"""The world that a teleprompter is checked in: scripted programs and scripted LMs."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..signatures.canonical import JSON
from ..teleprompters.base import (
    Teleprompter,
)
from .watched_search import Watch, Watched

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
        return Ran(
            compiled,
            watched.watch,
            task,
            optimizer,
            (searching or [len(task.calls)])[0],
            written.read_bytes() if compiled else b"",
            encoder,
        )


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
