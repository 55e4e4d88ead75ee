"""The user's own openai client: synchronous in threads, asynchronous in the user's loop or in ours."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Generator
from typing import Any

from ..lm.connection import Connection
from ..lm.failures import AttemptFailure, MaybeBilled
from ..lm.openai_transport import AsyncClientTransport, ClientConnection, unreached
from ..lm.request import Reply, Request
from ..lm.wire import failure_of, wants_completion_tokens, with_completion_tokens
from .pieces import Events, Piece, refuses_usage, streamed
from .threads import LOOP, iterate_in_threads
from .transport_sender import TransportSender, within


class ClientSender(TransportSender):
    """An asynchronous client that was built with an `http_client` of the user's belongs to the user's event loop, and
    is awaited there by asynchronous calls. Any other one gets connections of its own in our loop, so that it does not
    matter which loop runs, nor whether that one ends.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        assert isinstance(connection, ClientConnection)
        self._client = connection.client
        self._is_async = inspect.iscoroutinefunction(type(self._client).post)
        self._in_users_loop = self._is_async and not AsyncClientTransport.has_own_connections(self._client)
        self._completion_tokens: set[str] = set()
        self._counts_streams = True

    async def aattempt(self, request: Request, seconds: float | None = None) -> Reply:
        if self._in_users_loop:
            return await within(seconds, self._transport().attempt(request))
        return await super().aattempt(request, seconds)

    def stream(self, request: Request, seconds: float | None = None) -> Generator[Piece, None, None]:
        if self._is_async:
            yield from LOOP.iterate(self._apieces(request, seconds))
            return
        events = Events()
        while not events.is_whole:
            try:
                with self._create(self._client)(**self._arguments(request, seconds)) as response:
                    for content in response.iter_bytes():
                        yield from events.feed(content)
            except Exception as error:  # noqa: BLE001 (all but the SDK's own are raised again)
                self._learn(request, error)
            else:
                _check(events)

    def astream(self, request: Request, seconds: float | None = None) -> AsyncGenerator[Piece, None]:
        if not self._is_async:
            return iterate_in_threads(self.stream(request, seconds))
        pieces = self._apieces(request, seconds)
        return pieces if self._in_users_loop else LOOP.aiterate(pieces)

    async def _apieces(self, request: Request, seconds: float | None) -> AsyncGenerator[Piece, None]:
        transport = self._transport()
        assert isinstance(transport, AsyncClientTransport)
        events = Events()
        while not events.is_whole:
            try:
                async with self._create(transport.client)(**self._arguments(request, seconds)) as response:
                    async for content in response.iter_bytes():
                        for piece in events.feed(content):
                            yield piece
            except Exception as error:  # noqa: BLE001 (as above)
                self._learn(request, error)
            else:
                _check(events)

    @staticmethod
    def _create(client: Any) -> Any:
        return client.chat.completions.with_streaming_response.create

    def _arguments(self, request: Request, seconds: float | None) -> dict[str, Any]:
        body = streamed(request, with_usage=self._counts_streams)
        if body["model"] in self._completion_tokens:
            body = with_completion_tokens(body)
        rest = {name: value for name, value in body.items() if name not in ("model", "messages", "stream")}
        given = {} if seconds is None else {"timeout": seconds}
        return {"model": body["model"], "messages": body["messages"], "stream": True, "extra_body": rest, **given}

    def _learn(self, request: Request, error: Exception) -> None:
        """Returns where asking again in another way can help; raises what the error means otherwise."""
        import openai

        if isinstance(error, openai.APIStatusError):
            status, content, model = error.status_code, error.response.content, str(request.body["model"])
            if wants_completion_tokens(status, content) and model not in self._completion_tokens:
                self._completion_tokens.add(model)
            elif self._counts_streams and refuses_usage(status, content):
                self._counts_streams = False
            else:
                raise failure_of(status, content, error.response.headers) from error
        elif isinstance(error, openai.APIConnectionError):
            raise unreached(error, openai.APITimeoutError) from error
        elif isinstance(error, AttemptFailure) or not type(error).__module__.startswith("httpx"):
            raise error
        else:  # the SDK leaves what breaks within a stream to its HTTP library
            timed_out = "Timeout" in type(error).__name__
            raise MaybeBilled(f"The stream broke: {type(error).__name__} {error}.", timed_out=timed_out) from error


def _check(events: Events) -> None:
    if not events.is_whole:
        raise MaybeBilled("The server ended the stream before the reply was whole.")
