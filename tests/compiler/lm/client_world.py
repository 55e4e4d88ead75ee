"""What stands around a client: a clock that does not wait, a meter that counts, an LM that fails."""

from __future__ import annotations

import asyncio
import threading

from burnish.compiler.lm import LM
from burnish.testing import ScriptedLM


def ask(lm: LM, text: str = "hello", index: int = 0):
    return lm, lm.chat([{"role": "user", "content": text}], index=index)


class Naps:
    """Stands for the clock: remembers how long it was asked to sleep, and does not."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


class Meter:
    """Counts what it is told."""

    def __init__(self, limit: int = 1_000_000) -> None:
        self.charges: list[tuple[str, bool]] = []
        self.attempts: list[str] = []
        self.in_flight = self.most = 0
        self.limit = limit

    def charge(self, key, spend, *, paid):
        self.charges.append((key, paid))

    def begin(self, key, bound):
        self.attempts.append("begin")
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)

    def end(self, key, how, bound):
        self.attempts.append(how)
        self.in_flight -= 1

    def flight_limit(self, bound):
        return self.limit


def failing(*failures: BaseException, then: str = "ok") -> ScriptedLM:
    """Fails with each of these in turn, then answers."""
    left = list(failures)
    return ScriptedLM(lambda messages, body: left.pop(0) if left else then)


def gated(parties: int):
    """An LM whose first reply waits until `open()`; so that others can ask the same meanwhile."""
    opened = threading.Event()

    async def respond(messages, body):
        while not opened.is_set():
            await asyncio.sleep(0)
        return "one"

    return ScriptedLM(respond), opened
