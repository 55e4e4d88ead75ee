"""Progress: a few lines that say what is spent, what is left, the best score and how long it may still take.

A callback like any other: it knows what the events say.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TextIO

from ...teleprompters.base import Spend
from ..callbacks import (
    SEARCH,
    BlockEnded,
    Callback,
    CandidateRejected,
    CandidateScored,
    CompileEnded,
    CompileStarted,
    PhaseStarted,
    RequestEnded,
    RoundEnded,
    SearchEnded,
)
from ..score_range import UNIT, fraction
from .cell import CellView, is_notebook
from .plain import LineView, LogView
from .standing import Best, Standing, spent_share

RECENT = 256  # replies that the pace is measured on
STEADY = 5.0  # seconds, before which there is no pace


class View(Protocol):
    """Shows a standing, which it reads when it likes, at least after a block of calls. message: lines that stay."""

    def block_done(self) -> None: ...
    def message(self, text: str) -> None: ...
    def close(self) -> None: ...


class Progress(Callback):
    """Shows how far a compile is, on `stream` (default: stderr, or the output of a notebook's cell).

    On a terminal three lines are redrawn in place, one where rich is not installed; elsewhere plain lines are added.
    tells_verdict: at the end, with the replies that could not be used; False where somebody else prints that.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        tells_verdict: bool = True,
    ) -> None:
        self._stream = stream
        self._tells_verdict = tells_verdict
        self._clock = clock
        self._lock = threading.Lock()
        self._view: View | None = None
        self._began = clock()
        self._budget: Mapping[str, float] = {}
        self._teleprompter = ""
        self._range = UNIT
        self._phase = ""
        self._rounds = 0
        self._spent = self._total = self._paid = Spend()
        self._limits: Mapping[str, float] = {}
        self._fresh = Spend()  # paid since the last block
        self._recent: deque[float] = deque(maxlen=RECENT)  # when they came
        self._pace_from: tuple[float, float] | None = None
        self._scores: Sequence[float] = ()
        self._best: Best | None = None
        self._last = ""

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._view is not None:
            self._view.close()

    def standing(self) -> Standing:
        """How far it is now."""
        with self._lock:
            now = self._clock()
            spent = self._spent + self._fresh
            since = now - self._recent[0] if self._recent else 0.0
            return Standing(
                phase=self._phase,
                task=self._task(),
                spent=spent,
                limits=self._limits,
                paid=self._paid.calls + self._fresh.calls,
                answered=max(0, self._total.calls - self._paid.calls),
                best=self._best,
                pace=len(self._recent) / since if since >= STEADY else None,
                elapsed=now - self._began,
                seconds_left=self._seconds_left(now, spent_share(spent, self._limits)),
                last=self._last,
            )

    def _best_of(self, scores: Sequence[float]) -> Best:
        return Best.of([fraction(score, self._range) for score in scores])

    def _task(self) -> str:
        if self._phase != SEARCH:
            return ""
        return f"{self._teleprompter}, round {self._rounds + 1}" if self._teleprompter else ""

    def _seconds_left(self, now: float, share: float | None) -> float | None:
        left = []
        if "seconds" in self._budget:
            left.append(max(0.0, self._budget["seconds"] - (now - self._began)))
        if share is not None and self._pace_from is not None:
            seconds, gained = now - self._pace_from[0], share - self._pace_from[1]
            if gained > 0 and seconds > 0:
                left.append(seconds * (1 - share) / gained)
        return min(left, default=None)

    # what it is told

    def on_compile_started(self, event: CompileStarted) -> None:
        self._teleprompter, self._budget, self._range = event.teleprompter, event.limits, event.score_range
        self._view = view_on(self._stream, self.standing, self._clock)
        if event.is_resumed:
            self._view.message(f"resuming {event.run!r}")

    def on_phase_started(self, event: PhaseStarted) -> None:
        with self._lock:
            self._phase, self._spent, self._limits, self._pace_from = event.phase, Spend(), event.limits, None

    def on_request_ended(self, event: RequestEnded) -> None:
        if event.from_cache:
            return
        with self._lock:
            if event.error is not None:
                self._last = f"no reply: {event.error}"
            else:
                self._fresh += event.spend
                self._recent.append(self._clock())

    def on_block_ended(self, event: BlockEnded) -> None:
        with self._lock:
            self._spent, self._limits, self._total, self._paid = event.spent, event.limits, event.total, event.paid
            self._fresh = Spend()
            if event.best and event.best is not self._scores:
                self._scores, self._best = event.best, self._best_of(event.best)
            # What the cache answers is no measure of the pace, so the clock starts with the first paid call.
            share = spent_share(event.spent, event.limits)
            if self._pace_from is None and share is not None and event.paid.calls:
                self._pace_from = (self._clock(), share)
        if self._view is not None:
            self._view.block_done()

    def on_candidate_scored(self, event: CandidateScored) -> None:
        with self._lock:
            mean = fraction(event.mean, self._range)
            self._last = f"candidate {event.number} scored {100 * mean:.1f}"
            if event.is_whole and (self._best is None or mean > self._best.mean):
                # Until the next block says what is ahead, cost and all counted.
                self._best = self._best_of(event.scores)

    def on_candidate_rejected(self, event: CandidateRejected) -> None:
        self._last = f"a proposal was rejected: {event.reason}"

    def on_round_ended(self, event: RoundEnded) -> None:
        self._rounds = event.number

    def on_search_ended(self, event: SearchEnded) -> None:
        self._last = "the budget ended the search" if event.was_cut else "the search is done"

    def on_compile_ended(self, event: CompileEnded) -> None:
        if self._view is None:
            return
        self._view.close()
        if event.verdict is not None:
            bill = _bill(event)
            self._view.message(f"{event.verdict}\n{bill}{_unusable(event)}" if self._tells_verdict else bill)


def view_on(stream: TextIO | None, read: Callable[[], Standing], clock: Callable[[], float]) -> View:
    """The view that suits where it goes."""
    if stream is None and is_notebook():
        return CellView(read, clock)
    stream = sys.stderr if stream is None else stream
    if not stream.isatty() or os.environ.get("TERM") == "dumb":  # a terminal that cannot go back to a line
        return LogView(stream, read, clock)
    try:
        from .live import LiveView
    except ImportError:
        return LineView(stream, read)
    return LiveView(stream, read)


def _bill(event: CompileEnded) -> str:
    """What this process paid for, and what it did not have to."""
    paid, counted = event.paid.calls, event.total.calls
    return f"paid calls: {paid}; {max(0, counted - paid)} of {counted} were answered by earlier runs"


def _unusable(event: CompileEnded) -> str:
    """What stands beside the verdict where replies could not be used."""
    said = [f"{count} ({who})" for who, count in event.unusable.items()]
    return "" if not said else "\nreplies that could not be used, which score 0: " + ", ".join(said)
