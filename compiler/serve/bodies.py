"""The body of a request, read within limits."""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request

from .problems import Problem

_CLOSE = {"Connection": "close"}  # what is still on its way is not read


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Raises Problem media_type or too_large (before more than max_bytes are held), ClientDisconnect."""
    headers = request.headers
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    # Any other type is refused: a page in a browser can send those to a server on loopback without asking it first.
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise Problem("media_type", headers=_CLOSE)
    length = headers.get("content-length", "")
    if length.isdigit() and int(length[:20]) > max_bytes:
        raise _too_large(max_bytes)
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        piece = message.get("body", b"")
        size += len(piece)
        if size > max_bytes:
            raise _too_large(max_bytes)
        pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces)


def _too_large(max_bytes: int) -> Problem:
    return Problem(
        "too_large", f"The body is larger than {max_bytes} bytes, the most this server takes.", headers=_CLOSE
    )
