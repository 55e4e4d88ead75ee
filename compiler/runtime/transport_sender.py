"""Any way to a model that the compiler has and production has none of its own for: used in a loop of ours."""

from __future__ import annotations

import asyncio
import atexit
import os
from collections.abc import AsyncGenerator, Generator
from weakref import WeakSet

from ..lm.connection import Connection
from ..lm.failures import MaybeBilled
from ..lm.request import Reply, Request, Transport
from .pieces import Piece, whole_piece
from .threads import LOOP

_OPENED: WeakSet[TransportSender] = WeakSet()  # weak: views made for a call are not kept until the process ends


@atexit.register
def _end_all() -> None:
    for sender in list(_OPENED):
        sender.end()


class TransportSender:
    """The transport of a connection, shared by all threads and loops. A reply comes in one piece."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._opened: tuple[int, Transport] | None = None

    def attempt(self, request: Request, seconds: float | None = None) -> Reply:
        return LOOP.run(self._attempt(request, seconds))

    async def aattempt(self, request: Request, seconds: float | None = None) -> Reply:
        return await LOOP.arun(self._attempt(request, seconds))

    def stream(self, request: Request, seconds: float | None = None) -> Generator[Piece, None, None]:
        yield whole_piece(self.attempt(request, seconds))

    async def astream(self, request: Request, seconds: float | None = None) -> AsyncGenerator[Piece, None]:
        yield whole_piece(await self.aattempt(request, seconds))

    async def _attempt(self, request: Request, seconds: float | None) -> Reply:
        work = self._transport().attempt(request)
        if seconds is None:
            return await work
        try:
            return await asyncio.wait_for(work, seconds)
        except asyncio.TimeoutError:
            raise MaybeBilled(f"There was no reply within {seconds:g} seconds.", timed_out=True) from None

    def _transport(self) -> Transport:
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = (os.getpid(), self._connection.open())
            _OPENED.add(self)
        return self._opened[1]

    def end(self) -> None:
        if self._opened is not None and self._opened[0] == os.getpid():
            asyncio.run_coroutine_threadsafe(self._opened[1].close(), LOOP.loop()).result(timeout=5)
