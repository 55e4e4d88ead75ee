"""Flight: one request on its way, which all who ask the same wait for."""

from __future__ import annotations

import asyncio
from typing import Literal

from ...signatures.errors import RunError
from .connection import Asked
from .failures import Failure
from .request import Reply, Request


class Flight:
    """One request on its way, and how many wait for it. To be touched in the client's own thread only."""

    __slots__ = ("abandoned", "bound", "lm", "request", "stage", "task", "waiting")

    def __init__(self, lm: Asked, request: Request) -> None:
        self.lm = lm
        self.request = request
        self.bound = lm.bound(request)
        self.waiting = 0
        self.abandoned = False
        self.stage: Literal["ground", "air", "landing"] = "ground"
        self.task: asyncio.Task[Reply | Failure]

    def abandon(self) -> None:
        """Nobody waits for it any more: it lands if it is in the air, and does not start if it is not."""
        self.abandoned = True
        if self.stage == "ground":
            self.task.cancel()

    def landed(self) -> Reply | Failure:
        """What came of a flight that is over. Raises RunError where it was cancelled, else what its task raised."""
        if self.task.cancelled():
            raise interrupted()
        return self.task.result()


def interrupted() -> RunError:
    """What those get whose request is sent no more."""
    return RunError("Interrupted: nothing more is sent. Everything paid for is in the cache: run again to go on.")
