"""How many attempts are in flight: additive increase, multiplicative decrease, one lane for each connection."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ...teleprompters.base import Spend

START = 8


@dataclass
class Lane:
    """The attempts at one server. top: its limit is never raised above this; it may be narrowed.

    The limit doubles with each window of replies until the server first pushes back, then grows by one a window.
    """

    top: int
    limit: float = field(init=False)
    in_flight: int = 0
    cuts: int = 0
    queue: deque[tuple[asyncio.Future[None], Spend]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.limit = float(min(START, self.top))

    def narrow(self, top: int) -> None:
        """From now on no more than `top`; attempts above it that are in flight land."""
        self.top = min(self.top, top)
        self.limit = min(self.limit, float(self.top))

    def succeeded(self) -> None:
        """A reply came. Only a limit that holds somebody back is worth raising."""
        if self.queue:
            self.limit = min(float(self.top), self.limit + (1.0 / self.limit if self.cuts else 1.0))

    def pushed_back(self, started_at_cut: int) -> bool:
        """The server is overloaded. Attempts that were in flight together count once; says whether this one did."""
        if started_at_cut != self.cuts:
            return False
        self.cuts += 1
        self.limit = max(1.0, self.limit / 2)
        return True


class Gate:
    """Lets attempts through, first come first served in each lane, within the lane's limit and the meter's.

    Used in one event loop. flight_limit: most attempts of a worst case that may be in flight in all lanes together.
    """

    def __init__(self, flight_limit: Callable[[Spend], int]) -> None:
        self._flight_limit = flight_limit
        self._lanes: list[Lane] = []
        self._in_flight = 0

    def lane(self, top: int) -> Lane:
        lane = Lane(top)
        self._lanes.append(lane)
        return lane

    async def enter(self, lane: Lane, bound: Spend) -> None:
        if not lane.queue and self._has_room(lane, bound):
            self._take(lane)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lane.queue.append((turn, bound))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(lane)  # the turn came, and nobody is there to use it
            raise

    def leave(self, lane: Lane) -> None:
        lane.in_flight -= 1
        self._in_flight -= 1
        for other in self._lanes:
            self._admit(other)

    def _admit(self, lane: Lane) -> None:
        while lane.queue:
            turn, bound = lane.queue[0]
            if turn.done():  # cancelled while it waited
                lane.queue.popleft()
            elif self._has_room(lane, bound):
                lane.queue.popleft()
                self._take(lane)
                turn.set_result(None)
            else:
                return

    def _has_room(self, lane: Lane, bound: Spend) -> bool:
        return lane.in_flight < int(lane.limit) and self._in_flight < self._flight_limit(bound)

    def _take(self, lane: Lane) -> None:
        lane.in_flight += 1
        self._in_flight += 1
