"""GroupWriter: makes replies durable from an event loop without blocking it, many in one transaction."""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import TypeAlias

from .cache import ReplyCache
from .request import Reply, Request

_Row: TypeAlias = tuple[Request, Reply, "asyncio.Future[None]"]


class GroupWriter:
    """One thread that writes whatever has arrived since its last transaction."""

    def __init__(self, cache: ReplyCache, loop: asyncio.AbstractEventLoop) -> None:
        self._cache = cache
        self._loop = loop
        self._queue: queue.SimpleQueue[_Row | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="burnish-cache", daemon=True)
        self._thread.start()

    async def put(self, request: Request, reply: Reply) -> None:
        """Returns when the reply is durable, as `ReplyCache.put` does. Raises what it raises."""
        written: asyncio.Future[None] = self._loop.create_future()
        self._queue.put((request, reply, written))
        await written

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            rows, closing = [first], False
            while not self._queue.empty():
                row = self._queue.get()
                if row is None:
                    closing = True
                    break
                rows.append(row)
            self._write(rows)
            if closing:
                break
        self._cache.close()

    def _write(self, rows: list[_Row]) -> None:
        error: Exception | None = None
        try:
            self._cache.put_many([(request, reply) for request, reply, _ in rows])
        except Exception as raised:  # noqa: BLE001 (raised again by each `put` that waits for it)
            error = raised
        self._loop.call_soon_threadsafe(_settle, [written for _, _, written in rows], error)


def _settle(futures: list[asyncio.Future[None]], error: Exception | None) -> None:
    for written in futures:
        if written.done():
            continue
        if error is None:
            written.set_result(None)
        else:
            written.set_exception(error)
