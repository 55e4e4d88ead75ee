"""An attempt that somebody watches."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

from .connection import Asked
from .failures import AttemptFailure
from .request import Reply, Request, Transport

# Called with who was asked, the request, what came, and the seconds that it took: None where the cache had it.
Watch: TypeAlias = Callable[[Asked, Request, "Reply | AttemptFailure", "float | None"], None]


async def watched_attempt(watch: Watch, transport: Transport, lm: Asked, request: Request) -> Reply:
    began = time.perf_counter()
    try:
        reply = await transport.attempt(request)
    except AttemptFailure as failure:
        watch(lm, request, failure, time.perf_counter() - began)
        raise
    watch(lm, request, reply, time.perf_counter() - began)
    return reply
