"""Threads for blocking calls: which are taken, for how long, and what is counted of calls that nobody waits for."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing

import pytest

from burnish.compiler.runtime.threads import OWN, Threads, iterate_in_threads


class Hanging:
    """A call that returns when it is told to. inside: it has begun."""

    def __init__(self):
        self.inside, self.go_on = threading.Event(), threading.Event()

    def __call__(self):
        self.inside.set()
        assert self.go_on.wait(60)


async def begun(hanging, running):
    """A task of `running`, once it has come to `hanging`."""
    task = asyncio.ensure_future(running)
    assert await asyncio.to_thread(hanging.inside.wait, 60)
    return task


async def cancelled(task):
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("give_up", [None, lambda: None], ids=["cannot be ended", "was told to end"])
def test_a_call_that_nobody_waits_for_is_counted_until_it_ends(give_up):
    async def main():
        threads, hanging = Threads(1), Hanging()
        await cancelled(await begun(hanging, threads.run(hanging, give_up)))
        assert threads.left == 1
        hanging.go_on.set()
        await threads.run(lambda: None)  # in the same thread, so after it
        assert threads.left == 0

    asyncio.run(main())


def test_a_call_that_has_no_thread_yet_is_given_up_at_once():
    async def main():
        threads, hanging, ran = Threads(1), Hanging(), []
        first = await begun(hanging, threads.run(hanging))
        waiting = asyncio.ensure_future(threads.run(lambda: ran.append("waiting"), lambda: ran.append("given up")))
        await asyncio.sleep(0)  # until it has begun to wait
        await cancelled(waiting)
        assert threads.left == 0
        hanging.go_on.set()
        await first
        await threads.run(lambda: None)
        assert ran == ["given up"]

    asyncio.run(main())


def test_an_iterator_that_hangs_takes_one_thread_and_closes_in_it():
    async def main():
        threads, hanging, closed, places = Threads(2), Hanging(), threading.Event(), []

        def items():
            try:
                places.append(threading.get_ident())
                hanging()
                yield 1
            finally:
                places.append(threading.get_ident())
                closed.set()

        async def taking():
            OWN.set(threads)
            async with aclosing(iterate_in_threads(items())) as taken:
                return [item async for item in taken]

        await cancelled(await begun(hanging, taking()))
        assert threads.left == 1
        await asyncio.wait_for(threads.run(lambda: None), 30)  # the other thread is free
        assert not closed.is_set()
        hanging.go_on.set()
        assert await asyncio.to_thread(closed.wait, 60)
        assert places[0] == places[1]

    asyncio.run(main())


def test_an_iterator_is_closed_where_no_more_is_taken_of_it():
    async def main():
        closed = threading.Event()

        def items():
            try:
                yield 1
                yield 2
            finally:
                closed.set()

        async with aclosing(iterate_in_threads(items())) as taken:
            assert await taken.__anext__() == 1
        assert await asyncio.to_thread(closed.wait, 60)

    asyncio.run(main())
