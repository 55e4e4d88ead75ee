"""`burnish serve`: the app in a process of its own."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from ...signatures.errors import BurnishError
from .logs import log_as_json

if TYPE_CHECKING:
    from fastapi import FastAPI

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
LAST_SECONDS = 5.0  # for threads that the end of the server leaves at work

_log = logging.getLogger("burnish.serve")


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        for listening in sockets or []:
            host, port, *_ = listening.getsockname()
            url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
            _log.info("Listening at %s", url, extra={"burnish": {"event": "listening", "url": url}})

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal ends the server in peace, with exit code 0: uvicorn's own would raise it once more at the end."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def serve(app: FastAPI, host: str, port: int, grace_seconds: int, is_guarded: bool) -> None:
    """Serves until SIGTERM or Ctrl-C. Then no connection is taken, and requests in flight have grace_seconds to end.

    is_guarded: by a token; where it is not, and others can reach it, the log says so.
    Raises BurnishError where the address cannot be listened at.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=grace_seconds,
    )
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=config.backlog)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (")[0]
        raise BurnishError(f"{host}:{port} cannot be listened at: {reason}. Give another --host or --port.") from None
    log_as_json()
    if not is_guarded and host not in _LOOPBACK:
        _log.warning("Listening at %s without a token: whoever reaches this port can call the model.", host)
    with listening:
        _Server(config).run(sockets=[listening])
    _end_soon()


def _end_soon() -> None:
    """A call that nothing can interrupt (a hanging function or module of the user's) must not keep the process."""
    last = threading.Timer(LAST_SECONDS, os._exit, args=[0])
    last.daemon = True
    last.start()
