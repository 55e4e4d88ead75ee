"""The limit on what a probe sends."""

from __future__ import annotations

import threading

from ...signatures.errors import BudgetError
from ...teleprompters.base import Spend
from ..lm.meter import Ending


class Allowance:
    """A client's meter that lets through a number of calls, in all of a probe, and not one more.

    A reply from the cache costs nothing; an attempt that the server did not bill is given back. What is planned fits,
    so the limit is met only where attempts were lost on the way and made again.
    """

    def __init__(self, calls: int) -> None:
        self.calls = calls
        self.paid = 0
        self._begun = 0
        self._lock = threading.Lock()

    def charge(self, key: str, spend: Spend, *, paid: bool) -> None:
        with self._lock:
            self.paid += paid

    def begin(self, key: str, bound: Spend) -> None:
        """Raises BudgetError where nothing is left."""
        with self._lock:
            if self._begun >= self.calls:
                raise BudgetError(
                    f"The budget of {self.calls} calls is spent. Everything paid for is in the reply cache: run again, "
                    "and it costs only what is missing."
                )
            self._begun += 1

    def end(self, key: str, how: Ending, bound: Spend) -> None:
        with self._lock:
            self._begun -= how == "unbilled"

    def flight_limit(self, bound: Spend) -> int:
        return 1_000_000
