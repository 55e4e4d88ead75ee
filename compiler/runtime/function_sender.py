"""A function of the user's in place of a server."""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import Any, TypeAlias

from ...signatures.errors import LMError
from ..lm.connection import HTTPConnection
from ..lm.encoders import Encoder
from ..lm.lm import LM
from ..lm.request import Reply, Request
from .pieces import Gathered, Piece

Said: TypeAlias = "str | Iterable[str] | AsyncIterator[str] | Awaitable[str]"
Function: TypeAlias = Callable[[list[dict[str, str]], dict[str, Any]], Said]


class FunctionSender:
    """Calls a function with messages and parameters. It returns a text, or an iterator of its pieces; or it is
    asynchronous (`async def`, with `return` or `yield`), and then runs in the caller's event loop.
    """

    def __init__(self, function: Function) -> None:
        called = function if inspect.isroutine(function) else type(function).__call__
        self._function = function
        self._is_async = any(
            check(one)
            for check in (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
            for one in (function, called)
        )
        self.keeps_its_time = not self._is_async  # a plain function cannot be ended from outside

    def attempt(self, request: Request, seconds: float | None = None) -> Reply:
        return _gathered(self.stream(request, seconds))

    async def aattempt(self, request: Request, seconds: float | None = None) -> Reply:
        gathered = Gathered()
        async for piece in self.astream(request, seconds):
            gathered.add(piece)
        return gathered.reply()

    def stream(self, request: Request, seconds: float | None = None) -> Generator[Piece, None, None]:
        said = self._said(request)
        if isinstance(said, str):
            yield Piece(said)
        elif inspect.isawaitable(said) or hasattr(said, "__aiter__"):
            from .threads import LOOP

            yield from LOOP.iterate(_pieces(said, seconds))
        else:
            yield from map(_checked, _iterated(said))
        yield Piece(finish_reason="stop")

    async def astream(self, request: Request, seconds: float | None = None) -> AsyncGenerator[Piece, None]:
        from .threads import in_thread, iterate_in_threads

        said = self._said(request) if self._is_async else await in_thread(lambda: self._said(request))
        if isinstance(said, str):
            yield Piece(said)
        elif inspect.isawaitable(said) or hasattr(said, "__aiter__"):
            async with aclosing(_pieces(said, seconds)) as pieces:
                async for piece in pieces:
                    yield piece
        else:
            async with aclosing(iterate_in_threads(_iterated(said))) as texts:
                async for text in texts:
                    yield _checked(text)
        yield Piece(finish_reason="stop")

    def _said(self, request: Request) -> Any:
        messages: list[dict[str, str]] = request.wire["messages"]
        return self._function(messages, {name: value for name, value in request.wire.items() if name != "messages"})


async def _pieces(said: Any, seconds: float | None) -> AsyncGenerator[Piece, None]:
    """What an asynchronous function says. seconds: for the whole text, or from piece to piece."""
    import asyncio

    try:
        if inspect.isawaitable(said):
            said = await asyncio.wait_for(said, seconds)
        if not hasattr(said, "__aiter__"):
            yield _checked(said)
            return
        texts = said.__aiter__()
        try:
            while True:
                yield _checked(await asyncio.wait_for(texts.__anext__(), seconds))
        except StopAsyncIteration:
            return
        finally:
            if hasattr(texts, "aclose"):
                await texts.aclose()
    except asyncio.TimeoutError:
        if seconds is None:
            raise  # the function's own
        raise LMError(
            f"The function given as lm= gave no reply within {seconds:g} seconds. Raise timeout= or mend it."
        ) from None


def _iterated(said: Any) -> Iterator[Any]:
    if not hasattr(said, "__iter__") or isinstance(said, bytes | dict):
        raise _no_text(said)
    return iter(said)


def _checked(text: Any) -> Piece:
    if not isinstance(text, str):
        raise _no_text(text)
    return Piece(text)


def _no_text(said: object) -> LMError:
    return LMError(f"The function given as lm= returned {type(said).__name__}, not the text of a reply. Return a str.")


def _gathered(pieces: Iterator[Piece]) -> Reply:
    gathered = Gathered()
    for piece in pieces:
        gathered.add(piece)
    return gathered.reply()


class Named(Encoder):
    """An encoder of which the name is all that is known."""

    def __init__(self, name: str) -> None:
        super().__init__(LM(name.partition(" ")[0], client=HTTPConnection(name, "function")))
        self.__dict__["name"] = name


class VectorSender:
    """A function in place of an encoder. Only whole: vectors are not streamed."""

    keeps_its_time = True

    def __init__(self, function: Callable[[list[str]], Sequence[Sequence[float]]]) -> None:
        self._function = function

    def attempt(self, request: Request, seconds: float | None = None) -> Reply:
        rows = [[float(value) for value in vector] for vector in self._function(list(request.body["input"]))]
        return Reply(json.dumps({"data": [{"index": place, "embedding": row} for place, row in enumerate(rows)]}))

    async def aattempt(self, request: Request, seconds: float | None = None) -> Reply:
        from .threads import in_thread

        return await in_thread(lambda: self.attempt(request))

    def stream(self, request: Request, seconds: float | None = None) -> Generator[Piece, None, None]:
        raise LMError("Vectors come whole: an encoder has no stream. Call attempt().")

    def astream(self, request: Request, seconds: float | None = None) -> AsyncGenerator[Piece, None]:
        raise LMError("Vectors come whole: an encoder has no stream. Call aattempt().")
