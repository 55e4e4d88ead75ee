"""The portfolio: which arm has the next turn, by what each has lately brought for its calls."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from ...signatures.canonical import JSON

EXPLORED = 0.3  # share of the calls that goes to all arms alike, whatever they have brought
LATELY = 3  # turns of an arm that count


@dataclass
class Account:
    """What an arm has cost and brought. lately: the charge and the improvement of its last turns. credit: that it is
    owed. A turn is charged with its calls, or with more where it made none."""

    name: str
    turns: int = 0
    calls: int = 0
    gain: float = 0.0
    credit: float = 0.0
    lately: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=LATELY))

    @property
    def rate(self) -> float:
        """Improvement of the best for a call, of late."""
        charged = sum(charge for charge, _ in self.lately)
        return sum(gain for _, gain in self.lately) / charged if charged else 0.0


class Portfolio:
    """Shares calls among arms in proportion to what each has lately brought, with a part for all alike.

    After every turn each arm is credited its share of what the turn has cost, and the one that had it is charged: the
    arm with the most credit is next. An arm that brings nothing is asked less and less, never not at all.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.accounts = {name: Account(name) for name in names}
        self._waiting = tuple(names)

    def next(self, names: Sequence[str]) -> str:
        """Of these arms, which share the calls from now on, the one whose turn it is; of equals the one named first."""
        self._waiting = tuple(names)
        return max(names, key=lambda name: self.accounts[name].credit)

    def share(self, name: str) -> float:
        """Of the calls to come, as things stand; none for an arm that does not wait."""
        if name not in self._waiting:
            return 0.0
        rates = [self.accounts[waiting].rate for waiting in self._waiting]
        even = 1 / len(rates)
        total = sum(rates)
        return even if not total else EXPLORED * even + (1 - EXPLORED) * self.accounts[name].rate / total

    def settle(self, name: str, calls: int, gain: float, *, least: int = 1) -> None:
        """One turn of an arm: what it has cost, and by how much the best became better.

        least: that a turn is charged with, or an arm whose turns are free would have them all.
        """
        charge = max(calls, least)
        shares = {other: self.share(other) for other in self.accounts}
        for other, account in self.accounts.items():
            account.credit += shares[other] * charge
        turn = self.accounts[name]
        turn.credit -= charge
        turn.turns, turn.calls, turn.gain = turn.turns + 1, turn.calls + calls, turn.gain + gain
        turn.lately.append((charge, gain))

    def to_json(self) -> list[JSON]:
        return [
            {"arm": one.name, "turns": one.turns, "calls": one.calls, "gain": round(one.gain, 6)}
            for one in self.accounts.values()
        ]
