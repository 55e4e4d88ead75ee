"""What each part of the best brings: it is taken out once, the program's own put back, and both are compared on dev."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...signatures.candidate import Candidate
from ...signatures.canonical import JSON
from ..base import Origin, Score, Workbench
from .parts import Kind, Pools, Slot, changed, parts_of, renders, with_parts

_DEAREST: tuple[Kind, ...] = ("demonstrations", "lm", "instruction", "settings", "format", "position")


def taken_apart(bench: Workbench, pools: Pools, shipping: Callable[[], Score]) -> Iterator[list[JSON]]:
    """One entry for each part of what ships that is not the student's, as far as the money goes; all of them anew after
    each score, so that a budget that ends here loses none.

    Its predictor, kind and source; the mean score on dev with it and without it. Where a candidate without it does as
    well, and is shorter, this one ships; then its own parts are taken out.
    Scores are those of the rows that the parts were chosen on, so they flatter. shipping: what would ship now.
    """
    own, best = parts_of(bench.student), shipping()
    means: dict[Slot, float | None] = {}
    while True:
        parts = changed(bench.student, best.candidate)
        slots = sorted(parts, key=_dearest_first)
        yield [
            {
                "predictor": slot.predictor,
                "kind": slot.kind,
                "source": pools.source(slot, parts[slot]),
                "with": best.mean,
                "without": means.get(slot),
            }
            for slot in slots
        ]
        waiting = [slot for slot in slots if slot not in means]
        if not waiting:
            return
        without = with_parts(best.candidate, {waiting[0]: own[waiting[0]]})
        means[waiting[0]] = _mean(bench, without, best.candidate, waiting[0])
        if (ships := shipping()).candidate != best.candidate:
            best, means = ships, {}


def _mean(bench: Workbench, candidate: Candidate, best: Candidate, slot: Slot) -> float | None:
    """None where the candidate cannot be written, or not be paid for."""
    if renders(candidate) or bench.remaining.expected < len(bench.dev):
        return None
    origin = Origin("Joint", "taken out", {"part": str(slot)})
    return bench.score([candidate], origin=origin, parents=[best])[0].mean


def _dearest_first(slot: Slot) -> int:
    """Demonstrations make a prompt long and another LM its tokens dear; instructions less so, the rest not at all."""
    return _DEAREST.index(slot.kind)
