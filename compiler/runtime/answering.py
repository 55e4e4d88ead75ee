"""Who answers a frozen program in production: a server, an LM of the user's, or any function."""

from __future__ import annotations

import atexit
import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from ...signatures.canonical import canonical
from ...signatures.errors import FrozenError, LMError
from ..lm.connection import Connection, HTTPConnection
from ..lm.encoders import Encoder, as_encoder, encoder_named, model_and_rest
from ..lm.failures import AttemptFailure, ContentRefused, ContextOverflow, Permanent
from ..lm.from_user import as_lm
from ..lm.lm import LM
from ..lm.request import Reply, Request, Transport
from ..lm.retries import surfaced

if TYPE_CHECKING:
    import asyncio

TIMEOUT = 60.0  # seconds for one attempt, where the user gives no LM of their own
RETRIES = 2
LONGEST_RETRY_AFTER = 10.0  # seconds; a server that asks for more is not waited for
WAITS = (0.5, 2.0)  # seconds, at most, before each retry

Function: TypeAlias = Callable[[list[dict[str, str]], dict[str, Any]], str]


class Sender(Protocol):
    """One attempt at a request, from any thread: the reply, or one of the failures of `failures.py`."""

    def attempt(self, request: Request) -> Reply: ...


class Answering:
    """Builds requests for one model and answers them.

    lm: asks with the frozen parameters only; an LM's own sampling defaults do not count.
    """

    def __init__(self, lm: LM, sender: Sender, sleep: Callable[[float], None] = time.sleep) -> None:
        self.lm = lm
        self._sender = sender
        self._sleep = sleep

    def answer(self, request: Request) -> Reply | ContextOverflow | ContentRefused:
        """The reply; a refusal or an overflow as a value. Raises LMError, naming the model and what to do."""
        for retry in range(RETRIES + 1):
            try:
                return self._sender.attempt(request)
            except (ContextOverflow, ContentRefused) as failure:
                return failure
            except Permanent as failure:
                raise surfaced(self.lm.model, failure) from None
            except AttemptFailure as failure:
                asked = failure.retry_after or 0.0
                if retry == RETRIES or asked > LONGEST_RETRY_AFTER:
                    remedy = (
                        f"The server asks to wait {asked:g} seconds." if asked else "Check the server and call again."
                    )
                    raise LMError(f"{self.lm.model}: {failure} That was attempt {retry + 1}. {remedy}") from None
                self._sleep(max(asked, random.uniform(0.0, WAITS[retry])))
        raise AssertionError("unreachable")


def answering(lm: object, model: str) -> Answering:
    """Who answers for `lm`: None (the model of the file, reached as the environment says), a model name, a
    `burnish.LM`, an openai client, a `dspy.LM`, or a function of messages and parameters that returns the text.

    Raises LMError when it is none of these or cannot be reached as described.
    """
    if lm is None or isinstance(lm, str):
        return _connected(LM(lm or model, timeout=TIMEOUT))
    if _is_from(lm, "openai"):
        return _connected(LM(model, client=lm))
    if callable(lm) and not isinstance(lm, LM) and not _is_from(lm, "dspy"):
        return Answering(LM(model, client=HTTPConnection(model, "function")), _FunctionSender(lm))
    return _connected(as_lm(lm))


def encoding(encoder: object, name: str) -> Answering:
    """Who embeds queries for a file whose demonstrations were embedded by the encoder called `name` (`Encoder.name`).

    encoder: as for `same_encoder`, or a function of a list of texts that returns their vectors, which is believed to be
    that encoder. Raises FrozenError as that does.
    """
    if callable(encoder) and not isinstance(encoder, LM) and not _is_from(encoder, "openai"):
        return Answering(Named(name), _VectorSender(encoder))
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


def _connected(lm: LM) -> Answering:
    connection = lm.connection
    # Of an LM its own sampling defaults do not count; an encoder has none.
    plain = lm if isinstance(lm, Encoder) else LM(lm.model, client=connection)
    if isinstance(connection, HTTPConnection):
        from .http_sender import HTTPSender

        return Answering(plain, HTTPSender(connection))
    return Answering(plain, _TransportSender(connection))


class _FunctionSender:
    """A function in place of a server."""

    def __init__(self, function: Function) -> None:
        self._function = function

    def attempt(self, request: Request) -> Reply:
        messages: list[dict[str, str]] = request.wire["messages"]
        params = {name: value for name, value in request.wire.items() if name != "messages"}
        text = self._function(messages, params)
        if not isinstance(text, str):
            raise LMError(f"The function given as lm= returned {type(text).__name__}, not the text of a reply.")
        message = {"role": "assistant", "content": text}
        return Reply(canonical({"choices": [{"message": message, "finish_reason": "stop"}]}))


class Named(Encoder):
    """An encoder of which the name is all that is known."""

    def __init__(self, name: str) -> None:
        super().__init__(LM(name.partition(" ")[0], client=HTTPConnection(name, "function")))
        self.__dict__["name"] = name


class _VectorSender:
    """A function in place of an encoder."""

    def __init__(self, function: Callable[[list[str]], Sequence[Sequence[float]]]) -> None:
        self._function = function

    def attempt(self, request: Request) -> Reply:
        rows = [[float(value) for value in vector] for vector in self._function(list(request.body["input"]))]
        return Reply(json.dumps({"data": [{"index": place, "embedding": row} for place, row in enumerate(rows)]}))


class _TransportSender:
    """Any other way to a model, such as a client object: its transport, in an event loop of our own."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._transport: Transport | None = None

    def attempt(self, request: Request) -> Reply:
        import asyncio

        return asyncio.run_coroutine_threadsafe(self._attempt(request), self._running()).result()

    async def _close(self) -> None:
        if self._transport is not None:
            await self._transport.close()

    async def _attempt(self, request: Request) -> Reply:
        if self._transport is None:
            self._transport = self._connection.open()
        return await self._transport.attempt(request)

    def _running(self) -> asyncio.AbstractEventLoop:
        import asyncio

        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="burnish-runtime", daemon=True).start()
                atexit.register(self._end)
            return self._loop

    def _end(self) -> None:
        import asyncio

        if self._loop is not None:
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(timeout=5)
            self._loop.call_soon_threadsafe(self._loop.stop)
