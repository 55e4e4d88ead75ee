"""Any way to a model that the compiler has and production has none of its own for: used in a loop of ours."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import AsyncGenerator, Awaitable, Generator
from weakref import WeakSet

from ..lm.connection import Connection
from ..lm.failures import MaybeBilled
from ..lm.request import Reply, Request, Transport
from ..lm.threads import ThreadedTransport
from .pieces import Piece, whole_piece
from .threads import LOOP, in_thread

_OPENED: WeakSet[TransportSender] = WeakSet()  # weak: views made for a call are not kept until the process ends


@atexit.register
def _end_all() -> None:
    for sender in list(_OPENED):
        sender.end()


class TransportSender:
    """The transport of a connection, shared by all threads and loops. A reply comes in one piece.

    One that blocks is called in the threads of whoever calls: those of its own are fewer than a server may need.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._opened: tuple[int, Transport] | None = None
        self._opening = threading.Lock()

    def open(self) -> None:
        """Loads what runs in this process, so that the first attempt need not wait. Raises LMError where it cannot."""
        self._transport()

    def attempt(self, request: Request, seconds: float | None = None) -> Reply:
        transport = self._transport()
        if isinstance(transport, ThreadedTransport) and seconds is None:
            return transport.send(request)
        return LOOP.run(within(seconds, transport.attempt(request)))

    async def aattempt(self, request: Request, seconds: float | None = None) -> Reply:
        transport = await in_thread(self._transport) if self._opened is None else self._transport()
        if isinstance(transport, ThreadedTransport):
            return await within(seconds, in_thread(lambda: transport.send(request)))
        return await LOOP.arun(within(seconds, transport.attempt(request)))

    def stream(self, request: Request, seconds: float | None = None) -> Generator[Piece, None, None]:
        yield whole_piece(self.attempt(request, seconds))

    async def astream(self, request: Request, seconds: float | None = None) -> AsyncGenerator[Piece, None]:
        yield whole_piece(await self.aattempt(request, seconds))

    def _transport(self) -> Transport:
        with self._opening:
            if self._opened is None or self._opened[0] != os.getpid():
                self._opened = (os.getpid(), self._connection.open())
                _OPENED.add(self)
            return self._opened[1]

    def end(self) -> None:
        if self._opened is not None and self._opened[0] == os.getpid():
            asyncio.run_coroutine_threadsafe(self._opened[1].close(), LOOP.loop()).result(timeout=5)


async def within(seconds: float | None, work: Awaitable[Reply]) -> Reply:
    """Raises MaybeBilled where the time is up. seconds: None where the transport's own time-out is the one."""
    if seconds is None:
        return await work
    try:
        return await asyncio.wait_for(work, seconds)
    except asyncio.TimeoutError:
        raise MaybeBilled(f"There was no reply within {seconds:g} seconds.", timed_out=True) from None
