"""`burnish serve`: the app in a process of its own."""

from __future__ import annotations

import ipaddress
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
from .protocol import LimitedProtocol

if TYPE_CHECKING:
    from fastapi import FastAPI

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


def bound(host: str, port: int) -> socket.socket:
    """The address, taken and not yet listened at: clients are refused until there is somebody to answer them.

    Raises BurnishError where it cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # of a server that has just ended
        if family is socket.AF_INET6:
            taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        taken.bind((host, port))
    except (OSError, OverflowError) as error:
        taken.close()
        raise _refused(f"{host}:{port}", error) from None
    return taken


def _refused(place: str, error: Exception) -> BurnishError:
    reason = (getattr(error, "strerror", None) or str(error)).partition(" (")[0].rstrip(".")
    return BurnishError(f"{place} cannot be listened at: {reason}. Give another --host or --port.")


def serve(app: FastAPI, listening: socket.socket, grace_seconds: int, is_guarded: bool, with_inputs: bool) -> None:
    """Serves until SIGTERM or Ctrl-C. Then no connection is taken, and requests in flight have grace_seconds to end.

    listening: as `bound` gives it. is_guarded: by a token; where it is not, and others can reach it, the log says so.
    with_inputs: as for `log_as_json`.
    Raises BurnishError where somebody else has begun to listen there.
    """
    config = uvicorn.Config(
        app,
        http=LimitedProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=grace_seconds,
    )
    host, port, *_ = listening.getsockname()
    try:
        listening.listen(config.backlog)
    except OSError as error:
        raise _refused(f"{host}:{port}", error) from None
    log_as_json(with_inputs=with_inputs)
    if not is_guarded and not ipaddress.ip_address(host).is_loopback:
        _log.warning("Listening at %s without a token: whoever reaches this port can call the model.", host)
    _Server(config).run(sockets=[listening])
    _end_soon()


def _end_soon() -> None:
    """A call that nothing can interrupt (a hanging function or module of the user's) must not keep the process."""
    last = threading.Timer(LAST_SECONDS, os._exit, args=[0])
    last.daemon = True
    last.start()
