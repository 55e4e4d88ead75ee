"""Progress: one line that says what is spent, what is left, the best score and how long it may still take."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from typing import TextIO

from ..teleprompters.base import Spend
from .budget import USD_UNITS, Limit

SECONDS_A_LINE = 15.0  # into a file or a log: one line a phase, and one when so much time has passed


class Progress:
    """Writes to `stream` (default: stderr). On a terminal one line is rewritten; elsewhere plain lines are added.

    With `enabled=False` nothing is ever written. A stream that is closed or full is left alone: progress is no reason
    for a run to fail.
    """

    def __init__(
        self, enabled: bool = True, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._enabled = enabled
        self._terminal = enabled and self._stream.isatty()
        self._clock = clock
        self._phase = ""
        self._written = 0.0
        self._shown = ""
        self._pace_from: tuple[float, float] | None = None

    def update(
        self, phase: str, *, spent: Spend, limit: Limit, best: float | None = None, paid: Spend = Spend()
    ) -> None:
        """One more block is done.

        phase: "search" or "final comparison", say. spent and limit: of the account that the phase draws on. best: mean
        score so far, 0 to 1. paid: what the servers were really paid by this process; the rest came from the cache.
        """
        if not self._enabled:
            return
        new_phase = phase != self._phase
        if new_phase:
            self._phase, self._pace_from = phase, None
        line = f"{phase}: {', '.join(self._parts(spent, limit, best, paid))}"
        if self._terminal:
            self._rewrite(line)
        elif new_phase or self._clock() - self._written >= SECONDS_A_LINE:
            self._write(line + "\n")
            self._written = self._clock()

    def message(self, text: str) -> None:
        """A line that stays."""
        if not self._enabled:
            return
        shown = self._shown
        if self._terminal:
            self._rewrite("")
        self._write(text + "\n")
        if self._terminal and shown:
            self._rewrite(shown)

    def close(self) -> None:
        """Leaves the last line standing and the cursor below it."""
        if self._shown:
            self._write("\n")
        self._shown = ""

    def _parts(self, spent: Spend, limit: Limit, best: float | None, paid: Spend) -> list[str]:
        share = spent_share(spent, limit)
        parts = [amount(spent, limit)]
        if paid.calls < spent.calls:
            parts.append(f"{paid.calls} paid")
        if best is not None:
            parts.append(f"best {100 * best:.1f}")
        remaining = self._seconds_left(share, paid)
        if remaining is not None:
            parts.append(f"at most {duration(remaining)} left")
        return parts

    def _seconds_left(self, share: float | None, paid: Spend) -> float | None:
        # What the cache answers is no measure of the pace, so the clock starts with the first paid call.
        if share is None or paid.calls == 0:
            return None
        now = self._clock()
        if self._pace_from is None:
            self._pace_from = (now, share)
        seconds, gained = now - self._pace_from[0], share - self._pace_from[1]
        return None if gained <= 0 or seconds <= 0 else seconds * (1 - share) / gained

    def _rewrite(self, line: str) -> None:
        line = line[: max(20, shutil.get_terminal_size().columns - 1)]
        self._write("\r" + line + " " * (len(self._shown) - len(line)) + ("\r" if not line else ""))
        self._shown = line

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._enabled = False


def spent_share(spent: Spend, limit: Limit) -> float | None:
    """How much of the limit that is nearest is used, 0 to 1; None when nothing limits."""
    pairs = ((spent.calls, limit.calls), (spent.tokens, limit.tokens), (round(spent.usd * USD_UNITS), limit.usd))
    shares = [used / most for used, most in pairs if most]
    return min(1.0, max(shares)) if shares else None


def amount(spent: Spend, limit: Limit) -> str:
    """What is spent, of what: "312 of 900 calls (35 %)"; only the currencies that are limited, calls if none is."""
    said = []
    if limit.calls is not None or (limit.tokens is None and limit.usd is None):
        said.append(f"{spent.calls} calls" if limit.calls is None else f"{spent.calls} of {limit.calls} calls")
    if limit.tokens is not None:
        said.append(f"{spent.tokens} of {limit.tokens} tokens")
    if limit.usd is not None:
        said.append(f"{spent.usd:.4f} of {limit.usd / USD_UNITS:.4f} dollars")
    share = spent_share(spent, limit)
    return " and ".join(said) + ("" if share is None else f" ({100 * share:.0f} %)")


def duration(seconds: float) -> str:
    """A length of time for a person: "40 s", "3 min", "2 h 10 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
