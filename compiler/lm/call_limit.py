"""A hard limit on calls outside a compile, which has a ledger of its own."""

from __future__ import annotations

import threading

from ...signatures.errors import BudgetError
from ...teleprompters.base import Spend
from .meter import Ending, Uncounted


class CallLimit(Uncounted):
    """A client's meter that lets so many attempts begin, whatever is asked again, and not one more.

    calls: None is no limit. otherwise: what a user can do besides giving more. sent: attempts; those that the server
    did not bill (429, 503, no connection) are given back. paid: replies that the server gave. What the cache answers
    costs nothing.
    """

    def __init__(self, calls: int | None, otherwise: str) -> None:
        self.sent = 0
        self.paid = 0
        self._calls = calls
        self._otherwise = otherwise
        self._lock = threading.Lock()

    def charge(self, key: str, spend: Spend, *, paid: bool) -> None:
        with self._lock:
            self.paid += paid

    def begin(self, key: str, bound: Spend) -> None:
        """Raises BudgetError where nothing is left."""
        with self._lock:
            if self._calls is not None and self.sent >= self._calls:
                raise BudgetError(
                    f"The {self._calls} calls of the budget are spent before all rows are answered: some were asked "
                    f"again. Give more calls, or {self._otherwise}."
                )
            self.sent += 1

    def end(self, key: str, how: Ending, bound: Spend) -> None:
        with self._lock:
            self.sent -= how == "unbilled"
