"""How a model is reached: who answers (its identity) and what opens the transport to it."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, cast, runtime_checkable

from ...signatures.calls import Spend
from ...signatures.canonical import JSON
from ...signatures.errors import LMError
from .endpoints import OPENAI_URL, SENTENCE_TRANSFORMERS, normalized
from .prices import Price
from .request import Reply, Request, Transport


@runtime_checkable
class Connection(Hashable, Protocol):
    """One way to one model. Equal connections share a transport and a limit on what is in flight.

    endpoint: identity of who answers, part of every request's key. model: the name to send.
    max_concurrency: most attempts in flight the server is built for, None where unknown.
    """

    @property
    def endpoint(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def price(self) -> Price | None: ...
    @property
    def max_concurrency(self) -> int | None: ...
    def identity(self) -> Mapping[str, JSON]:
        """What else tells this model from others, besides its name; without host, key or path."""
        ...

    def open(self) -> Transport:
        """A new transport, used in one event loop. May start what serves the model."""
        ...


class Asked(Protocol):
    """What a client needs of an `LM`: how to reach it and what its requests may cost."""

    @property
    def model(self) -> str: ...
    @property
    def endpoint(self) -> str: ...
    @property
    def connection(self) -> Connection: ...
    @property
    def max_concurrency(self) -> int | None: ...
    def bound(self, request: Request, /) -> Spend: ...
    def spend(self, request: Request, reply: Reply, /) -> Spend: ...


@dataclass(frozen=True)
class HTTPConnection:
    """A server that speaks the OpenAI protocol at base_url (normalised)."""

    model: str
    base_url: str
    api_key: str | None = field(default=None, repr=False)
    timeout: float = 120.0
    price: Price | None = None
    max_concurrency: int | None = None

    @property
    def endpoint(self) -> str:
        return self.base_url

    def identity(self) -> Mapping[str, JSON]:
        return {}

    def headers(self) -> dict[str, str]:
        """What goes with every request. Raises LMError when the OpenAI endpoint has no key."""
        key = self.api_key or os.environ.get("OPENAI_API_KEY")
        if not key and self.base_url == OPENAI_URL:
            raise LMError(
                f"LM({self.model!r}) goes to {OPENAI_URL}, which needs a key, and none was given. Set "
                "OPENAI_API_KEY, or pass LM(..., api_key=...), or base_url= for another server, or use "
                "'local/smollm2-135m-instruct'. Nothing was sent."
            )
        named = {
            "Authorization": f"Bearer {key}" if key else None,
            "OpenAI-Organization": os.environ.get("OPENAI_ORG_ID"),
            "OpenAI-Project": os.environ.get("OPENAI_PROJECT_ID"),
        }
        return {"Content-Type": "application/json", **{name: value for name, value in named.items() if value}}

    def open(self) -> Transport:
        from .aiohttp_transport import AiohttpTransport

        return AiohttpTransport(self.base_url, self.headers(), self.timeout)


def connect(model: str, base_url: str | None, api_key: str | None, client: object | None, timeout: float) -> Connection:
    """The connection that `LM(...)` describes."""
    if client is not None:
        if base_url is not None or api_key is not None:
            raise LMError(f"LM({model!r}): give either client= or base_url= and api_key=, not both.")
        if isinstance(client, Connection):
            return client
        from .openai_transport import ClientConnection

        return cast(Connection, ClientConnection.of(client, model, timeout))
    if model.startswith("local/"):
        from .local import LocalConnection

        return cast(Connection, LocalConnection.of(model, timeout))
    if model.startswith(SENTENCE_TRANSFORMERS):
        from .sentence_transformers import SentenceTransformerConnection

        name = model.removeprefix(SENTENCE_TRANSFORMERS)
        return cast(Connection, SentenceTransformerConnection.of(name, None, None))
    url = normalized(base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI_URL)
    if url == OPENAI_URL:
        # dspy and litellm write the provider before the name. Elsewhere the slash belongs to the name.
        model = model.removeprefix("openai/")
        if "/" in model:
            raise LMError(
                f"LM({model!r}) names a provider, but {OPENAI_URL} serves OpenAI's models only. Pass base_url= of an "
                "OpenAI-compatible endpoint that serves it, or a dspy.LM."
            )
    return HTTPConnection(model, url, api_key, timeout)
