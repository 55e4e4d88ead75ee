"""A wrong chain out of a right one: its numbers, names and dates change places, its sentences stay."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from ...draws import shuffled

_NUMBER = r"\d+(?:[.,:/-]\d+)*"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_DATE = re.compile(rf"\b(?:{_NUMBER}\s+{_MONTH}(?:\s+\d{{4}})?|{_MONTH}\s+{_NUMBER}(?:,\s*\d{{4}})?)\b")
_FIGURE = re.compile(rf"(?<![\w.]){_NUMBER}(?!\w)")
_NAME = re.compile(r"(?<![.!?:\n]\s)(?<!\A)\b[A-Z][\w'-]*(?:\s+[A-Z][\w'-]*)*")


def objects_in(chain: str) -> list[tuple[int, int, str]]:
    """(start, end, kind) of every number, date and name, in order; names are capitalised words within a sentence."""
    found: list[tuple[int, int, str]] = []
    for kind, pattern in (("date", _DATE), ("number", _FIGURE), ("name", _NAME)):
        for match in pattern.finditer(chain):
            if all(match.end() <= start or end <= match.start() for start, end, _ in found):
                found.append((match.start(), match.end(), kind))
    return sorted(found)


def shuffled_objects(chain: str, rng: random.Random) -> tuple[str, dict[str, str]] | None:
    """The chain with objects of a kind in each other's place, and which stands instead of which.

    None where no kind has two different objects.
    Source: Chia et al. 2023, arXiv 2311.09277, section 3. Differs on purpose: objects are found by patterns, not by an
    entity recogniser; every mention of an object is replaced by the same other one, so that no object stays right.
    """
    found = objects_in(chain)
    taken: dict[int, str] = {}
    for kind in ("date", "number", "name"):
        places = [n for n, (*_, one) in enumerate(found) if one == kind]
        texts = [chain[found[n][0] : found[n][1]] for n in places]
        taken.update(zip(places, _moved(texts, rng), strict=True))
    pieces, at = [], 0
    instead: dict[str, str] = {}
    for n, (start, end, _) in enumerate(found):
        pieces += [chain[at:start], taken[n]]
        instead[chain[start:end]] = taken[n]
        at = end
    wrong = "".join([*pieces, chain[at:]])
    return None if wrong == chain else (wrong, instead)


def _moved(texts: Sequence[str], rng: random.Random) -> list[str]:
    """In another order, each different text always standing for the same other one: so that all of them are wrong."""
    kinds = list(dict.fromkeys(texts))
    order = shuffled(kinds, rng)
    after = dict(zip(order, [*order[1:], *order[:1]], strict=True))
    return [after[text] for text in texts]
