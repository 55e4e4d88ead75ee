"""Progress on a terminal: three lines, redrawn in place by rich. Imported only where rich is installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO, cast

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .plain import Writer
from .standing import Standing

REDRAWS_A_SECOND = 4
BAR = 20  # characters


class LiveView:
    """Three lines at the foot of the terminal. What others print meanwhile appears above them."""

    def __init__(self, stream: TextIO, read: Callable[[], Standing]) -> None:
        self._read = read
        self._console = Console(
            file=cast("TextIO", Writer(stream)), force_terminal=True, highlight=False, soft_wrap=False
        )
        self._live = Live(
            get_renderable=lambda: drawn(read()), console=self._console, refresh_per_second=REDRAWS_A_SECOND
        )
        self._live.start()

    def block_done(self) -> None:
        """It is redrawn in time anyway."""

    def message(self, text: str) -> None:
        self._console.print(Text(text))

    def close(self) -> None:
        """Leaves the last lines standing and the cursor below them."""
        self._live.stop()


def drawn(standing: Standing) -> RenderableType:
    head = Table.grid(expand=True)
    head.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    head.add_column(no_wrap=True, justify="right")
    head.add_row(Text(standing.where, "bold"), Text(standing.time, "dim"))
    middle = Table.grid(padding=(0, 1), expand=True)
    middle.add_column(width=BAR)
    middle.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    bar = ProgressBar(total=1.0, completed=standing.share or 0.0, width=BAR)
    middle.add_row(bar, Text(standing.money)) if standing.share is not None else middle.add_row("", standing.money)
    return Group(head, middle, Text(standing.news, "cyan", no_wrap=True, overflow="ellipsis"))
