"""From a request to the outputs of the program: read, check, call, within the limits."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.requests import ClientDisconnect

from ...signatures.canonical import JSON
from ..runtime.threads import OWN, Threads
from .bodies import Bodies
from .exchange import Exchange, json_response
from .metrics import TALLY, Metrics
from .problems import Problem, problem_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from .served import Served

T = TypeVar("T")


@dataclass
class Runner:
    """seconds: for one request, from its head to its outputs. concurrency: most runs at once. max_bytes: of a body."""

    served: Served
    metrics: Metrics
    seconds: float
    concurrency: int
    max_bytes: int
    _running: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._threads = Threads(self.concurrency)
        self._bodies = Bodies(self.max_bytes, room=self.max_bytes * self.concurrency)
        self.metrics.begin(self.served.predictors, lambda: self._in_flight)

    @property
    def _in_flight(self) -> int:
        # A run that nobody waits for any more goes on where nothing can end it, and has its thread until then.
        return self._running + self._threads.left

    async def respond(self, request: Request) -> Response:
        exchange: Exchange = request.scope["burnish.exchange"]
        try:
            return json_response(await self._outputs(request, exchange))
        except Problem as problem:
            return exchange.answer(problem)

    async def _outputs(self, request: Request, exchange: Exchange) -> dict[str, JSON]:
        try:
            return await _in_time(self._answered(request, exchange), self.seconds)
        except asyncio.TimeoutError:
            raise Problem("slow_body" if exchange.inputs is None else "timeout") from None

    async def _answered(self, request: Request, exchange: Exchange) -> dict[str, JSON]:
        self._bodies.check_head(request.headers)
        self._check_free()  # before the body is read, which would be for nothing
        body = await self._bodies.read(request)
        self._check_free()  # only now: a body on its way takes no place
        exchange.inputs = inputs = self.served.contract.read(body)
        self._running += 1
        # Whoever awaits the app may do so in a task that goes on.
        tally, own = TALLY.set(exchange.tally), OWN.set(self._threads)
        try:
            exchange.outputs = outputs = await _unless_gone(request, self.served.call(inputs))
            return outputs
        except ClientDisconnect:
            raise
        except Exception as error:
            raise problem_of(error) from error
        finally:
            TALLY.reset(tally)
            OWN.reset(own)
            self._running -= 1

    def _check_free(self) -> None:
        if self._in_flight >= self.concurrency:
            raise Problem("busy", headers={"Retry-After": "1"})


async def _unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What the work gives; gives it up, and raises ClientDisconnect, when the client hangs up: nobody would read it."""
    running = asyncio.current_task()
    assert running is not None

    async def watch() -> None:
        if (await request.receive())["type"] == "http.disconnect":
            running.cancel()

    watching = asyncio.create_task(watch())
    try:
        return await work
    except asyncio.CancelledError:
        if not watching.done():
            raise  # the time is up, or the server stops
        if sys.version_info >= (3, 11):
            running.uncancel()
        raise ClientDisconnect from None
    finally:
        watching.cancel()


if sys.version_info >= (3, 11):

    async def _in_time(work: Coroutine[Any, Any, T], seconds: float) -> T:
        async with asyncio.timeout(seconds):  # makes no task of its own, unlike wait_for there
            return await work

else:
    _in_time = asyncio.wait_for
