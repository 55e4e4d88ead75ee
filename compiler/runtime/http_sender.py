"""The runtime's own client: synchronous, keep-alive, few imports, so that the first request is out in milliseconds."""

from __future__ import annotations

import base64
import http.client
import os
import select
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit

from ...signatures.canonical import canonical
from ..lm.connection import HTTPConnection
from ..lm.failures import MaybeBilled, Permanent, Unbilled
from ..lm.request import PATHS, Reply, Request
from ..lm.wire import failure_of, reply_of, wants_completion_tokens, with_completion_tokens

if TYPE_CHECKING:
    import ssl

IDLE = 16  # open connections kept for later calls
CONNECT_SECONDS = 10.0

Link: TypeAlias = http.client.HTTPConnection


class HTTPSender:
    """Posts requests to one server, from any thread. It never retries and follows no redirect."""

    def __init__(self, connection: HTTPConnection) -> None:
        self._connection = connection
        self._url = urlsplit(connection.base_url)
        self._proxy = _proxy(self._url)
        self._tls = _tls() if self._url.scheme == "https" else None
        self._completion_tokens = False  # what this model calls the limit on its reply; learnt from a refusal
        self._idle: list[Link] = []
        self._lock = threading.Lock()

    def attempt(self, request: Request) -> Reply:
        """The whole reply. Raises one of the failures of `failures.py`; LMError when a needed key is not given."""
        body = _renamed(request) if self._completion_tokens else request.wire_json
        status, content, headers = self._post(PATHS[request.kind], body)
        if not self._completion_tokens and wants_completion_tokens(status, content):
            self._completion_tokens = True
            status, content, headers = self._post(PATHS[request.kind], _renamed(request))
        if status != 200:
            raise failure_of(status, content, headers, request.kind)
        return reply_of(request, content)

    def close(self) -> None:
        """Closes idle connections; a later attempt opens new ones."""
        with self._lock:
            idle, self._idle = self._idle, []
        for link in idle:
            link.close()

    def _post(self, path: str, body: str) -> tuple[int, bytes, Mapping[str, str]]:
        headers = {**self._connection.headers(), "Accept": "application/json"}
        if self._proxy is not None and self._tls is None:
            headers.update(_credentials(self._proxy))
        place, seconds = self._connection.base_url, self._connection.timeout
        link = self._take()
        try:
            link.request("POST", f"{self._target}/{path}", body.encode("utf-8"), headers)
            response = link.getresponse()
            content = response.read()
        except TimeoutError:
            link.close()
            raise MaybeBilled(f"{place} gave no reply within {seconds:g} seconds.", timed_out=True) from None
        except (OSError, http.client.HTTPException) as error:
            link.close()
            raise MaybeBilled(f"The connection to {place} broke: {type(error).__name__} {error}.") from None
        self._keep(link, response)
        return response.status, content, dict(response.headers.items())

    @property
    def _target(self) -> str:
        # A proxy is asked for the whole address, but for TLS, which passes through it.
        return self._url.path if self._proxy is None or self._tls else self._connection.base_url

    # connections

    def _take(self) -> Link:
        while True:
            with self._lock:
                link = self._idle.pop() if self._idle else None
            if link is None:
                return self._connect()
            if not _is_stale(link):
                return link
            link.close()

    def _keep(self, link: Link, response: http.client.HTTPResponse) -> None:
        with self._lock:
            if not response.will_close and len(self._idle) < IDLE:
                self._idle.append(link)
                return
        link.close()

    def _connect(self) -> Link:
        link = self._link()
        try:
            link.connect()
        except OSError as error:
            link.close()
            if type(error).__name__ == "SSLCertVerificationError":
                raise Permanent(f"The certificate of {self._connection.base_url} is not trusted: {error}.") from None
            raise Unbilled(f"{self._connection.base_url} cannot be reached: {error.strerror or error}.") from None
        assert link.sock is not None
        link.sock.settimeout(self._connection.timeout)
        return link

    def _link(self) -> Link:
        to = self._proxy or self._url
        host = to.hostname or ""
        if self._tls is None:
            return http.client.HTTPConnection(host, to.port, timeout=CONNECT_SECONDS)
        link = http.client.HTTPSConnection(host, to.port, timeout=CONNECT_SECONDS, context=self._tls)
        if self._proxy is not None:
            link.set_tunnel(self._url.hostname or "", self._url.port or 443, _credentials(self._proxy))
        return link


def _renamed(request: Request) -> str:
    return canonical(with_completion_tokens(request.wire))


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
