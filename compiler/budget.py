"""Budget and Ledger: reserve before, settle after, and nothing is ever sent that could pass the limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ..signatures.canonical import JSON
from ..signatures.errors import BudgetError
from ..teleprompters.base import Spend
from .attempts import AttemptLog

Account: TypeAlias = Literal["search", "final"]

FAULT_SHARE = 0.1  # of each limit, set aside at the start for attempts that may have been billed without a reply
FINAL_SHARE = 0.4  # at most, for the final comparison
SEARCH_SECONDS = 0.6  # of a limit in seconds; the rest is for the final comparison
FLIGHT_SHARE = 3  # attempts in flight use at most a third of the fault account, so that a kill cannot empty it
DEFAULT_CALLS = 2000
USD_UNITS = 10**12  # dollars are added up as integers: the sum must not depend on the order of replies


@dataclass(frozen=True)
class Budget:
    """What a compile may spend, on everything: task, optimizer and judge LM, embeddings. Any subset of the limits.

    calls: billable requests. tokens: prompt and completion together. usd: needs a price for every LM used.
    seconds: wall time; such a run cannot be reproduced exactly. calls_per_example: the most calls one execution of the
    program and its metric may make; measured on the first rows when it is not given.
    cached: "counted" charges a request once whether the cache or the server answers it, so that a warm cache never
    changes where a run goes. "free" spends the savings on more search; the result then depends on the cache.
    Raises BudgetError on a limit that is not positive.
    """

    calls: int | None = None
    tokens: int | None = None
    usd: float | None = None
    seconds: float | None = None
    calls_per_example: int | None = None
    cached: Literal["counted", "free"] = "counted"

    def __post_init__(self) -> None:
        for name in ("calls", "tokens", "usd", "seconds", "calls_per_example"):
            value = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
                raise BudgetError(f"Budget({name}={value!r}) is not a positive number. Leave it out for no limit.")
            if name in ("calls", "tokens", "calls_per_example") and value != int(value):
                raise BudgetError(
                    f"Budget({name}={value!r}) is not a whole number. Give one, such as {int(value) + 1}."
                )
        if self.cached not in ("counted", "free"):
            raise BudgetError(f"Budget(cached={self.cached!r}) is unknown. Known: 'counted', 'free'.")
        if self.calls is None and self.tokens is None and self.usd is None and self.seconds is None:
            raise BudgetError("Budget() limits nothing. Give at least one of calls=, tokens=, usd=, seconds=.")

    @classmethod
    def default(cls) -> Budget:
        """What `budget=None` means: a finite number of calls, which `plan()` shows."""
        return cls(calls=DEFAULT_CALLS)

    def to_json(self) -> dict[str, JSON]:
        names = ("calls", "tokens", "usd", "seconds", "calls_per_example")
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return {**given, **({"cached": "free"} if self.cached == "free" else {})}

    def describe(self) -> str:
        parts = [f"{self.calls} calls" if self.calls else "", f"{self.tokens} tokens" if self.tokens else ""]
        parts += [f"{self.usd:g} dollars" if self.usd else "", f"{self.seconds:g} seconds" if self.seconds else ""]
        return ", ".join(part for part in parts if part)


class TimeUp(BudgetError):
    """The time of the account is over: no new attempt is begun. Ends the account, never the run."""


@dataclass(frozen=True)
class Limit:
    """A limit in every currency; None where there is none. usd is in integer units of 1e-12 dollars."""

    calls: int | None
    tokens: int | None
    usd: int | None

    def holds(self, spent: Tally) -> bool:
        return all(
            limit is None or used <= limit
            for limit, used in ((self.calls, spent.calls), (self.tokens, spent.tokens), (self.usd, spent.usd))
        )


@dataclass
class Tally:
    """A running sum of spends, exact in every currency."""

    calls: int = 0
    tokens: int = 0
    usd: int = 0

    def add(self, spend: Spend, times: int = 1) -> None:
        self.calls += times * spend.calls
        self.tokens += times * spend.tokens
        self.usd += times * round(spend.usd * USD_UNITS)

    def plus(self, other: Tally) -> Tally:
        return Tally(self.calls + other.calls, self.tokens + other.tokens, self.usd + other.usd)

    @property
    def spend(self) -> Spend:
        return Spend(self.calls, self.tokens, self.usd / USD_UNITS)


@dataclass(frozen=True)
class Left:
    """What an account still holds; None in a currency without a limit."""

    calls: int | None
    tokens: int | None
    usd: float | None


@dataclass
class _Book:
    limit: Limit
    spent: Tally = field(default_factory=Tally)
    reserved: Tally = field(default_factory=Tally)
    shut: bool = False


class Ledger:
    """What was reserved and spent, by account, against the budget.

    Work is admitted in blocks when nothing is in flight: `admit` reserves the leading items that fit at their worst
    case, `charge` books each distinct request of the run once, `settle` drops the reservation. So the same budget cuts
    at the same place at any concurrency, and replies from the cache count as those from the server do.

    final_need: worst case of the final comparison over the whole holdout; the final account gets that, at most
    FINAL_SHARE of the budget.
    """

    def __init__(
        self,
        budget: Budget,
        final_need: Spend = Spend(),
        attempts: AttemptLog | None = None,
        clock: Callable[[], float] = time.monotonic,
        spent_seconds: float = 0.0,
    ) -> None:
        self.budget = budget
        faults, search, final = _shares(budget, final_need)
        self._faults = _Book(faults)
        self._books: dict[Account, _Book] = {"search": _Book(search), "final": _Book(final)}
        self._compares = final_need != Spend()
        self._open: Account = "search"
        self._seen: set[bytes] = set()
        self._attempts = attempts
        self._clock = clock
        self._started = clock() - spent_seconds
        self._lock = threading.Lock()
        self.paid = Tally()
        self.refused = 0
        # Replies that earlier processes of this run paid for are paid, also where those of other runs are free.
        self._paid_before: frozenset[str] = frozenset()
        if attempts is not None:
            self._paid_before = attempts.paid
            for bound in attempts.unanswered:
                self._faults.spent.add(bound)

    def resize(self, final_need: Spend) -> None:
        """Shares the budget out anew once the first rows have told what an execution needs. Nothing is in flight."""
        with self._lock:
            _, self._books["search"].limit, self._books["final"].limit = _shares(self.budget, final_need)
            self._compares = final_need != Spend()

    # admission

    def admit(self, account: Account, worst: Sequence[Spend]) -> int:
        """How many leading items fit into the account at their worst case; those are reserved.

        0 shuts the account for good (worst must not be empty). Only called when nothing is in flight.
        """
        with self._lock:
            book = self._books[account]
            self._open = account
            if book.shut or self._late(account):
                book.shut = True
                return 0
            fitting = 0
            for spend in worst:
                book.reserved.add(spend)
                if not book.limit.holds(book.spent.plus(book.reserved)):
                    book.reserved.add(spend, times=-1)
                    break
                fitting += 1
            book.shut = fitting == 0
            return fitting

    def settle(self, account: Account) -> None:
        """Drops what was reserved: all that was admitted is done and charged."""
        with self._lock:
            self._books[account].reserved = Tally()

    # charging: the client's Meter

    def charge(self, key: str, spend: Spend, *, paid: bool) -> None:
        """Books a request whose reply is durable, once a run. With `cached="free"` only paid ones cost anything."""
        mark = bytes.fromhex(key[:32])
        with self._lock:
            if paid:
                self.paid.add(spend)
            if mark in self._seen:
                return
            self._seen.add(mark)
            if paid or self.budget.cached == "counted" or key in self._paid_before:
                self._books[self._open].spent.add(spend)

    def is_charged(self, key: str) -> bool:
        """Whether this run has booked the request already, so that asking again costs nothing."""
        with self._lock:
            return bytes.fromhex(key[:32]) in self._seen

    def begin(self, key: str, bound: Spend) -> None:
        """Writes an attempt ahead of sending it.

        Raises BudgetError when the fault account is overdrawn, TimeUp when the time of the open account is over.
        """
        with self._lock:
            if self._late(self._open):
                raise TimeUp(f"{self.budget.seconds:g} seconds are over")
            if not self._faults.limit.holds(self._faults.spent):
                raise BudgetError(self._fault_message())
            if self._attempts is not None:
                self._attempts.begin(key, bound)

    def end(self, key: str, how: Literal["reply", "unbilled", "maybe"], bound: Spend) -> None:
        """How the attempt ended. "maybe" draws its worst case from the fault account; "unbilled" costs nothing."""
        with self._lock:
            if how == "maybe":
                self._faults.spent.add(bound)
            elif how == "unbilled":
                self.refused += 1
            if self._attempts is not None:
                self._attempts.end(key, how)

    def flight_limit(self, bound: Spend) -> int:
        """How many attempts of this worst case may be in flight at once, so that a kill cannot overdraw the budget."""
        one = Tally()
        one.add(bound)
        with self._lock:
            limit, spent = self._faults.limit, self._faults.spent
            fits = [
                (most - used) // (FLIGHT_SHARE * each)
                for most, used, each in (
                    (limit.calls, spent.calls, one.calls),
                    (limit.tokens, spent.tokens, one.tokens),
                    (limit.usd, spent.usd, one.usd),
                )
                if most is not None and each > 0
            ]
        return max(1, min(fits, default=1_000_000))

    # reading

    def spent(self, account: Account | None = None) -> Spend:
        """Distinct requests booked, of one account or of both."""
        with self._lock:
            if account is not None:
                return self._books[account].spent.spend
            return self._books["search"].spent.plus(self._books["final"].spent).spend

    @property
    def faults(self) -> Spend:
        with self._lock:
            return self._faults.spent.spend

    def limits(self, account: Account | Literal["faults"]) -> Limit:
        return self._faults.limit if account == "faults" else self._books[account].limit

    @property
    def current(self) -> Account:
        """The account that work was last admitted to."""
        return self._open

    def is_shut(self, account: Account) -> bool:
        with self._lock:
            return self._books[account].shut

    def left(self, account: Account) -> Left:
        """What an account still holds, reservations deducted; None in a currency without a limit."""
        with self._lock:
            book = self._books[account]
            used = book.spent.plus(book.reserved)
            calls = None if book.limit.calls is None else max(0, book.limit.calls - used.calls)
            tokens = None if book.limit.tokens is None else max(0, book.limit.tokens - used.tokens)
            usd = None if book.limit.usd is None else max(0, book.limit.usd - used.usd) / USD_UNITS
            return Left(calls, tokens, usd)

    def room(self, account: Account, worst: Spend) -> int:
        """How many items of this worst case would fit now; a million where nothing limits."""
        one = Tally()
        one.add(worst)
        with self._lock:
            book = self._books[account]
            if book.shut or self._late(account):
                return 0
            used = book.spent.plus(book.reserved)
            fits = [
                max(0, most - have) // each
                for most, have, each in (
                    (book.limit.calls, used.calls, one.calls),
                    (book.limit.tokens, used.tokens, one.tokens),
                    (book.limit.usd, used.usd, one.usd),
                )
                if most is not None and each > 0
            ]
        return min(fits, default=1_000_000)

    @property
    def seconds(self) -> float:
        """Wall time used, this process and earlier ones of the same run."""
        return self._clock() - self._started

    def _late(self, account: Account) -> bool:
        if self.budget.seconds is None:
            return False
        share = SEARCH_SECONDS if account == "search" and self._compares else 1.0
        return self.seconds >= share * self.budget.seconds

    def _fault_message(self) -> str:
        faults = self._faults.spent.spend
        return (
            f"{faults.calls} attempts may have been billed without a reply (time-outs, dropped connections, "
            f"calls in flight when a run was killed); the share of the budget ({self.budget.describe()}) set aside for "
            "such attempts is used up, so nothing more is sent. Every reply that arrived is in the cache, and is not "
            "paid for again: run once more with a larger budget and a new run_dir."
        )


def limit_of(budget: Budget) -> Limit:
    """The whole budget as a limit."""
    return Limit(budget.calls, budget.tokens, None if budget.usd is None else round(budget.usd * USD_UNITS))


def _shares(budget: Budget, final_need: Spend) -> tuple[Limit, Limit, Limit]:
    """Limits of the fault account, the search account and the final account."""
    need = Tally()
    need.add(final_need)
    total = limit_of(budget)
    shares: list[tuple[int | None, int | None, int | None]] = []
    for whole, wanted in ((total.calls, need.calls), (total.tokens, need.tokens), (total.usd, need.usd)):
        if whole is None:
            shares.append((None, None, None))
            continue
        faults, final = int(whole * FAULT_SHARE), min(wanted, int(whole * FINAL_SHARE))
        shares.append((faults, whole - faults - final, final))
    faults_limit, search_limit, final_limit = (Limit(*limits) for limits in zip(*shares, strict=True))
    return faults_limit, search_limit, final_limit
