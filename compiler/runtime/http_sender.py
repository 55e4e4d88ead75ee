"""The runtime's own client: keep-alive, few imports, so that the first request is out in milliseconds."""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import select
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit

from ...signatures.canonical import JSON, canonical
from ..lm.connection import HTTPConnection
from ..lm.failures import MaybeBilled, Permanent, Unbilled
from ..lm.request import PATHS, Reply, Request
from ..lm.wire import failure_of, reply_of, wants_completion_tokens, with_completion_tokens
from .pieces import Events, Piece, refuses_usage, streamed, whole_piece
from .response import Deadline, HeadTooLong, Response

if TYPE_CHECKING:
    import ssl

IDLE = 16  # open connections kept for later calls
CONNECT_SECONDS = 10.0

Link: TypeAlias = http.client.HTTPConnection


class HTTPSender:
    """Posts requests to one server, from any thread. It never retries and follows no redirect.

    On behalf of an event loop each attempt runs in a thread, one of `threads.OWN`; one that is cancelled hangs up, so
    that thread and server are free at once, or as soon as a connection that is being made is there or is given up.
    """

    def __init__(self, connection: HTTPConnection) -> None:
        self._connection = connection
        self._url = urlsplit(connection.base_url)
        self._proxy = _proxy(self._url)
        self._tls = _tls() if self._url.scheme == "https" else None
        self._completion_tokens: set[str] = set()  # models that call the limit on their reply so; learnt from refusals
        self._counts_streams = True  # until it refuses to
        self._idle: list[Link] = []
        self._pid = os.getpid()
        self._lock = threading.Lock()

    def attempt(self, request: Request, seconds: float | None = None, line: Line | None = None) -> Reply:
        """The whole reply. Raises one of the failures of `failures.py`; LMError when a needed key is not given.

        seconds: until the reply is whole, else the connection's time-out. line: lets another thread hang up.
        """
        exchange = self._ask(request, request.wire, seconds, line or Line())
        return reply_of(request, self._content(exchange))

    async def aattempt(self, request: Request, seconds: float | None = None) -> Reply:
        from .threads import in_thread

        line = Line()
        return await in_thread(lambda: self.attempt(request, seconds, line), line.hang_up)

    def stream(
        self, request: Request, seconds: float | None = None, line: Line | None = None
    ) -> Generator[Piece, None, None]:
        """The pieces of the reply as they come. seconds: until its first byte, and from byte to byte.

        A server that does not stream gives one piece. Raises as `attempt` does; MaybeBilled where the end is missing.
        """
        exchange = self._ask(request, None, seconds, line or Line())
        response, deadline = exchange.response, exchange.deadline
        if "text/event-stream" not in response.headers.get("Content-Type", ""):
            yield whole_piece(reply_of(request, self._content(exchange)))
            return
        events = Events()
        try:
            deadline.from_byte_to_byte()
            while not events.is_done and (content := response.read1(65536)):
                yield from events.feed(content)
            deadline.for_what_is_left()
            while response.read1(65536):
                pass  # so that the connection can be used again
        except (OSError, http.client.HTTPException) as error:
            if not events.is_done:
                raise self._broken(error, deadline.seconds) from None
        finally:
            self._keep(exchange)
        if not events.is_whole:
            raise MaybeBilled(f"{self._connection.base_url} ended the stream before the reply was whole.")

    def astream(self, request: Request, seconds: float | None = None) -> AsyncGenerator[Piece, None]:
        from .threads import iterate_in_threads

        line = Line()
        return iterate_in_threads(self.stream(request, seconds, line), line.hang_up)

    def close(self) -> None:
        """Closes idle connections; a later attempt opens new ones."""
        with self._lock:
            idle, self._idle = self._idle, []
        for link in idle:
            link.close()

    def _ask(self, request: Request, body: Mapping[str, JSON] | None, seconds: float | None, line: Line) -> Exchange:
        """A response of status 200, of which nothing is read yet. body: None for a stream."""
        model = str(request.body.get("model"))
        while True:
            sent = streamed(request, with_usage=self._counts_streams) if body is None else body
            renamed = model in self._completion_tokens
            text = canonical(with_completion_tokens(sent) if renamed else sent)
            exchange = self._post(PATHS[request.kind], text, seconds, line)
            if exchange.response.status == 200:
                return exchange
            status, headers = exchange.response.status, dict(exchange.response.headers.items())
            content = self._content(exchange)
            # A refusal cost nothing, so that what it asks for is still the one attempt.
            if not renamed and wants_completion_tokens(status, content):
                self._completion_tokens.add(model)
            elif "stream_options" in sent and refuses_usage(status, content):
                self._counts_streams = False
            else:
                raise failure_of(status, content, headers, request.kind)

    def _post(self, path: str, body: str, seconds: float | None, line: Line) -> Exchange:
        headers = {**self._connection.headers(), "Accept": "application/json"}
        if self._proxy is not None and self._tls is None:
            headers.update(_credentials(self._proxy))
        limit = self._connection.timeout if seconds is None else seconds
        link = self._take(limit)
        assert link.sock is not None
        deadline = Deadline(link.sock, limit)
        link.response_class = partial(Response, deadline=deadline)  # type: ignore[assignment]  # called like a class
        line.connect(link.sock)
        try:
            link.request("POST", f"{self._target}/{path}", body.encode("utf-8"), headers)
            return Exchange(link, link.getresponse(), deadline, line)
        except (OSError, http.client.HTTPException) as error:
            link.close()
            raise self._broken(error, limit) from None

    def _content(self, exchange: Exchange) -> bytes:
        pieces: list[bytes] = []
        response = exchange.response
        try:
            while not response.isclosed() and (piece := response.read1(2**20)):
                pieces.append(piece)
            if response.length:
                raise http.client.IncompleteRead(b"", response.length)
        except (OSError, http.client.HTTPException) as error:
            raise self._broken(error, exchange.deadline.seconds) from None
        finally:
            self._keep(exchange)
        return b"".join(pieces)

    def _broken(self, error: Exception, seconds: float) -> MaybeBilled:
        place = self._connection.base_url
        if isinstance(error, TimeoutError):
            return MaybeBilled(f"{place} gave no reply within {seconds:g} seconds.", timed_out=True)
        if isinstance(error, HeadTooLong):
            return MaybeBilled(f"{place} gave no reply that can be read: {error}. Check that it is a model's server.")
        return MaybeBilled(f"The connection to {place} broke: {type(error).__name__} {error}.")

    @property
    def _target(self) -> str:
        # A proxy is asked for the whole address, but for TLS, which passes through it.
        return self._url.path if self._proxy is None or self._tls else self._connection.base_url

    # connections

    def _take(self, seconds: float) -> Link:
        while True:
            with self._lock:
                if self._pid != os.getpid():
                    self._idle, self._pid = [], os.getpid()  # after a fork they are the parent's
                link = self._idle.pop() if self._idle else None
            if link is None:
                return self._connect(min(seconds, CONNECT_SECONDS))
            if not _is_stale(link):
                return link
            link.close()

    def _keep(self, exchange: Exchange) -> None:
        """For a later call, where the response was read to its end; closed otherwise."""
        response, link = exchange.response, exchange.link
        at_end = response.isclosed() if response.length is None else response.length == 0
        # Nobody may hang up on a connection that another call is using by then.
        can_stay = exchange.line.release() and at_end and not response.will_close
        response.close()
        with self._lock:
            if can_stay and len(self._idle) < IDLE:
                self._idle.append(link)
                return
        link.close()

    def _connect(self, seconds: float) -> Link:
        link = self._link(seconds)
        try:
            link.connect()
        except (OSError, http.client.HTTPException) as error:
            link.close()
            if type(error).__name__ == "SSLCertVerificationError":
                raise Permanent(f"The certificate of {self._connection.base_url} is not trusted: {error}.") from None
            raise Unbilled(f"{self._connection.base_url} cannot be reached: {_words(error)}.") from None
        return link

    def _link(self, seconds: float) -> Link:
        to = self._proxy or self._url
        host = to.hostname or ""
        if self._tls is None:
            return http.client.HTTPConnection(host, to.port, timeout=seconds)
        link = http.client.HTTPSConnection(host, to.port, timeout=seconds, context=self._tls)
        if self._proxy is not None:
            # Of the proxy, to the request for a tunnel.
            link.response_class = _within(seconds)  # type: ignore[assignment]  # as above
            link.set_tunnel(self._url.hostname or "", self._url.port or 443, _credentials(self._proxy))
        return link


