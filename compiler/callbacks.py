"""What a callback is told: one typed event a method, while a program is compiled and while a frozen one runs.

Callbacks watch. They change nothing that is asked, scored or written, and one that raises is logged once and left out
of the rest: neither a compile that was paid for nor an answer is lost to it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..signatures.canonical import JSON

if TYPE_CHECKING:
    from ..teleprompters.base import Spend
    from .evidence import Verdict

_log = logging.getLogger("burnish")


# A frozen program at work. `run` numbers the runs of a process: events of one run share it, in whatever thread.


@dataclass(frozen=True)
class RunStarted:
    """A frozen program was called. inputs: as they were given."""

    run: int
    inputs: Mapping[str, Any]


@dataclass(frozen=True)
class RunEnded:
    """outputs: in JSON form, None where the run failed. seconds: wall time of the whole run."""

    run: int
    seconds: float
    outputs: Mapping[str, JSON] | None
    error: Exception | None


@dataclass(frozen=True)
class CallStarted:
    """One predictor asks its model. params: what is sent beside model and messages. ask: 0, and 1 for a re-ask."""

    run: int
    predictor: str
    model: str
    messages: Sequence[Mapping[str, str]]
    params: Mapping[str, JSON]
    ask: int


@dataclass(frozen=True)
class CallEnded:
    """The answer to a CallStarted, which is repeated as `started`.

    text: of the reply, None where none came. finish_reason, prompt_tokens, completion_tokens: as the server says, None
    where it does not. parsed: whether the reply held the outputs. error: what went wrong, None where nothing did.
    """

    started: CallStarted
    seconds: float
    text: str | None
    finish_reason: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    parsed: bool
    error: Exception | None


# A compile.


@dataclass(frozen=True)
class CompileStarted:
    """run_dir: where the run keeps its records. limits: the budget, by currency. resumed: an old run goes on."""

    run_dir: str
    predictors: Sequence[str]
    teleprompter: str
    models: Mapping[str, str]  # by role
    limits: Mapping[str, float]
    resumed: bool


@dataclass(frozen=True)
class BlockEnded:
    """A block of calls is done. phase: "search" or "final comparison". best: mean score on dev so far.

    spent: by this run in this phase, whoever answered. paid: what this process paid servers for, in all.
    """

    phase: str
    spent: Spend
    paid: Spend
    best: float | None


@dataclass(frozen=True)
class CandidateScored:
    """number: from 0, the student. mean: on `examples` rows. is_whole: those are all of dev. origin: who made it."""

    number: int
    candidate: str  # its digest
    mean: float
    examples: int
    is_whole: bool
    origin: str


@dataclass(frozen=True)
class CandidateRejected:
    """A proposal that a guard rail turned down. reason: its short name; sentence: for a person."""

    reason: str
    sentence: str


@dataclass(frozen=True)
class RoundEnded:
    """A round of the teleprompter is over. proposed: digests of its candidates."""

    name: str
    proposed: Sequence[str]


@dataclass(frozen=True)
class CompileEnded:
    """verdict and digest of the file: None where the compile was stopped by `error`."""

    seconds: float
    verdict: Verdict | None
    digest: str | None
    error: BaseException | None


class Callback:
    """Override what you want to be told. Methods are called from many threads at once, and should be quick."""

    def on_run_started(self, event: RunStarted) -> None: ...

    def on_run_ended(self, event: RunEnded) -> None: ...

    def on_call_started(self, event: CallStarted) -> None: ...

    def on_call_ended(self, event: CallEnded) -> None: ...

    def on_compile_started(self, event: CompileStarted) -> None: ...

    def on_block_ended(self, event: BlockEnded) -> None: ...

    def on_candidate_scored(self, event: CandidateScored) -> None: ...

    def on_candidate_rejected(self, event: CandidateRejected) -> None: ...

    def on_round_ended(self, event: RoundEnded) -> None: ...

    def on_compile_ended(self, event: CompileEnded) -> None: ...


class Callbacks:
    """Several callbacks as one: tells each, and goes on without one that raises."""

    def __init__(self, callbacks: Sequence[Callback] = ()) -> None:
        self._callbacks = list(callbacks)

    def __bool__(self) -> bool:
        return bool(self._callbacks)

    def tell(self, method: str, event: object) -> None:
        for callback in list(self._callbacks):
            try:
                getattr(callback, method)(event)
            except Exception:  # noqa: BLE001 (whatever it is, the work that is watched goes on)
                _log.exception("The callback %r raised in %s and is told nothing more.", callback, method)
                if callback in self._callbacks:
                    self._callbacks.remove(callback)
