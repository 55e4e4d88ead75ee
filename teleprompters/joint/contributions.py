"""What each part of the best brings: it is taken out once, the program's own put back, and both are compared on dev."""

from __future__ import annotations

from ...signatures.candidate import Candidate
from ...signatures.canonical import JSON
from ..base import Origin, Workbench
from .parts import Kind, Pools, Slot, changed, parts_of, renders, with_parts

_DEAREST: tuple[Kind, ...] = ("demonstrations", "lm", "instruction", "settings", "format", "position")


def taken_apart(bench: Workbench, pools: Pools) -> list[JSON]:
    """One entry for each part of the best that is not the student's, as far as the money goes.

    Its predictor, kind and source; the mean score on dev with it and without it. Where a candidate without it does as
    well, this one becomes the best, for it is the shorter; the parts of that one are then taken out.
    Scores are those of the rows that the parts were chosen on, so they flatter.
    """
    found: dict[Slot, JSON] = {}
    while True:
        best = bench.known[0]
        own = parts_of(bench.student)
        parts = changed(bench.student, best.candidate)
        found = {slot: entry for slot, entry in found.items() if slot in parts and entry["with"] == best.mean}
        waiting = [slot for slot in sorted(parts, key=_dearest_first) if slot not in found]
        if not waiting:
            break
        slot = waiting[0]
        without = with_parts(best.candidate, {slot: own[slot]})
        mean = _mean(bench, without, best.candidate, slot)
        found[slot] = {
            "predictor": slot.predictor,
            "kind": slot.kind,
            "source": pools.source(slot, parts[slot]),
            "with": best.mean,
            "without": mean,
        }
    return list(found.values())


def _mean(bench: Workbench, candidate: Candidate, best: Candidate, slot: Slot) -> float | None:
    """None where the candidate cannot be written, or not be paid for."""
    if renders(candidate) or bench.remaining.expected < len(bench.dev):
        return None
    origin = Origin("Joint", "taken out", {"part": str(slot)})
    return bench.score([candidate], origin=origin, parents=[best])[0].mean


def _dearest_first(slot: Slot) -> int:
    """Demonstrations make a prompt long and another LM its tokens dear; instructions less so, the rest not at all."""
    return _DEAREST.index(slot.kind)
