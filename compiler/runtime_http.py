"""The runtime's own client: synchronous, keep-alive, few imports, so that the first request is out in milliseconds."""

from __future__ import annotations

import http.client
import json
import select
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .lm.connection import HTTPConnection
from .lm.failures import AttemptFailure, ContentRefused, ContextOverflow, MaybeBilled, Permanent, Unbilled
from .lm.request import PATHS, Reply, Request

if TYPE_CHECKING:
    import ssl

IDLE = 16  # open connections kept for later calls
_OVERFLOW_WORDS = ("context_length_exceeded", "exceed_context_size", "context length", "context size", "context window")
_FILTER_WORDS = ("content_filter", "content_policy", "content management policy")


class HTTPSender:
    """Posts requests to one server, from any thread. It never retries and follows no redirect."""

    def __init__(self, connection: HTTPConnection) -> None:
        parts = urlsplit(connection.base_url)
        self._connection = connection
        self._host = parts.hostname or ""
        self._port = parts.port
        self._path = parts.path
        self._context = _tls() if parts.scheme == "https" else None
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()

    def attempt(self, request: Request) -> Reply:
        """The whole reply. Raises one of the failures of `failures.py`; LMError when a needed key is not given."""
        body = json.dumps(request.wire, separators=(",", ":")).encode("ascii")
        headers = {**self._connection.headers(), "Accept": "application/json"}
        link = self._take()
        try:
            link.request("POST", f"{self._path}/{PATHS[request.kind]}", body, headers)
            response = link.getresponse()
            content = response.read()
        except TimeoutError:
            link.close()
            seconds = self._connection.timeout
            raise MaybeBilled(f"{self._host} gave no reply within {seconds:g} seconds.", timed_out=True) from None
        except (OSError, http.client.HTTPException) as error:
            link.close()
            raise MaybeBilled(f"The connection to {self._host} broke: {error or type(error).__name__}.") from None
        self._keep(link, response)
        if response.status != 200:
            raise failure_of(response.status, content, _seconds(response.headers.get("Retry-After")))
        return _whole(content)

    def close(self) -> None:
        """Closes idle connections; a later attempt opens new ones."""
        with self._lock:
            idle, self._idle = self._idle, []
        for link in idle:
            link.close()

    def _take(self) -> http.client.HTTPConnection:
        while True:
            with self._lock:
                link = self._idle.pop() if self._idle else None
            if link is None:
                return self._connect()
            if not _is_stale(link):
                return link
            link.close()

    def _keep(self, link: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        with self._lock:
            if not response.will_close and len(self._idle) < IDLE:
                self._idle.append(link)
                return
        link.close()

    def _connect(self) -> http.client.HTTPConnection:
        link: http.client.HTTPConnection
        timeout = self._connection.timeout
        if self._context is None:
            link = http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        else:
            link = http.client.HTTPSConnection(self._host, self._port, timeout=timeout, context=self._context)
        try:
            link.connect()
        except OSError as error:
            link.close()
            if type(error).__name__ == "SSLCertVerificationError":
                raise Permanent(f"The certificate of {self._host} is not trusted here: {error}.") from None
            raise Unbilled(f"{self._host} cannot be reached: {error.strerror or error}.") from None
        return link


def _tls() -> ssl.SSLContext:
    import ssl

    return ssl.create_default_context()


def failure_of(status: int, content: bytes, retry_after: float | None) -> AttemptFailure:
    """What an HTTP status other than 200 means for trying again."""
    words = content[:2000].decode("utf-8", "replace")
    message = f"HTTP {status}: {words[:300].strip()}"
    if status in (429, 503):
        return Unbilled(message, retry_after, status)
    if status in (408, 409) or status >= 500:
        return MaybeBilled(message, retry_after, status)
    if status == 400 and any(word in words for word in _OVERFLOW_WORDS):
        return ContextOverflow(message, status=status)
    if status == 400 and any(word in words for word in _FILTER_WORDS):
        return ContentRefused(message, status=status)
    return Permanent(message, status=status)


def _whole(content: bytes) -> Reply:
    try:
        reply = Reply(content.decode("utf-8"))
        if reply.texts and all(reason != "None" for reason in reply.finish_reasons):
            return reply
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        pass
    raise MaybeBilled(f"The server sent no whole reply: {content[:200]!r}.", status=200)


def _is_stale(link: http.client.HTTPConnection) -> bool:
    """Whether the server has closed an idle connection: nothing but its end can be there to read."""
    return link.sock is None or bool(select.select([link.sock], [], [], 0)[0])


def _seconds(header: str | None) -> float | None:
    try:
        return None if header is None else max(0.0, float(header))
    except ValueError:
        return None  # a date: no server of this protocol sends one
