"""ThreadedTransport: attempts that block, run in threads of their own."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor

from .request import Reply, Request

THREADS = 64


class ThreadedTransport(ABC):
    """A transport whose attempts are synchronous. Subclasses give `send`."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="burnish-attempt")

    @abstractmethod
    def send(self, request: Request) -> Reply:
        """What `Transport.attempt` promises, in the calling thread."""

    async def attempt(self, request: Request) -> Reply:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.send, request)

    async def close(self) -> None:
        self._threads.shutdown(wait=False)
