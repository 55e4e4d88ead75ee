"""What an HTTP answer of an OpenAI-compatible server means: a whole reply, or one of the failures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from time import time

from ...signatures.canonical import JSON
from .failures import AttemptFailure, ContentRefused, ContextOverflow, MaybeBilled, Permanent, Unbilled
from .request import Kind, Reply, Request, whole

_OVERFLOW = ("context_length_exceeded", "exceed_context_size", "context length", "context size", "context window")
_TOO_LARGE = "too large to process"
_FILTERED = ("content_filter", "content_policy", "content management policy")


def reply_of(request: Request, content: bytes) -> Reply:
    """The whole reply in the body of an answer with status 200. Raises MaybeBilled when it is anything less."""
    try:
        reply = Reply(content.decode("utf-8"))
        if whole(request, reply):
            return reply
    except (ValueError, RecursionError):
        pass
    raise MaybeBilled(f"The server sent no whole reply: {content[:200].decode('utf-8', 'replace')!r}.", status=200)


def failure_of(status: int, content: bytes, headers: Mapping[str, str], kind: Kind = "chat") -> AttemptFailure:
    """What a status other than 200 means for money and for trying again. kind: of the request."""
    words = content[:4000].decode("utf-8", "replace")
    message = f"The server answered HTTP {status}: {_said(words)}"
    if status == 429 and "insufficient_quota" in words:
        return Permanent(f"{message} The account has no credit left: waiting does not help.", status=status)
    # llama.cpp's word for a text that it cannot embed in one go.
    if status == 500 and kind == "embedding" and _TOO_LARGE in words:
        return ContextOverflow(message, status=status)
    if status in (429, 503):
        return Unbilled(message, retry_after(headers), status)
    if status < 300 or status in (408, 409) or status >= 500:
        return MaybeBilled(message, retry_after(headers), status, timed_out=status in (408, 504))
    if status in (400, 413, 422) and any(sign in words.lower() for sign in _OVERFLOW):
        return ContextOverflow(message, status=status)
    if status == 400 and any(sign in words.lower() for sign in _FILTERED):
        return ContentRefused(message, status=status)
    if 300 <= status < 400:
        message = f"{message} It redirects to {headers.get('Location')!r}: pass the final address as base_url=."
    return Permanent(message, status=status)


def wants_completion_tokens(status: int, content: bytes) -> bool:
    """Whether a server refused `max_tokens` in favour of `max_completion_tokens`, as OpenAI's reasoning models do."""
    return status == 400 and b"max_completion_tokens" in content and b"max_tokens" in content


def with_completion_tokens(body: Mapping[str, JSON]) -> dict[str, JSON]:
    """The same body with the limit on the reply under its other name."""
    return {"max_completion_tokens" if name == "max_tokens" else name: value for name, value in body.items()}


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds the server asks to wait, from `retry-after-ms`, or `Retry-After` in seconds or as a date."""
    named = {name.lower(): value for name, value in headers.items()}
    milliseconds, seconds = _number(named.get("retry-after-ms")), _number(named.get("retry-after"))
    if milliseconds is not None:
        return milliseconds / 1000
    if seconds is not None or "retry-after" not in named:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(named["retry-after"]).timestamp() - time())
    except (ValueError, TypeError):
        return None


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else -1.0
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


def _said(words: str) -> str:
    """The server's own sentence, where the body has one."""
    try:
        error = json.loads(words)["error"]
        said = error["message"] if isinstance(error, dict) else error
    except (ValueError, KeyError, TypeError):
        said = words
    return f"{str(said).strip()[:500]!r}." if str(said).strip() else "nothing more."
