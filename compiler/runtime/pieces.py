"""A reply that comes piece by piece: read from a server's events, and put together again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...signatures.canonical import JSON, canonical
from ..lm.failures import MaybeBilled
from ..lm.request import Reply, Request

MOST_BYTES = 64 * 2**20  # of one event: a server that sends more without an end is not listened to


@dataclass(frozen=True)
class Piece:
    """What one event adds: text, and at the end why the reply ended and what it took."""

    text: str = ""
    finish_reason: str | None = None
    usage: Mapping[str, JSON] | None = None


class Gathered:
    """The reply that pieces make up."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._finish: str | None = None
        self._usage: Mapping[str, JSON] | None = None

    def add(self, piece: Piece) -> None:
        self._texts.append(piece.text)
        self._finish = piece.finish_reason or self._finish
        self._usage = piece.usage or self._usage

    def reply(self) -> Reply:
        """The reply as a server sends it whole."""
        message = {"role": "assistant", "content": "".join(self._texts)}
        body: dict[str, JSON] = {"choices": [{"message": message, "finish_reason": self._finish or "stop"}]}
        return Reply(canonical({**body, **({} if self._usage is None else {"usage": dict(self._usage)})}))


def streamed(request: Request, *, with_usage: bool) -> dict[str, JSON]:
    """The body that asks for a request's reply piece by piece. with_usage: and for its count of tokens at the end."""
    asked = {"stream_options": {"include_usage": True}} if with_usage else {}
    return {**request.wire, "stream": True, **asked}


def refuses_usage(status: int, content: bytes) -> bool:
    """Whether a server does not know how to count the tokens of a stream."""
    return status in (400, 422) and b"stream_options" in content


def whole_piece(reply: Reply) -> Piece:
    """A reply that came at once."""
    usage = reply.body.get("usage")
    return Piece(reply.text, reply.finish_reasons[0], usage if isinstance(usage, dict) else None)


class Events:
    """Reads a `text/event-stream` as its bytes come.

    is_whole: whether the reply has ended, by its finish reason or by `[DONE]`. is_done: whether `[DONE]` was there.
    """

    def __init__(self) -> None:
        self.is_whole = self.is_done = False
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, content: bytes) -> list[Piece]:
        """The pieces that more bytes complete. Raises MaybeBilled where the server says that it failed, or sends what
        is no JSON object."""
        *lines, self._rest = (self._rest + content).split(b"\n")
        if len(self._rest) > MOST_BYTES:
            raise MaybeBilled("The server sent a line that does not end.", status=200)
        pieces = []
        for line in lines:
            line = line.rstrip(b"\r")
            if line.startswith(b"data:"):
                self._data.append(line[5:])
            elif line.startswith(b"error:"):  # llama.cpp, where it fails in the midst of a reply
                raise MaybeBilled(f"The server broke off the stream: {_shown(line[6:])}.")
            elif not line and self._data:
                piece = self._event(b"\n".join(self._data).strip())
                self._data = []
                if piece is not None:
                    pieces.append(piece)
        return pieces

    def _event(self, data: bytes) -> Piece | None:
        if data == b"[DONE]" or self.is_done:
            self.is_done = self.is_whole = True
            return None
        try:
            piece = piece_of(json.loads(data))
        except (ValueError, RecursionError):
            raise MaybeBilled(f"The server sent an event that is no JSON: {_shown(data)}.", status=200) from None
        self.is_whole = self.is_whole or piece.finish_reason is not None
        return piece


def piece_of(event: Any) -> Piece:
    """The piece in one event: the first choice's text."""
    if not isinstance(event, dict) or event.get("error"):
        raise MaybeBilled(f"The server broke off the stream: {str(event)[:200]!r}.", status=200)
    usage = event.get("usage")
    counted = usage if isinstance(usage, dict) else None
    choices = event.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and choice.get("index", 0) == 0:
            delta = choice.get("delta") or {}
            text, reason = delta.get("content") if isinstance(delta, dict) else None, choice.get("finish_reason")
            return Piece(text if isinstance(text, str) else "", str(reason) if reason else None, counted)
    return Piece(usage=counted)


def _shown(content: bytes) -> str:
    return repr(content[:200].decode("utf-8", "replace"))
