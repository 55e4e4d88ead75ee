"""The range of a metric's scores, (lowest, highest): what people read are points of 100 between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from ..signatures.canonical import JSON

Range: TypeAlias = "tuple[float, float]"
UNIT: Range = (0.0, 1.0)


def fraction(score: float, of: Range) -> float:
    """How far up its range a score lies, 0 to 1."""
    low, high = of
    return (score - low) / (high - low)


def range_in(record: Mapping[str, JSON]) -> Range:
    """As a record of a run or the evidence of a file has it, which is nothing where it is from 0 to 1.

    Raises ValueError or TypeError for what is no range, in a file that others have written.
    """
    low, high = record.get("range", UNIT)
    if not low < high:
        raise ValueError(f"'range' is {[low, high]!r}, and wants the lowest score before the highest")
    return float(low), float(high)
