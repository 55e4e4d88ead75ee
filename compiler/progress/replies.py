"""Progress of commands that ask with a frozen file: the plan before the first call, then how many replies came."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ...teleprompters.base import Spend
from ..lm.failures import MaybeBilled
from ..lm.request import Reply, Request
from ..lm.watched import Watch
from . import STEADY, view_on
from .standing import Standing


@contextmanager
def shown(plan: str, calls: int, quiet: bool) -> Iterator[Watch | None]:
    """Prints the plan, gives what a client tells of each reply, shows how many came, and in the end what was paid for.

    calls: planned, at most. quiet: all of that is left out, and nobody watches.
    """
    if quiet:
        yield None
        return
    print(plan, file=sys.stderr, flush=True)
    replies = _Replies(calls)
    view = view_on(sys.stderr, replies.standing, time.monotonic)
    try:
        yield replies.watch(view.block_done)
    finally:
        view.close()
        print(replies.bill, file=sys.stderr)


class _Replies:
    """Counts what a client tells of, from any thread. calls: planned, at most.

    Each request counts once: of equal ones only some are told of, as most wait for the same reply.
    """

    def __init__(self, calls: int) -> None:
        self._calls = calls
        self._paid = self._cached = self._maybe = 0
        self._answered: set[str] = set()  # keys of requests
        self._last = ""
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def watch(self, came: Callable[[], None]) -> Watch:
        def told(_: object, request: Request, result: object, seconds: float | None) -> None:
            with self._lock:
                if not isinstance(result, Reply):
                    self._maybe += isinstance(result, MaybeBilled)
                    self._last = f"no reply: {result}"
                elif request.key not in self._answered:
                    self._answered.add(request.key)
                    self._cached += seconds is None
                    self._paid += seconds is not None
                came()

        return told

    def standing(self) -> Standing:
        done, elapsed = self._paid + self._cached, time.monotonic() - self._began
        is_steady = self._paid > 0 and elapsed >= STEADY
        return Standing(
            phase="asking",
            spent=Spend(calls=done),
            limits={"calls": self._calls},
            paid=self._paid,
            answered=self._cached,
            elapsed=elapsed,
            seconds_left=elapsed / self._paid * max(0, self._calls - done) if is_steady else None,
            last=self._last,
        )

    @property
    def bill(self) -> str:
        maybe = f", and {self._maybe} that may have been billed without a reply" if self._maybe else ""
        return f"paid calls: {self._paid}{maybe}; {self._cached} were answered by the reply cache"
