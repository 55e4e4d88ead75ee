"""ROUGE-L: how much of two texts is the same words in the same order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_WORD = re.compile(r"\w+")


def rouge_words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.lower()))


def rouge_l(one: Sequence[str], other: Sequence[str], at_least: float = 0.0) -> float:
    """The F1 measure of the longest common subsequence of two lists of words, 0 to 1; 0 where one has none.

    at_least: a value below it need not be exact: 0 is given where the words alone, in any order, reach no more.
    Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries", section 3, with beta = 1.
    """
    total = len(one) + len(other)
    shared = sum((Counter(one) & Counter(other)).values())
    if not one or not other or 2 * shared / total < at_least:
        return 0.0
    lengths = [0] * (len(other) + 1)
    for word in one:
        diagonal = 0
        for place, against in enumerate(other, start=1):
            above = lengths[place]
            lengths[place] = diagonal + 1 if word == against else max(above, lengths[place - 1])
            diagonal = above
    return 2 * lengths[-1] / total
