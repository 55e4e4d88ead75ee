"""HTTP as uvicorn speaks it, with limits that it has not: on what precedes and follows bodies, and on silence."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 65536  # bytes of a head, or of trailers; a little more where they come at once
HEAD_SECONDS = 30.0  # from the connection, or the first byte that no request in flight waits for, to the end of a head

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class LimitedProtocol(HttpToolsProtocol):
    """Without them one client could fill the memory with headers or trailers, or keep a connection for ever by sending
    no more of a head, or of a body that was answered before it had come.

    Trailers are dropped: uvicorn would take them for headers.
    """

    _in_head = True
    _size = 0  # of what has come since the last end of a head, piece of a body or end of a request
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        super().data_received(data)  # which ended uvicorn's own wait for a next request
        if self.transport.is_closing():
            return
        if self._size > MAX_HEAD:
            self._refuse(f"A request was refused: its headers or trailers have more than {MAX_HEAD} bytes.")
        elif self._is_free and self._timer is None:
            self._wait()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._wait_no_more()
        self._in_head, self._size = False, 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._size = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_head, self._size = True, 0
        super().on_message_complete()

    @property
    def _is_free(self) -> bool:
        """Whether every request whose head has come is answered. One that is not has a time limit of its own."""
        return self.cycle is None or self.cycle.response_complete

    def _wait(self) -> None:
        self._timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _wait_no_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, reason: str) -> None:
        self.logger.warning(reason)
        if self._is_free:
            self.transport.write(_TOO_LARGE)
        self.transport.close()
