"""Which words changed from one text to another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["same", "removed", "added"]
Piece: TypeAlias = tuple[Kind, str]

MOST_PAIRS = 4_000_000  # of words compared with each other: beyond it texts are compared line by line, then whole


def word_diff(old: str, new: str) -> list[Piece]:
    """The pieces of both texts in order: what stayed, what was removed, what was added.

    The pieces "same" and "removed" joined are the old text, "same" and "added" the new one; line ends are kept as they
    are. Neighbouring words that were replaced are one replacement.
    """
    return list(_joined(_on_lines(_merged(_joined(_pieces(_words(old), _words(new)))))))


def marked(pieces: Sequence[Piece]) -> str:
    """The pieces as one text, with removed words as [-word-] and added ones as {+word+}."""
    signs = {"same": ("", ""), "removed": ("[-", "-]"), "added": ("{+", "+}")}
    return "".join(f"{signs[kind][0]}{text}{signs[kind][1]}" for kind, text in pieces)


def _words(text: str) -> list[str]:
    return re.findall(r"\s+|\w+|[^\w\s]", text)


def _pieces(old: Sequence[str], new: Sequence[str]) -> Iterator[Piece]:
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    before, after = old[start : len(old) - end], new[start : len(new) - end]
    yield "same", "".join(old[:start])
    if len(before) * len(after) <= MOST_PAIRS:
        yield from _compared(before, after)
    else:
        lines = [f"{''.join(words)}".splitlines(keepends=True) for words in (before, after)]
        short = len(lines[0]) * len(lines[1]) <= MOST_PAIRS
        whole: list[Piece] = [("removed", "".join(before)), ("added", "".join(after))]
        yield from _compared(*lines) if short else whole
    yield "same", "".join(old[len(old) - end :])


def _compared(before: Sequence[str], after: Sequence[str]) -> Iterator[Piece]:
    """By the heaviest common subsequence: its time is bounded whatever the texts are, which difflib's is not."""
    weights = [3 if word.strip().isalnum() else 1 for word in before]  # a kept word says more than a kept space
    steps: list[bytearray] = []  # the move from each pair of places: 0 both, 1 the old one is removed, 2 the new added
    below = [0] * (len(after) + 1)
    for word, weight in zip(reversed(before), reversed(weights), strict=True):
        row, moves = [0] * (len(after) + 1), bytearray(len(after) + 1)
        moves[-1] = 1
        for place in range(len(after) - 1, -1, -1):
            if word == after[place]:
                row[place] = below[place + 1] + weight
            elif below[place] >= row[place + 1]:
                row[place], moves[place] = below[place], 1
            else:
                row[place], moves[place] = row[place + 1], 2
        steps.append(moves)
        below = row
    steps.reverse()
    a = b = 0
    while a < len(before) or b < len(after):
        removed, added = a, b
        while a < len(before) and steps[a][b]:
            a, b = (a + 1, b) if steps[a][b] == 1 else (a, b + 1)
        b = len(after) if a == len(before) else b
        yield "removed", "".join(before[removed:a])
        yield "added", "".join(after[added:b])
        if a < len(before):
            yield "same", before[a]
            a, b = a + 1, b + 1


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many leading words are equal."""
    return next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def _joined(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Neighbours of one kind made one piece, and empty ones left out."""
    kept: Piece | None = None
    for kind, text in pieces:
        if not text:
            continue
        if kept is not None and kept[0] == kind:
            kept = kind, kept[1] + text
        else:
            if kept is not None:
                yield kept
            kept = kind, text
    if kept is not None:
        yield kept


def _merged(pieces: Iterable[Piece]) -> list[Piece]:
    """Two replacements with nothing but a space between them made one, which reads better."""
    merged: list[Piece] = []
    for piece in pieces:
        merged.append(piece)
        if [kind for kind, _ in merged[-5:]] == ["removed", "added", "same", "removed", "added"]:
            (_, gone), (_, came), (_, between), (_, gone_too), (_, came_too) = merged[-5:]
            if not re.search(r"[\w\n]", between):
                merged[-5:] = [("removed", gone + between + gone_too), ("added", came + between + came_too)]
    return merged


def _on_lines(pieces: list[Piece]) -> list[Piece]:
    """What was removed or added between the same words moved to where a line begins, where it can stand there too."""
    moved = list(pieces)
    for place in range(1, len(moved) - 1):
        (before, left), (kind, text), (after, right) = moved[place - 1 : place + 2]
        if before == after == "same" and kind != "same" and "\n" in text:
            start = left.rpartition("\n")[2]
            if start and text.endswith("\n" + start):
                stays, shifted = left.removesuffix(start), start + text.removesuffix(start)
                moved[place - 1 : place + 2] = [("same", stays), (kind, shifted), ("same", start + right)]
    return moved
