"""A client of the compiler's in place of a connection: the reply cache first, then whoever it asks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING

from ..lm.request import Reply, Request
from .answering import Answering
from .pieces import Piece, whole_piece

if TYPE_CHECKING:
    from ..lm import LM, Client


class CachedSender:
    """Sends what a frozen program asks through a client, which decides what is kept, counted and tried again."""

    keeps_its_time = True  # each attempt has the LM's own

    def __init__(self, client: Client, lm: LM) -> None:
        self._client = client
        self._lm = lm

    def attempt(self, request: Request, seconds: float | None = None) -> Reply:
        return self._client.send(self._lm, request)

    async def aattempt(self, request: Request, seconds: float | None = None) -> Reply:
        return await self._client.asend(self._lm, request)

    def stream(self, request: Request, seconds: float | None = None) -> Generator[Piece, None, None]:
        yield whole_piece(self.attempt(request))

    async def astream(self, request: Request, seconds: float | None = None) -> AsyncGenerator[Piece, None]:
        yield whole_piece(await self.aattempt(request))


def through(client: Client, lm: LM) -> Answering:
    """Who answers a frozen program, or embeds its queries, so that its requests are those of a compile."""
    return Answering(lm, CachedSender(client, lm))
