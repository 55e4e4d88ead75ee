"""The threads in which blocking calls run on behalf of event loops, and the loop in which asynchronous ones run."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from typing import Any, Generic, TypeVar

T = TypeVar("T")

THREADS = 64  # blocking calls at once, of all programs of a process that is no server; further ones wait for a thread

_END: Any = object()


class Threads:
    """Threads for blocking calls on behalf of event loops: `most` of them, started as they are needed.

    left: calls that nobody waits for any more and that have not ended. Each has its thread until it returns.
    """

    def __init__(self, most: int) -> None:
        self.left = 0
        self._most = most
        self._pool: tuple[int, ThreadPoolExecutor] | None = None
        self._lock = threading.Lock()

    def submit(self, call: Callable[[], T]) -> Future[T]:
        with self._lock:
            # Threads do not survive a fork, and a pool does not see that they are gone.
            if self._pool is None or self._pool[0] != os.getpid():
                self._pool = (os.getpid(), ThreadPoolExecutor(self._most, thread_name_prefix="burnish-call"))
            pool = self._pool[1]
        return pool.submit(call)

    async def run(self, call: Callable[[], T], give_up: Callable[[], None] | None = None) -> T:
        context = copy_context()
        running = self.submit(lambda: context.run(call))
        try:
            return await asyncio.wrap_future(running)
        except asyncio.CancelledError:
            if give_up is not None:
                give_up()
            if not running.cancel():
                self._count(1)
                running.add_done_callback(lambda _: self._count(-1))
            raise

    def _count(self, more: int) -> None:
        with self._lock:
            self.left += more


# Those that the running task or thread uses. A server has its own, so that as many runs as it admits do run.
OWN: ContextVar[Threads] = ContextVar("burnish_threads", default=Threads(THREADS))  # noqa: B039 (shared on purpose)


async def in_thread(call: Callable[[], T], give_up: Callable[[], None] | None = None) -> T:
    """What a blocking call returns. give_up: makes it end early; called when this is cancelled."""
    return await OWN.get().run(call, give_up)


async def iterate_in_threads(items: Iterator[T], give_up: Callable[[], None] | None = None) -> AsyncGenerator[T, None]:
    """What a blocking iterator gives, each item fetched in a thread. give_up: makes a fetch end early."""
    taken, threads = _Taken(items), OWN.get()
    try:
        while (item := await threads.run(taken.take, give_up)) is not _END:
            yield item
    finally:
        if taken.end():
            threads.submit(taken.close)


class _Taken(Generic[T]):
    """A blocking iterator, closed when no more is wanted of it: by the thread that is in it then, if there is one."""

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._lock = threading.Lock()
        self._is_inside = self._is_over = False

    def take(self) -> T:
        """The next item, or _END."""
        with self._lock:
            if self._is_over:
                end: T = _END
                return end
            self._is_inside = True
        try:
            return next(self._items, _END)
        finally:
            if self._leave():
                self.close()

    def end(self) -> bool:
        """Takes no more. Returns whether the iterator is left to close: no thread is in it."""
        with self._lock:
            self._is_over = True
            return not self._is_inside

    def _leave(self) -> bool:
        with self._lock:
            self._is_inside = False
            return self._is_over

    def close(self) -> None:
        getattr(self._items, "close", bool)()


class Loop:
    """An event loop in a thread of its own, for what is asynchronous and is used from any thread or loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: tuple[int, asyncio.AbstractEventLoop] | None = None
        atexit.register(self._stop)  # here, so that it comes after what uses the loop at the exit: last in, first out

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
            return self._running[1]

    def _stop(self) -> None:
        if self._running is not None and self._running[0] == os.getpid():
            self._running[1].call_soon_threadsafe(self._running[1].stop)


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
