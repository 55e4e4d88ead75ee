"""A client of the openai SDK as the way to a model: its authentication and its proxies, our retries and our cache."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...signatures.canonical import JSON
from ...signatures.errors import LMError
from .endpoints import OPENAI_URL, normalized
from .failures import AttemptFailure, MaybeBilled, Permanent, Unbilled
from .prices import Price, price_of
from .request import Reply, Request, Transport
from .threads import THREADS, ThreadedTransport
from .wire import failure_of, reply_of, wants_completion_tokens, with_completion_tokens

_CONTENT = {"chat": "messages", "completion": "prompt", "embedding": "input"}


@dataclass(frozen=True, eq=False)
class ClientConnection:
    """A copy of an `openai.OpenAI`, `AsyncOpenAI` or Azure client that does not retry by itself.

    An asynchronous client gets connections of its own for Burnish's event loop, unless it was built with an
    `http_client`: then nobody else may use it meanwhile.
    """

    client: Any
    model: str

    max_concurrency = THREADS

    @classmethod
    def of(cls, client: Any, model: str, timeout: float) -> ClientConnection:
        """Raises LMError on anything that is not a client of the openai SDK."""
        if not type(client).__module__.startswith("openai") or not hasattr(client, "with_options"):
            raise LMError(
                f"LM({model!r}, client={client!r}): client= takes an openai.OpenAI, AsyncOpenAI, AzureOpenAI or "
                "AsyncAzureOpenAI. For other servers pass base_url= and api_key=."
            )
        return cls(client.with_options(max_retries=0, timeout=timeout), model)

    @property
    def endpoint(self) -> str:
        return normalized(str(self.client.base_url))

    @property
    def price(self) -> Price | None:
        return price_of(self.model) if self.endpoint == OPENAI_URL else None

    def identity(self) -> Mapping[str, JSON]:
        return {}

    def open(self) -> Transport:
        if inspect.iscoroutinefunction(type(self.client).post):
            return AsyncClientTransport(self.client)
        return ClientTransport(self.client)


class ClientTransport(ThreadedTransport):
    """Sends through a synchronous client, in threads."""

    def __init__(self, client: Any) -> None:
        super().__init__()
        self._client = client
        self._completion_tokens = False  # what this model calls the limit on its reply; learnt from a refusal

    def send(self, request: Request) -> Reply:
        body = with_completion_tokens(request.wire) if self._completion_tokens else request.wire
        status, content, headers = self._post(request, body)
        if not self._completion_tokens and wants_completion_tokens(status, content):
            self._completion_tokens = True  # the refusal cost nothing, so this is still the one attempt
            status, content, headers = self._post(request, with_completion_tokens(body))
        return _read(request, status, content, headers)

    def _post(self, request: Request, body: Mapping[str, JSON]) -> tuple[int, bytes, Mapping[str, str]]:
        import openai

        create, arguments = _call(self._client, request, body)
        try:
            answer = create(**arguments)
        except openai.APIStatusError as error:
            return error.status_code, error.response.content, error.response.headers
        except openai.APIConnectionError as error:
            raise unreached(error, openai.APITimeoutError) from error
        return answer.status_code, answer.http_response.content, answer.headers


class AsyncClientTransport:
    """Sends through an asynchronous client, in the loop."""

    def __init__(self, client: Any) -> None:
        """Connections may belong to another event loop, or to one that has ended: those here are new."""
        self._own = self.has_own_connections(client)
        self.client = _with_new_connections(client) if self._own else client
        self._completion_tokens = False

    @staticmethod
    def has_own_connections(client: Any) -> bool:
        """Whether the SDK has built the client's connections; else it was the user, with `http_client=`."""
        return type(client._client).__name__ == "AsyncHttpxClientWrapper"

    async def attempt(self, request: Request) -> Reply:
        body = with_completion_tokens(request.wire) if self._completion_tokens else request.wire
        status, content, headers = await self._post(request, body)
        if not self._completion_tokens and wants_completion_tokens(status, content):
            self._completion_tokens = True
            status, content, headers = await self._post(request, with_completion_tokens(body))
        return _read(request, status, content, headers)

    async def _post(self, request: Request, body: Mapping[str, JSON]) -> tuple[int, bytes, Mapping[str, str]]:
        import openai

        create, arguments = _call(self.client, request, body)
        try:
            answer = await create(**arguments)
        except openai.APIStatusError as error:
            return error.status_code, error.response.content, error.response.headers
        except openai.APIConnectionError as error:
            raise unreached(error, openai.APITimeoutError) from error
        return answer.status_code, answer.http_response.content, answer.headers

    async def close(self) -> None:
        if self._own:
            await self.client.close()


def _with_new_connections(client: Any) -> Any:
    import openai

    return client.copy(http_client=openai.DefaultAsyncHttpxClient(timeout=client.timeout, base_url=client.base_url))


def _call(client: Any, request: Request, body: Mapping[str, JSON]) -> tuple[Any, dict[str, Any]]:
    """The SDK's method for a request and its arguments: all but the content goes in as it stands."""
    resource = {"chat": client.chat.completions, "completion": client.completions, "embedding": client.embeddings}
    content = _CONTENT[request.kind]
    rest = {name: value for name, value in body.items() if name not in ("model", content)}
    if request.kind == "embedding":
        rest.setdefault("encoding_format", "float")  # the SDK's own default is base64
    arguments = {"model": body["model"], content: body[content], "extra_body": rest}
    return resource[request.kind].with_raw_response.create, arguments


def _read(request: Request, status: int, content: bytes, headers: Mapping[str, str]) -> Reply:
    if status != 200:
        raise failure_of(status, content, headers, request.kind)
    return reply_of(request, content)


def unreached(error: Exception, timed_out: type[Exception]) -> AttemptFailure:
    """What an APIConnectionError of the SDK means. timed_out: its class of time-outs."""
    # The SDK names httpx's reasons by their classes only; which httpx that is differs between its versions.
    reason = type(error.__cause__).__name__
    if reason in ("ConnectError", "ConnectTimeout"):
        words = str(error.__cause__)
        if "CERTIFICATE_VERIFY_FAILED" in words:
            return Permanent(f"The server's certificate is not trusted: {words}.")
        return Unbilled(f"The server cannot be reached: {words}.")
    if isinstance(error, timed_out):
        return MaybeBilled("The server gave no reply within the LM's timeout.", timed_out=True)
    return MaybeBilled(f"The connection to the server broke: {reason} {error}.")
