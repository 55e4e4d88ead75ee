"""HTTP as uvicorn speaks it, with limits that it has not: on the size of a request's head and the time it may take."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 65536  # bytes; a little more where they come at once
HEAD_SECONDS = 30.0  # from the connection or the first byte to the end of the head

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class LimitedProtocol(HttpToolsProtocol):
    """Without them one client could fill the memory with headers, or keep a connection for ever by sending none."""

    _in_head = True
    _heads = 0  # that are complete
    _size = 0  # of the one that is coming
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        coming = self._heads if self._in_head else None
        super().data_received(data)
        if not self._in_head or self._heads != coming or self.transport.is_closing():
            return
        self._size += len(data)
        if self._size > MAX_HEAD:
            self._refuse(f"A request was refused: its head has more than {MAX_HEAD} bytes.")
        elif self._timer is None:
            self._wait()

    def on_headers_complete(self) -> None:
        self._wait_no_more()
        self._in_head, self._size = False, 0
        self._heads += 1
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head = True
        super().on_message_complete()

    def _wait(self) -> None:
        self._timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _wait_no_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, reason: str) -> None:
        self.logger.warning(reason)
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_TOO_LARGE)
        self.transport.close()