class Exchange(NamedTuple):
    """A request that was sent and the response that has begun."""

    link: Link
    response: http.client.HTTPResponse
    deadline: Deadline
    line: Line


class Line:
    """The connection that an attempt uses, so that another thread can end the attempt."""

    def __init__(self) -> None:
        self._sock: socket.socket | None = None
        self._hung_up = False
        self._lock = threading.Lock()

    def connect(self, sock: socket.socket) -> None:
        with self._lock:
            self._sock = sock
            if self._hung_up:
                _shut(sock)

    def release(self) -> bool:
        """The attempt is over. Returns whether it had its connection to the end, and nobody hung up."""
        with self._lock:
            self._sock = None
            return not self._hung_up

    def hang_up(self) -> None:
        with self._lock:
            self._hung_up = True
            if self._sock is not None:
                _shut(self._sock)


def _shut(sock: socket.socket) -> None:
    # TLS would first say goodbye, in a thread that does not own the connection.
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _within(seconds: float) -> Callable[..., Response]:
    return lambda sock, **given: Response(sock, deadline=Deadline(sock, seconds), **given)


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _is_stale(link: Link) -> bool:
    """Whether the server has closed an idle connection: nothing but its end can be there to read."""
    if link.sock is None:
        return True
    poll = select.poll()  # select() itself fails where a process has more than 1024 files open
    poll.register(link.sock, select.POLLIN)
    return bool(poll.poll(0))


def _tls() -> ssl.SSLContext:
    import ssl

    return ssl.create_default_context()  # takes 50 ms, so once for all connections


def _proxy(url: SplitResult) -> SplitResult | None:
    """The proxy that the environment names for this server."""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib.request import getproxies, proxy_bypass

    named = getproxies().get(url.scheme)
    if named is None or proxy_bypass(url.hostname or ""):
        return None
    return urlsplit(named if "//" in named else f"http://{named}")


def _credentials(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
