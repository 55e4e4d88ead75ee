"""AiohttpTransport: the default way to a server, a fifth of the work a request costs through the openai SDK."""

from __future__ import annotations

import asyncio
import ssl
import urllib.request
from collections.abc import Mapping
from urllib.parse import urljoin, urlsplit

import aiohttp

from ...signatures.canonical import canonical
from .failures import MaybeBilled, Permanent, Unbilled
from .request import PATHS, Reply, Request
from .wire import failure_of, reply_of, wants_completion_tokens, with_completion_tokens

KEEP_ALIVE_SECONDS = 4.0  # below the 5 seconds after which common servers drop an idle connection under a request
CONNECT_SECONDS = 10.0


class AiohttpTransport:
    """Posts to one server over kept connections. How many are in flight is the client's business."""

    def __init__(self, base_url: str, headers: Mapping[str, str], timeout: float) -> None:
        self._base_url = base_url
        self._headers = headers
        self._seconds = timeout
        self._proxy = _proxy(base_url)
        self._session: aiohttp.ClientSession | None = None
        self._completion_tokens = False  # what this model calls the limit on its reply; learnt from a refusal

    async def attempt(self, request: Request) -> Reply:
        body = self._renamed(request) if self._completion_tokens else request.wire_json
        status, content, headers = await self.post(PATHS[request.kind], body)
        if not self._completion_tokens and wants_completion_tokens(status, content):
            self._completion_tokens = True  # the refusal cost nothing, so this is still the one attempt
            status, content, headers = await self.post(PATHS[request.kind], self._renamed(request))
        if status != 200:
            raise failure_of(status, content, headers, request.kind)
        return reply_of(request, content)

    @staticmethod
    def _renamed(request: Request) -> str:
        return canonical(with_completion_tokens(request.wire))

    async def post(self, path: str, body: str) -> tuple[int, bytes, Mapping[str, str]]:
        """Status, content and headers of the answer. Raises Unbilled, MaybeBilled or Permanent when there is none."""
        url = urljoin(f"{self._base_url}/", path)
        try:
            async with self._open().post(
                url, data=body.encode("utf-8"), headers=self._headers, proxy=self._proxy, allow_redirects=False
            ) as response:
                return response.status, await response.read(), response.headers
        except (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError) as error:
            raise Permanent(f"The certificate of {self._base_url} is not trusted: {error}.") from error
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Unbilled(f"{self._base_url} cannot be reached: {error}.") from error
        except asyncio.TimeoutError as error:
            raise MaybeBilled(
                f"{self._base_url} gave no reply within {self._seconds:g} seconds.", timed_out=True
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise MaybeBilled(f"The connection to {self._base_url} broke: {type(error).__name__} {error}.") from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS),
                timeout=aiohttp.ClientTimeout(total=self._seconds, sock_connect=CONNECT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def _proxy(base_url: str) -> str | None:
    """The proxy that the environment names for this server, found once: looking it up for each request is slow."""
    parts = urlsplit(base_url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get(parts.scheme)
