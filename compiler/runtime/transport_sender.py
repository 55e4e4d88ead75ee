"""Any way to a model that the compiler has and production has none of its own for: used in a loop of ours."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import AsyncGenerator, Awaitable, Generator
from concurrent.futures import Future, wait
from weakref import finalize

from ..lm.connection import Connection
from ..lm.failures import MaybeBilled
from ..lm.request import Reply, Request, Transport
from ..lm.threads import ThreadedTransport
from .pieces import Piece, whole_piece
from .threads import LOOP, in_thread

CLOSING_SECONDS = 5.0  # what the end of a process gives its transports to close


class TransportSender:
    """The transport of a connection, shared by all threads and loops. A reply comes in one piece.

    It is closed when nobody has this any more, and at the latest when the process ends.
    One that blocks is called in the threads of whoever calls: those of its own are fewer than a server may need.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._opened: _Opened | None = None
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
            if self._opened is None or self._opened.process != os.getpid():
                self._opened = _Opened(self._connection.open())
                # At the exit `_close_all` closes it: finalizers may come when the loop has ended.
                finalize(self, self._opened.close).atexit = False
            return self._opened.transport


class _Opened:
    """A transport that is used in our loop, and in the process that opened it."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.process = os.getpid()
        self._loop = LOOP.loop()  # now: `close` may run where the lock that this takes is held
        self._closing: Future[None] | None = None
        _OPENED.add(self)

    def close(self) -> Future[None] | None:
        """Begins to close it. Waits for nothing and takes no lock of ours: the garbage collector may call it anywhere.

        None: it belongs to the process that this one was forked from.
        """
        if self._closing is None and self.process == os.getpid():
            self._closing = asyncio.run_coroutine_threadsafe(self.transport.close(), self._loop)
            self._closing.add_done_callback(lambda _: _OPENED.discard(self))
        return self._closing


_OPENED: set[_Opened] = set()  # until they are closed, so that the end of the process can wait for it


@atexit.register
def _close_all() -> None:
    closing = [opened.close() for opened in list(_OPENED)]
    wait([future for future in closing if future is not None], CLOSING_SECONDS)


async def within(seconds: float | None, work: Awaitable[Reply]) -> Reply:
    """Raises MaybeBilled where the time is up. seconds: None where the transport's own time-out is the one."""
    if seconds is None:
        return await work
    try:
        return await asyncio.wait_for(work, seconds)
    except asyncio.TimeoutError:
        raise MaybeBilled(f"There was no reply within {seconds:g} seconds.", timed_out=True) from None
