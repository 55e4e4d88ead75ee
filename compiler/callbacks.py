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
from ..signatures.errors import BurnishError

if TYPE_CHECKING:
    from ..teleprompters.base import Spend
    from .evidence import Verdict
    from .lm.request import Reply, Request

SEARCH, FINAL = "search", "final comparison"  # the phases of a compile

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


# A compile. `run` is the folder that it keeps its records in: no two compiles work in one at a time.


@dataclass(frozen=True)
class CompileStarted:
    """predictors: paths. models: by role. limits: the whole budget, by currency. is_resumed: an old run goes on.

    score_range: lowest and highest score of the metric, which all scores that are told are in.
    """

    run: str
    predictors: Sequence[str]
    teleprompter: str
    models: Mapping[str, str]
    limits: Mapping[str, float]
    is_resumed: bool
    score_range: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class PhaseStarted:
    """phase: SEARCH, then FINAL. limits: of what is set aside for it, by currency ("usd" in dollars)."""

    run: str
    phase: str
    limits: Mapping[str, float]


@dataclass(frozen=True)
class RequestEnded:
    """One attempt at a request, or a reply of the cache. Told from several threads at once.

    request and reply are copies; their texts are parsed when they are read. spend: what a reply counts in the budget.
    error: why there is no reply; most such requests are tried again. seconds: 0 where the cache answered.
    """

    run: str
    phase: str
    model: str
    request: Request
    reply: Reply | None
    spend: Spend
    from_cache: bool
    seconds: float
    error: Exception | None


@dataclass(frozen=True)
class BlockEnded:
    """A block of calls is done.

    spent: in this phase, whoever answered. limits: of this phase, which the first rows of a program may change.
    total: spent in all phases. paid: what this process paid servers for, in all.
    best: score of each row of dev for the candidate that is ahead; empty before there is one.
    """

    run: str
    phase: str
    spent: Spend
    limits: Mapping[str, float]
    total: Spend
    paid: Spend
    best: Sequence[float]


@dataclass(frozen=True)
class CandidateScored:
    """number: from 0, the student. scores: a row each. is_whole: the rows are all of dev. origin: who made it."""

    run: str
    number: int
    candidate: str  # its digest
    scores: Sequence[float]
    mean: float
    is_whole: bool
    origin: str


@dataclass(frozen=True)
class CandidateRejected:
    """A proposal that a guard rail turned down. reason: its short name; sentence: for a person."""

    run: str
    reason: str
    sentence: str


@dataclass(frozen=True)
class RoundEnded:
    """A round of the teleprompter is over. number: from 1. proposed: digests of its candidates."""

    run: str
    number: int
    name: str
    proposed: Sequence[str]


@dataclass(frozen=True)
class SearchEnded:
    """The finalist is fixed. was_cut: by the budget; otherwise the teleprompter was done."""

    run: str
    finalist: str  # its digest
    was_cut: bool


@dataclass(frozen=True)
class CompileEnded:
    """verdict and digest of the file: None where the compile was stopped by `error`.

    total and paid: as in BlockEnded. unusable: how many replies could not be used, by who was asked.
    """

    run: str
    seconds: float
    verdict: Verdict | None
    digest: str | None
    total: Spend
    paid: Spend
    unusable: Mapping[str, int]
    error: BaseException | None


class Callback:
    """Override what you want to be told. Methods are called from many threads at once, and should be quick."""

    def on_run_started(self, event: RunStarted) -> None: ...

    def on_run_ended(self, event: RunEnded) -> None: ...

    def on_call_started(self, event: CallStarted) -> None: ...

    def on_call_ended(self, event: CallEnded) -> None: ...

    def on_compile_started(self, event: CompileStarted) -> None: ...

    def on_phase_started(self, event: PhaseStarted) -> None: ...

    def on_request_ended(self, event: RequestEnded) -> None: ...

    def on_block_ended(self, event: BlockEnded) -> None: ...

    def on_candidate_scored(self, event: CandidateScored) -> None: ...

    def on_candidate_rejected(self, event: CandidateRejected) -> None: ...

    def on_round_ended(self, event: RoundEnded) -> None: ...

    def on_search_ended(self, event: SearchEnded) -> None: ...

    def on_compile_ended(self, event: CompileEnded) -> None: ...


class Callbacks:
    """Several callbacks as one: tells each, and goes on without one that raises."""

    def __init__(self, callbacks: Sequence[Callback] = ()) -> None:
        self._callbacks = list(callbacks)
        for callback in self._callbacks:
            if not isinstance(callback, Callback):
                raise BurnishError(
                    f"callbacks= holds {callback!r}, which is no burnish.Callback. Pass objects of classes derived "
                    "from it. Nothing was spent."
                )

    def __bool__(self) -> bool:
        return bool(self._callbacks)

    def wants(self, method: str) -> bool:
        """Whether any of them does something with this event, which need not be made otherwise."""
        return any(getattr(type(callback), method) is not getattr(Callback, method) for callback in self._callbacks)

    def tell(self, method: str, event: object) -> None:
        for callback in list(self._callbacks):
            try:
                getattr(callback, method)(event)
            except Exception:  # noqa: BLE001 (whatever it is, the work that is watched goes on)
                _log.exception("The callback %r raised in %s and is told nothing more.", callback, method)
                if callback in self._callbacks:
                    self._callbacks.remove(callback)
