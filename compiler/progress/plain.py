"""Progress as plain text: lines in a log, or one line of a terminal where there is no rich."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import TextIO

from .standing import Standing

SECONDS_A_LINE = 15.0  # in a log: one line a phase, and one when so much time has passed


class Writer:
    """Writes until the stream does not take it any more: progress is no reason for a run to fail."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_open = True

    def write(self, text: str) -> int:
        if self._is_open:
            try:
                self._stream.write(text)
                self._stream.flush()
            except (OSError, ValueError):
                self._is_open = False
        return len(text)

    def flush(self) -> None:
        """Everything is flushed as it is written."""


class LogView:
    """Plain lines: one a phase, and one in so many seconds."""

    def __init__(self, stream: TextIO, read: Callable[[], Standing], clock: Callable[[], float]) -> None:
        self._writer = Writer(stream)
        self._read = read
        self._clock = clock
        self._phase = ""
        self._written = 0.0

    def block_done(self) -> None:
        standing = self._read()
        if standing.phase != self._phase or self._clock() - self._written >= SECONDS_A_LINE:
            self._phase, self._written = standing.phase, self._clock()
            self._writer.write(standing.line + "\n")

    def message(self, text: str) -> None:
        self._writer.write(text + "\n")

    def close(self) -> None:
        """There is nothing to clear away."""


class LineView:
    """One line of a terminal, rewritten after every block."""

    def __init__(self, stream: TextIO, read: Callable[[], Standing]) -> None:
        self._writer = Writer(stream)
        self._read = read
        self._shown = ""

    def block_done(self) -> None:
        self._rewrite(self._read().line)

    def message(self, text: str) -> None:
        shown = self._shown
        self._rewrite("")
        self._writer.write(text + "\n")
        if shown:
            self._rewrite(shown)

    def close(self) -> None:
        """Leaves the last line standing and the cursor below it."""
        if self._shown:
            self._writer.write("\n")
        self._shown = ""

    def _rewrite(self, line: str) -> None:
        line = line[: max(20, shutil.get_terminal_size().columns - 1)]
        self._writer.write("\r" + line + " " * (len(self._shown) - len(line)) + ("\r" if not line else ""))
        self._shown = line
