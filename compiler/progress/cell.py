"""Progress in a notebook: a small block of HTML in the cell's output, redrawn in place."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable
from typing import Any

from ..notebook import Html, progress_html
from .standing import Standing

SECONDS_A_REDRAW = 0.5


class CellView:
    """display: IPython's, or one that behaves like it."""

    def __init__(
        self, read: Callable[[], Standing], clock: Callable[[], float], display: Callable[..., Any] | None = None
    ) -> None:
        self._display: Callable[..., Any] = display or importlib.import_module("IPython.display").display
        self._read = read
        self._clock = clock
        self._messages: list[str] = []
        self._handle: Any = None
        self._drawn = float("-inf")
        self._drawing = threading.Lock()

    def block_done(self) -> None:
        if self._clock() - self._drawn >= SECONDS_A_REDRAW:
            self._draw()

    def message(self, text: str) -> None:
        self._messages.append(text)
        self._draw()

    def close(self) -> None:
        self._draw()

    def _draw(self) -> None:
        with self._drawing:
            self._drawn = self._clock()
            standing = self._read()
            lines = [f"{standing.where} · {standing.time}", standing.money, standing.news, *self._messages]
            html = progress_html(lines, standing.share or 0.0)
            shown = Html(html, "\n".join([standing.line, *self._messages]))
            if self._handle is None:
                self._handle = self._display(shown, display_id=True)
            else:
                self._handle.update(shown)


def is_notebook() -> bool:
    """Whether a notebook's kernel runs this process."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and hasattr(shell, "kernel")
