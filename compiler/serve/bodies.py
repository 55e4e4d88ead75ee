"""The bodies of requests, read within limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from .problems import Problem

DRAINED_BYTES = 65536  # of a body that nobody reads; a larger one costs its connection


@dataclass
class Bodies:
    """Those that are on their way. most: bytes of one. room: bytes of all of them together, so that memory is bounded
    however many clients send at once. A client that stalls holds what it has sent: where some fill the room in this
    way, others are refused until the time limit of those is up.
    """

    most: int
    room: int
    held: int = 0

    def check_head(self, headers: Mapping[str, str]) -> None:
        """Raises Problem where the head of a request says that its body is of no use: media_type or too_large."""
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        # Any other type is refused: a page in a browser can send those to a server on loopback without asking it first.
        if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
            raise Problem("media_type")
        length = headers.get("content-length", "")
        if length.isdigit() and int(length[:20]) > self.most:
            raise self._too_large()

    async def read(self, request: Request) -> bytes:
        """Raises Problem too_large or busy (before more than `most` or `room` is held), ClientDisconnect."""
        pieces: list[bytes] = []
        size = 0
        try:
            while True:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                piece = message.get("body", b"")
                size += len(piece)
                self.held += len(piece)
                if size > self.most:
                    raise self._too_large()
                if self.held > self.room:
                    raise Problem("busy", headers={"Retry-After": "1"})
                pieces.append(piece)
                if not message.get("more_body", False):
                    return b"".join(pieces)
        finally:
            self.held -= size

    def _too_large(self) -> Problem:
        return Problem("too_large", f"The body is larger than {self.most} bytes, the most this server takes.")


def leaves_much_unread(headers: Mapping[bytes, bytes]) -> bool:
    """Whether so much of a body that was not read may still come that its connection had better be closed."""
    length = headers.get(b"content-length", b"0")
    return b"transfer-encoding" in headers or not length.isdigit() or int(length[:20]) > DRAINED_BYTES
