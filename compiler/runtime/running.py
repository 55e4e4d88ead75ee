"""One run of a frozen program, as a generator of the requests that it makes.

Whoever drives the generator decides between the calling thread, an event loop and a stream of pieces; what is asked is
the same. A driver sends each answer in, or throws what kept it from coming, so that those who watch are told.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from ...signatures.errors import LMError
from ..lm.failures import ContentRefused, ContextOverflow
from ..lm.request import Reply, Request
from .result import Result

if TYPE_CHECKING:
    from ..callbacks import Callbacks, CallStarted
    from .answering import Answering

T = TypeVar("T")
Answer: TypeAlias = Reply | ContextOverflow | ContentRefused

_NUMBERS = count(1)


@dataclass(frozen=True)
class Ask:
    """One request of a run, and who answers it. streams: its text may be handed on as it comes."""

    who: Answering
    request: Request
    streams: bool = False


Asks: TypeAlias = Generator[Ask, Answer, T]


class Run:
    """What the calls of one run share: its number, what it has asked so far, and who is told.

    callbacks: None where nobody watches; nothing is measured or built then.
    """

    def __init__(self, callbacks: Callbacks | None = None) -> None:
        self.callbacks = callbacks
        self.number = 0 if callbacks is None else next(_NUMBERS)
        self._asked: dict[str, Iterator[int]] = {}

    def numbered(self, request: Request) -> Request:
        """The n-th equal request of a run is the n-th sample, as at compile time."""
        ordinal = next(self._asked.setdefault(request.body_json, count()))
        return request.at(ordinal) if ordinal else request

    def call(self, path: str, who: Answering, request: Request, ask: int, streams: bool) -> Asks[tuple[Answer, Call]]:
        """Asks for one reply, which `Call.ended` is then told the use of."""
        call = Call(self, path, who, request, ask)
        try:
            answer = yield Ask(who, request, streams)
        except BaseException as error:
            call.failed(error)
            raise
        return answer, call


class Call:
    """One request to a model as callbacks see it."""

    def __init__(self, run: Run, path: str, who: Answering, request: Request, ask: int) -> None:
        self._callbacks = run.callbacks
        if self._callbacks is None:
            return
        from ..callbacks import CallStarted

        params = {name: value for name, value in request.wire.items() if name not in ("model", "messages")}
        self._started: CallStarted = CallStarted(run.number, path, who.lm.model, request.wire["messages"], params, ask)
        self._callbacks.tell("on_call_started", self._started)
        self._begin = time.perf_counter()

    def ended(self, answer: Answer, *, parsed: bool, error: Exception | None = None) -> None:
        self._tell(answer if isinstance(answer, Reply) else None, parsed, error)

    def failed(self, error: BaseException) -> None:
        """No answer came."""
        self._tell(None, False, _told(error))

    def _tell(self, reply: Reply | None, parsed: bool, error: Exception | None) -> None:
        if self._callbacks is None:
            return
        from ..callbacks import CallEnded

        usage = None if reply is None else reply.usage
        event = CallEnded(
            started=self._started,
            seconds=time.perf_counter() - self._begin,
            text=None if reply is None else reply.text,
            finish_reason=None if reply is None else reply.finish_reasons[0],
            prompt_tokens=None if usage is None else usage.prompt_tokens,
            completion_tokens=None if usage is None else usage.completion_tokens,
            parsed=parsed,
            error=error,
        )
        self._callbacks.tell("on_call_ended", event)


class Watched:
    """Tells that a run begins and how it ended: `with Watched(run, inputs) as watched: watched.result = ...`."""

    def __init__(self, run: Run, inputs: Mapping[str, Any]) -> None:
        self._run = run
        self._inputs = inputs
        self.result: Result | None = None

    def __enter__(self) -> Watched:
        if self._run.callbacks is not None:
            from ..callbacks import RunStarted

            self._run.callbacks.tell("on_run_started", RunStarted(self._run.number, self._inputs))
            self._begin = time.perf_counter()
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if self._run.callbacks is None:
            return
        from ..callbacks import RunEnded

        outputs = None if self.result is None else self.result.to_dict()
        seconds = time.perf_counter() - self._begin
        event = RunEnded(self._run.number, seconds, outputs, None if error is None else _told(error))
        self._run.callbacks.tell("on_run_ended", event)


def drive(work: Asks[T]) -> T:
    """Answers each request of a run in the calling thread, and returns what the run gives."""
    try:
        ask = next(work)
        while True:
            try:
                answer = ask.who.answer(ask.request)
            except BaseException as error:  # noqa: BLE001 (the run raises it, when it has told of it)
                ask = work.throw(error)
            else:
                ask = work.send(answer)
    except StopIteration as stop:
        given: T = stop.value
        return given


async def adrive(work: Asks[T]) -> T:
    """The same in an event loop."""
    try:
        ask = next(work)
        while True:
            try:
                answer = await ask.who.aanswer(ask.request)
            except BaseException as error:  # noqa: BLE001 (as above; a cancellation too)
                ask = work.throw(error)
            else:
                ask = work.send(answer)
    except StopIteration as stop:
        given: T = stop.value
        return given


def _told(error: BaseException) -> Exception:
    if isinstance(error, Exception):
        return error
    return LMError("The call was given up before its reply was whole (cancelled, closed or interrupted).")
