"""Responses that a server cannot draw out: bounded in time at every byte, and in the size of what precedes the body."""

from __future__ import annotations

import io
import socket
from http.client import HTTPResponse
from time import monotonic
from typing import Any

MAX_HEAD = 65536  # bytes of status lines and headers, those of interim responses included


class HeadTooLong(OSError):
    """The server sends more headers than any model's server needs."""


class Deadline:
    """When an attempt has taken too long. Whoever reads asks it before every read, which then waits no longer."""

    def __init__(self, sock: socket.socket, seconds: float) -> None:
        self.seconds = seconds
        self._sock = sock
        self._end: float | None = monotonic() + seconds
        sock.settimeout(seconds)

    def check(self) -> None:
        """Raises TimeoutError where it has passed."""
        if self._end is None:
            return
        left = self._end - monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)

    def from_byte_to_byte(self) -> None:
        """From here on it is silence that is limited, not the whole."""
        self._end = None
        self._sock.settimeout(self.seconds)

    def for_what_is_left(self) -> None:
        """Nothing is expected but the end, which comes with what came last."""
        self._end = monotonic() + 0.1


class Response(HTTPResponse):
    """A response whose reads raise TimeoutError past the deadline, and HeadTooLong above MAX_HEAD bytes of headers."""

    def __init__(self, sock: socket.socket, *args: Any, deadline: Deadline, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self._arriving = _Arriving(sock, deadline)
        self.fp = io.BufferedReader(self._arriving)

    def begin(self) -> None:
        super().begin()
        self._arriving.is_head = False


class _Arriving(io.RawIOBase):
    """The bytes of one response as they come."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self.is_head = True
        self._raw = sock.makefile("rb", buffering=0)  # keeps the socket open where the connection is closed before it
        self._deadline = deadline
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        # What has come is all head where more is read for it.
        if self.is_head and self._count >= MAX_HEAD:
            raise HeadTooLong(f"its headers have more than {MAX_HEAD} bytes")
        self._deadline.check()
        count = self._raw.readinto(buffer)
        self._count += count or 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()
