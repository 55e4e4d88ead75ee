"""Whether the model can be reached: asked at no cost, and at most every few seconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from ..lm.connection import Connection, HTTPConnection

FRESH_SECONDS = 5.0
WAIT_SECONDS = 2.0


class Readiness:
    """connection: finds who answers; called in a thread, may raise where nobody is found.

    Only a server that is reached over HTTP can be away. What runs in this process, a function and a client object of
    the user's are believed to be there.
    """

    def __init__(self, connection: Callable[[], Connection]) -> None:
        self._connection = connection
        self._asked = 0.0
        self._asking: asyncio.Task[str] | None = None

    async def problem(self) -> str:
        """What is wrong in a few words, "" where nothing is. Several that ask at once share one look."""
        if self._asking is None or (self._asking.done() and time.monotonic() - self._asked > FRESH_SECONDS):
            self._asking = asyncio.create_task(self._look())
        return await asyncio.shield(self._asking)

    async def _look(self) -> str:
        found = await asyncio.to_thread(_look, self._connection)
        self._asked = time.monotonic()
        return found


def _look(find: Callable[[], Connection]) -> str:
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    try:
        connection = find()
        if not isinstance(connection, HTTPConnection) or not connection.base_url.startswith("http"):
            return ""
        with urlopen(Request(f"{connection.base_url}/models", headers=connection.headers()), timeout=WAIT_SECONDS):
            return ""
    except HTTPError as error:
        # Not every server has this page, but one that answers is there.
        if error.code in (401, 403):
            return "the model's server refuses the key"
        return f"the model's server answers HTTP {error.code}" if error.code >= 500 else ""
    except Exception as error:  # noqa: BLE001 (whatever it is, the program cannot be run)
        return f"the model cannot be reached ({type(error).__name__})"
