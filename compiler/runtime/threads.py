"""The threads in which blocking calls run on behalf of event loops, and the loop in which asynchronous ones run."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")

THREADS = 64  # blocking calls at once, of all programs of a process; further ones wait for a thread

_END: Any = object()
_lock = threading.Lock()
_pool: tuple[int, ThreadPoolExecutor] | None = None


def _threads() -> ThreadPoolExecutor:
    global _pool
    with _lock:
        # Threads do not survive a fork, and a pool does not see that they are gone.
        if _pool is None or _pool[0] != os.getpid():
            _pool = (os.getpid(), ThreadPoolExecutor(THREADS, thread_name_prefix="burnish-call"))
        return _pool[1]


async def in_thread(call: Callable[[], T], give_up: Callable[[], None] | None = None) -> T:
    """What a blocking call returns. give_up: makes it end early; called when this is cancelled."""
    context = copy_context()
    running = asyncio.get_running_loop().run_in_executor(_threads(), lambda: context.run(call))
    try:
        return await running
    except asyncio.CancelledError:
        if give_up is not None:
            give_up()
        raise


async def iterate_in_threads(items: Iterator[T], give_up: Callable[[], None] | None = None) -> AsyncGenerator[T, None]:
    """What a blocking iterator gives, each item fetched in a thread. give_up: makes a fetch end early."""
    taking = threading.Lock()  # an iterator must not be closed while a thread is in it

    def take() -> T:
        with taking:
            return next(items, _END)

    def close() -> None:
        with taking:
            getattr(items, "close", bool)()

    try:
        while (item := await in_thread(take, give_up)) is not _END:
            yield item
    finally:
        _threads().submit(close)


class Loop:
    """An event loop in a thread of its own, for what is asynchronous and is used from any thread or loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: tuple[int, asyncio.AbstractEventLoop] | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop()).result()

    async def arun(self, work: Coroutine[Any, Any, T]) -> T:
        """The same from another loop; cancelling this cancels the work."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop()))

    def iterate(self, items: AsyncIterator[T]) -> Generator[T, None, None]:
        try:
            while (item := self.run(_following(items))) is not _END:
                yield item
        finally:
            self.run(_closed(items))

    async def aiterate(self, items: AsyncIterator[T]) -> AsyncGenerator[T, None]:
        try:
            while (item := await self.arun(_following(items))) is not _END:
                yield item
        finally:
            asyncio.run_coroutine_threadsafe(_closed(items), self.loop())

    def loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._running is None or self._running[0] != os.getpid():
                loop = asyncio.new_event_loop()
                threading.Thread(target=loop.run_forever, name="burnish-runtime", daemon=True).start()
                self._running = (os.getpid(), loop)
                atexit.register(loop.call_soon_threadsafe, loop.stop)
            return self._running[1]


async def _following(items: AsyncIterator[T]) -> T:
    try:
        return await items.__anext__()
    except StopAsyncIteration:
        end: T = _END
        return end


async def _closed(items: AsyncIterator[Any]) -> None:
    close = getattr(items, "aclose", None)
    if close is not None:
        await close()


LOOP = Loop()  # one for all programs of a process
