"""Streams: the raw text of a reply as it comes, with the typed result at the end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import aclosing, closing

from ...signatures.errors import BurnishError, ReplyError
from ..lm.failures import ContentRefused, ContextOverflow
from .pieces import Gathered
from .result import Result
from .running import Answer, Asks


class _Ended:
    """What both kinds of stream know at their end."""

    def __init__(self, work: Asks[Result]) -> None:
        self._work = work
        self._texts: list[str] = []
        self._outcome: Result | BurnishError | None = None
        self.was_reasked = False

    @property
    def text(self) -> str:
        """The pieces so far, in one."""
        return "".join(self._texts)

    def _given(self) -> Result:
        if isinstance(self._outcome, Result):
            return self._outcome
        raise self._outcome or ReplyError(
            "The stream was closed before its reply was whole, so there is no result. Read it to its end first."
        )


class Stream(_Ended):
    """The pieces of a reply's text, as they come, and then the result: `for piece in stream: ...; stream.result()`.

    Raw text: of the reply as the model writes it, with the format's markers. It is that of the first reply; where it
    does not parse and the file's reply policy asks again, that is done at the end, whole, and `was_reasked` is true.
    Iterating raises LMError where the model cannot be reached or breaks off; a reply that does not parse is raised by
    `result()` alone. `close()`, or leaving a `with` block, hangs up.
    """

    def __init__(self, work: Asks[Result]) -> None:
        super().__init__(work)
        self._pieces = self._read()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return next(self._pieces)

    def result(self) -> Result:
        """The typed result; reads what is left of the stream first. Raises ReplyError as a call does."""
        for _ in self._pieces:
            pass
        return self._given()

    def close(self) -> None:
        self._pieces.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> Generator[str, None, None]:
        streamed = False
        with closing(self._work):
            try:
                ask = next(self._work)
                while True:
                    try:
                        if ask.streams:
                            streamed, gathered = True, Gathered()
                            with closing(ask.who.stream(ask.request)) as pieces:
                                for piece in pieces:
                                    gathered.add(piece)
                                    if piece.text:
                                        self._texts.append(piece.text)
                                        yield piece.text
                            answer: Answer = gathered.reply()
                        else:
                            self.was_reasked = streamed
                            answer = ask.who.answer(ask.request)
                    except (ContextOverflow, ContentRefused) as failure:
                        ask = self._work.send(failure)
                    except BaseException as error:  # noqa: BLE001 (the run raises it, when it has told of it)
                        ask = self._work.throw(error)
                    else:
                        ask = self._work.send(answer)
            except StopIteration as stop:
                self._outcome = stop.value
            except ReplyError as failure:
                self._outcome = failure
            except BurnishError as error:
                self._outcome = error  # for whoever asks for the result after it
                raise


class AsyncStream(_Ended):
    """`Stream` for an event loop: `async for piece in stream: ...; await stream.result()`."""

    def __init__(self, work: Asks[Result]) -> None:
        super().__init__(work)
        self._pieces = self._read()

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        return await self._pieces.__anext__()

    async def result(self) -> Result:
        """The typed result; reads what is left of the stream first. Raises ReplyError as a call does."""
        async for _ in self._pieces:
            pass
        return self._given()

    async def aclose(self) -> None:
        await self._pieces.aclose()

    async def __aenter__(self) -> AsyncStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _read(self) -> AsyncGenerator[str, None]:
        streamed = False
        with closing(self._work):
            try:
                ask = next(self._work)
                while True:
                    try:
                        if ask.streams:
                            streamed, gathered = True, Gathered()
                            async with aclosing(ask.who.astream(ask.request)) as pieces:
                                async for piece in pieces:
                                    gathered.add(piece)
                                    if piece.text:
                                        self._texts.append(piece.text)
                                        yield piece.text
                            answer: Answer = gathered.reply()
                        else:
                            self.was_reasked = streamed
                            answer = await ask.who.aanswer(ask.request)
                    except (ContextOverflow, ContentRefused) as failure:
                        ask = self._work.send(failure)
                    except BaseException as error:  # noqa: BLE001 (as above; a cancellation too)
                        ask = self._work.throw(error)
                    else:
                        ask = self._work.send(answer)
            except StopIteration as stop:
                self._outcome = stop.value
            except ReplyError as failure:
                self._outcome = failure
            except BurnishError as error:
                self._outcome = error  # for whoever asks for the result after it
                raise
