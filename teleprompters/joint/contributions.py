"""What each part of the best brings: it is taken out once, the program's own put back, and both are compared on dev."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...signatures.candidate import Candidate
from ...signatures.canonical import JSON
from ..base import Origin, Score, Workbench
from .parts import Kind, Pools, Slot, changed, parts_of, renders, with_parts

_DEAREST: tuple[Kind, ...] = ("demonstrations", "lm", "instruction", "settings", "format", "position")


class TakenApart:
    """What ships without each of its parts that are not the student's, as far as the money goes.

    shipping: what would ship now. When this changes, all is to be found out anew.
    Scores are those of the rows that the parts were chosen on, so they flatter.
    """

    def __init__(self, bench: Workbench, pools: Pools, shipping: Callable[[], Score]) -> None:
        self._bench, self._pools, self._shipping = bench, pools, shipping
        self._best = shipping()
        self._without: dict[Slot, float | None] = {}
        self.executions = 0  # that were spent on it so far

    @property
    def waiting(self) -> list[Slot]:
        """Parts that were not taken out yet, those first that cost most to run."""
        if (ships := self._shipping()).candidate != self._best.candidate:
            self._best, self._without = ships, {}
        parts = changed(self._bench.student, self._best.candidate)
        return sorted((slot for slot in parts if slot not in self._without), key=_dearest_first)

    def out(self) -> Iterator[Slot]:
        """Takes one after the other out. Where what is left does as well, and is shorter, this ships instead; then its
        own parts are taken out."""
        own = parts_of(self._bench.student)
        while waiting := self.waiting:
            slot, best = waiting[0], self._best.candidate
            without = self._scored(with_parts(best, {slot: own[slot]}), best, slot)
            self._without[slot] = without
            yield slot

    def to_json(self) -> list[JSON]:
        """Of each part its predictor, kind and source, and the mean score on dev with it and without it."""
        waiting = self.waiting
        parts = changed(self._bench.student, self._best.candidate)
        return [
            {
                "predictor": slot.predictor,
                "kind": slot.kind,
                "source": self._pools.source(slot, parts[slot]),
                "with": self._best.mean,
                "without": None if slot in waiting else self._without[slot],
            }
            for slot in sorted(parts, key=_dearest_first)
        ]

    def _scored(self, candidate: Candidate, best: Candidate, slot: Slot) -> float | None:
        """None where the candidate cannot be written, or not be paid for."""
        if renders(candidate) or self._bench.remaining.expected < len(self._bench.dev):
            return None
        left = self._bench.remaining.expected
        origin = Origin("Joint", "taken out", {"part": str(slot)})
        mean = self._bench.score([candidate], origin=origin, parents=[best])[0].mean
        self.executions += left - self._bench.remaining.expected
        return mean


def _dearest_first(slot: Slot) -> int:
    """Demonstrations make a prompt long and another LM its tokens dear; instructions less so, the rest not at all."""
    return _DEAREST.index(slot.kind)
