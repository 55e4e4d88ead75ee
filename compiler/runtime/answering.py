"""Who answers a frozen program in production: a server, an LM of the user's, or any function."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, closing
from dataclasses import replace
from typing import Protocol

from ...signatures.errors import FrozenError, LMError
from ..lm.connection import HTTPConnection
from ..lm.encoders import Encoder, as_encoder, encoder_named, model_and_rest
from ..lm.failures import AttemptFailure, ContentRefused, ContextOverflow, Permanent
from ..lm.from_user import as_lm
from ..lm.lm import LM
from ..lm.request import Reply, Request
from ..lm.retries import surfaced
from .pieces import Piece

TIMEOUT = 60.0  # seconds for one attempt, where the user gives no LM of their own
RETRIES = 2
LONGEST_RETRY_AFTER = 10.0  # seconds; a server that asks for more is not waited for
WAITS = (0.5, 2.0)  # seconds, at most, before each retry


class Sender(Protocol):
    """One attempt at a request, from any thread or event loop. Raises one of the failures of `failures.py`.

    seconds: for the attempt, None for the time-out that the sender was built with. A stream's are from byte to byte.
    """

    def attempt(self, request: Request, seconds: float | None = None) -> Reply: ...
    async def aattempt(self, request: Request, seconds: float | None = None) -> Reply: ...
    def stream(self, request: Request, seconds: float | None = None) -> Generator[Piece, None, None]: ...
    def astream(self, request: Request, seconds: float | None = None) -> AsyncGenerator[Piece, None]: ...


class Answering:
    """Builds requests for one model and answers them. Immutable; what `named` and `within` give shares the connections.

    lm: asks with the frozen parameters only; an LM's own sampling defaults do not count.
    """

    def __init__(
        self, lm: LM, sender: Sender, sleep: Callable[[float], None] = time.sleep, seconds: float | None = None
    ) -> None:
        self.lm = lm
        self._sender = sender
        self._sleep = sleep
        self._seconds = seconds

    def open(self) -> None:
        """Loads a model that runs in this process, so that the first request need not wait. Asks nothing.

        Raises LMError where it cannot be loaded.
        """
        if hasattr(self._sender, "open"):
            self._sender.open()

    def within(self, seconds: float | None) -> Answering:
        """The same with so many seconds for an attempt; None: with those that it has."""
        if seconds is None:
            return self
        if not seconds > 0:
            raise LMError(f"timeout={seconds!r} is no time in which anybody answers. Give seconds, such as 10.")
        if getattr(self._sender, "keeps_its_time", False):
            raise LMError(
                "timeout= cannot end a plain function, which keeps its own time. Limit the call inside the function, "
                "or pass an `async def` one."
            )
        return Answering(self.lm, self._sender, self._sleep, seconds)

    def named(self, model: str) -> Answering:
        """Another model of the same server, client or function. Raises LMError where one model is all there is."""
        connection: object = self.lm.connection
        if model.startswith("local/") or getattr(connection, "sha256", None) is not None:
            return answering(model, model).within(self._seconds)  # a model of this process is its own server
        if isinstance(connection, HTTPConnection):
            connection = replace(connection, model=model, price=None)
        elif _is_of_openai(connection):
            connection = replace(connection, model=model)  # type: ignore[type-var]
        else:
            raise LMError(f"{self.lm!r} is one model and cannot be asked for {model!r}. Pass lm= that is it.")
        return Answering(LM(model, client=connection), self._sender, self._sleep, self._seconds)

    def answer(self, request: Request) -> Reply | ContextOverflow | ContentRefused:
        """The reply; a refusal or an overflow as a value. Raises LMError, naming the model and what to do."""
        for retry in range(RETRIES + 1):
            try:
                return self._sender.attempt(request, self._seconds)
            except (ContextOverflow, ContentRefused) as failure:
                return failure
            except AttemptFailure as failure:
                self._sleep(self._wait(retry, failure))
        raise AssertionError("unreachable")

    async def aanswer(self, request: Request) -> Reply | ContextOverflow | ContentRefused:
        """The same in an event loop."""
        import asyncio

        for retry in range(RETRIES + 1):
            try:
                return await self._sender.aattempt(request, self._seconds)
            except (ContextOverflow, ContentRefused) as failure:
                return failure
            except AttemptFailure as failure:
                await asyncio.sleep(self._wait(retry, failure))
        raise AssertionError("unreachable")

    def stream(self, request: Request) -> Generator[Piece, None, None]:
        """The pieces of the reply. A failure before the first one is tried again, as `answer` does.

        Raises ContextOverflow and ContentRefused as they are, LMError on anything else: what is gone out stays out.
        """
        for retry in range(RETRIES + 1):
            begun = False
            try:
                with closing(self._sender.stream(request, self._seconds)) as pieces:
                    for piece in pieces:
                        begun = True
                        yield piece
                return
            except (ContextOverflow, ContentRefused):
                raise
            except AttemptFailure as failure:
                self._sleep(self._wait(RETRIES if begun else retry, failure))

    async def astream(self, request: Request) -> AsyncGenerator[Piece, None]:
        """The same in an event loop."""
        import asyncio

        for retry in range(RETRIES + 1):
            begun = False
            try:
                async with aclosing(self._sender.astream(request, self._seconds)) as pieces:
                    async for piece in pieces:
                        begun = True
                        yield piece
                return
            except (ContextOverflow, ContentRefused):
                raise
            except AttemptFailure as failure:
                await asyncio.sleep(self._wait(RETRIES if begun else retry, failure))

    def _wait(self, retry: int, failure: AttemptFailure) -> float:
        """Seconds until the next attempt. Raises LMError where there is none."""
        if isinstance(failure, Permanent):
            raise surfaced(self.lm.model, failure) from None
        asked = failure.retry_after or 0.0
        if retry == RETRIES or asked > LONGEST_RETRY_AFTER:
            remedy = f"The server asks to wait {asked:g} seconds." if asked else "Check the server and call again."
            raise LMError(f"{self.lm.model}: {failure} That was attempt {retry + 1}. {remedy}") from None
        return max(asked, random.uniform(0.0, WAITS[retry]))


def answering(lm: object, model: str) -> Answering:
    """Who answers for `lm`: None (the model of the file, reached as the environment says), a model name, a
    `burnish.LM`, an openai client, a `dspy.LM`, or a function of messages and parameters that returns the text or its
    pieces, or is asynchronous.

    Raises LMError when it is none of these or cannot be reached as described.
    """
    if isinstance(lm, Answering):
        return lm
    if lm is None or isinstance(lm, str):
        return _connected(LM(lm or model, timeout=TIMEOUT))
    if _is_from(lm, "openai"):
        return _connected(LM(model, client=lm))
    if callable(lm) and not isinstance(lm, LM) and not _is_from(lm, "dspy"):
        from .function_sender import FunctionSender

        return Answering(LM(model, client=HTTPConnection(model, "function")), FunctionSender(lm))
    return _connected(as_lm(lm))


def encoding(encoder: object, name: str) -> Answering:
    """Who embeds queries for a file whose demonstrations were embedded by the encoder called `name` (`Encoder.name`).

    encoder: as for `same_encoder`, or a function of a list of texts that returns their vectors, which is believed to be
    that encoder. Raises FrozenError as that does.
    """
    if isinstance(encoder, Answering):
        return encoder
    if callable(encoder) and not isinstance(encoder, LM) and not _is_from(encoder, "openai"):
        from .function_sender import Named, VectorSender

        return Answering(Named(name), VectorSender(encoder))
    return _connected(same_encoder(encoder, name))


def same_encoder(encoder: object, name: str) -> Encoder:
    """The encoder called `name`: None (reached as the environment says), what `as_encoder` takes, an openai client.

    Raises FrozenError, saying what to pass, when it cannot be reached as described or is another one.
    """
    wanted = f"This file picks demonstrations by vectors of {name!r}"
    model, _ = model_and_rest(name)
    if _is_from(encoder, "openai"):
        encoder = (encoder, model)
    try:
        found = encoder_named(name) if encoder is None else as_encoder(encoder)
        if found.name == name and isinstance(found.connection, HTTPConnection):
            found.connection.headers()  # where a key is needed and missing, it is said now
    except LMError as error:
        raise FrozenError(
            f"{wanted}, which cannot be asked: {error} Pass load(path, encoder=...) with that encoder: "
            f"burnish.LM({model!r}, base_url=...), burnish.SentenceTransformer(...), an openai client, or a function "
            "from texts to vectors."
        ) from None
    if found.name != name:
        raise FrozenError(
            f"{wanted}, and encoder= is {found.name!r}, whose vectors cannot be compared with them. Pass "
            "load(path, encoder=...) with the encoder of the file, or compile again with this one."
        )
    return found


def _is_from(lm: object, package: str) -> bool:
    return any(base.__module__.split(".")[0] == package for base in type(lm).__mro__)


def _is_of_openai(connection: object) -> bool:
    # Without importing what is in it: whoever has such a connection has done so.
    return type(connection).__name__ == "ClientConnection"


def _connected(lm: LM) -> Answering:
    connection = lm.connection
    # Of an LM its own sampling defaults do not count; an encoder has none.
    plain = lm if isinstance(lm, Encoder) else LM(lm.model, client=connection)
    if isinstance(connection, HTTPConnection):
        from .http_sender import HTTPSender

        return Answering(plain, HTTPSender(connection))
    if _is_of_openai(connection):
        from .client_sender import ClientSender

        return Answering(plain, ClientSender(connection))
    from .transport_sender import TransportSender

    return Answering(plain, TransportSender(connection))
