"""asgi: the app that serves one frozen program. What it needs of the extra `serve` is imported when it is built."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ...signatures.errors import BurnishError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from ..runtime.program import FrozenProgram

SECONDS = 60.0
CONCURRENCY = 64
MAX_BYTES = 2**20


def asgi(
    program: str | os.PathLike[str] | FrozenProgram,
    *,
    token: str | Sequence[str] = (),
    seconds: float = SECONDS,
    concurrency: int = CONCURRENCY,
    max_bytes: int = MAX_BYTES,
    log_inputs: bool = False,
) -> FastAPI:
    """An ASGI app that serves a frozen program, to run with any ASGI server or to mount in an app of yours.

    A model that runs in this process is loaded before this returns: no request waits for it.

    program: a compiled file, or what `load()` gave.
    token: the bearer token that requests must carry, or several of them; none: everyone may call.
    seconds: for one request, from its head to its answer; beyond it 504.
    concurrency: most runs of the program at once; beyond it 429. The app has as many threads of its own.
    max_bytes: of a request's body; beyond it 413.
    log_inputs: whether what the logger `burnish.serve` is told holds inputs, outputs and the words of errors.
    Raises FrozenError and LMError as `load()` does and where the model cannot be loaded, BurnishError where the extra
    `serve` is missing.
    """
    check_installed("fastapi", "prometheus_client")
    from .metrics import Metrics
    from .routes import app_of
    from .runner import Runner
    from .served import Served

    tokens = [token] if isinstance(token, str) else list(token)
    if not all(tokens):
        raise BurnishError("asgi(token=''): an empty token lets nobody in. Give one, or leave token= out.")
    metrics = Metrics()
    runner = Runner(Served(program, metrics), metrics, seconds, concurrency, max_bytes)
    return app_of(runner, tokens, log_inputs)


def check_installed(*modules: str) -> None:
    """Raises BurnishError with the command that installs what is missing."""
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise BurnishError(f"Serving needs {', '.join(missing)}. Install it with: pip install 'burnish[serve]'")
