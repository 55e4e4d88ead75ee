"""Who counts what the client spends, and what the client counts of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from ...teleprompters.base import Spend

Ending: TypeAlias = Literal["reply", "unbilled", "maybe"]


class Meter(Protocol):
    """Who counts: `compiler.budget.Ledger`. Called from several threads."""

    def charge(self, key: str, spend: Spend, *, paid: bool) -> None: ...
    def begin(self, key: str, bound: Spend) -> None: ...
    def end(self, key: str, how: Ending, bound: Spend) -> None: ...
    def flight_limit(self, bound: Spend) -> int: ...


class Uncounted:
    """The meter of calls outside any budget."""

    def charge(self, key: str, spend: Spend, *, paid: bool) -> None:
        """Nothing is booked."""

    def begin(self, key: str, bound: Spend) -> None:
        """Nothing is written ahead."""

    def end(self, key: str, how: Ending, bound: Spend) -> None:
        """Nothing was begun."""

    def flight_limit(self, bound: Spend) -> int:
        return 1_000_000


@dataclass
class ClientStats:
    """What this client did, in attempts and replies.

    sent: attempts. paid: replies of the server. hits: replies of the cache. refused: attempts that cost nothing (429,
    503, no connection). maybe: attempts that may have been billed. retries: attempts after a first one.
    """

    sent: int = 0
    paid: int = 0
    hits: int = 0
    refused: int = 0
    maybe: int = 0
    retries: int = 0
