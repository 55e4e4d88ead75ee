"""Step lists: read from a reply, written with numbers, amended in one place, and how far a text follows them."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TypeAlias

from ..signatures.loose_json import structures
from .replies import instruction, passages

SIMILAR = 0.6  # share of words in common from which a step that should have stayed is the old one in other words
_NUMBERED = re.compile(
    r"(?P<indent>[ ]*)(?:[-*•>#]+[ ]+)*(?P<mark>\*\*|__)?[ ]*"
    r"(?:step[ ]*\d{1,2}\b(?:\*\*|__)?[ ]*(?:[.):–—-]|(?=\()|$)|\(?\d{1,2}[.):](?=\*\*|__|\s|$))(?:\*\*|__)?",
    re.IGNORECASE,
)
_BULLET = re.compile(r"\A\s*(?:[-*•]|\(?[a-z][.)])\s+")
_LABEL = re.compile(r"\bsteps?\W{0,4}(\d{1,2})\b", re.IGNORECASE)
_REFERENCE = re.compile(r"\bsteps?\s+\d+(?:(?:\s*(?:,|-|–|&|\band\b|\bor\b|\bto\b)\s*)+\d+)*", re.IGNORECASE)
_WORD = re.compile(r"\w+")

Steps: TypeAlias = tuple[str, ...]


def read_steps(reply: str) -> Steps | None:
    """The steps that a reply lists, without their numbers; None when there are fewer than two.

    Takes what stands in `<steps>` where there is such a block, else the whole reply. Lines that begin with a number
    ("1.", "2)", "**Step 3:**") begin a step; what is indented under one, numbered or not, belongs to it. Without any
    number every line is a step.
    """
    text = instruction(reply, "steps")
    if text is None:
        return None
    lines = [line.expandtabs(4).rstrip() for line in text.splitlines()]
    steps = _numbered(lines) or _unnumbered(lines)
    return tuple(steps) if len(steps) >= 2 else None


def _numbered(lines: Sequence[str]) -> list[str]:
    begins = {at: begin for at, line in enumerate(lines) if (begin := _NUMBERED.match(line))}
    # What surrounded the text was stripped, so the first line's indentation says nothing.
    top = min((len(begin["indent"]) for at, begin in begins.items() if at > 0), default=0)
    starts = [at for at, begin in begins.items() if at == 0 or len(begin["indent"]) < top + 2]
    found = [
        _step(lines[start], begins[start], lines[start + 1 : end])
        for start, end in zip(starts, [*starts, len(lines)][1:], strict=True)
    ]
    # A paragraph after the list is the writer's remark, unless the steps are written in paragraphs.
    is_loose = any(len(paragraphs) > 1 for paragraphs in found[:-1])
    return [text for paragraphs in found if (text := "\n".join(paragraphs if is_loose else paragraphs[:1]))]


def _step(first: str, begin: re.Match[str], rest: Sequence[str]) -> list[str]:
    """The paragraphs of a step: what is indented goes on with the one before it."""
    text, mark = first[begin.end() :].strip(), begin["mark"]
    if mark and begin[0].count(mark) == 1:  # opened before the number, closed after a title
        text = text.replace(mark, "", 1)
    paragraphs, blank = [text], False
    for line in rest:
        if line and (not paragraphs[-1] or not blank or line.startswith(" ")):
            paragraphs[-1] = f"{paragraphs[-1]}\n{line.strip()}".strip()
        elif line:
            paragraphs.append(line.strip())
        blank = not line
    return paragraphs


def _unnumbered(lines: Sequence[str]) -> list[str]:
    steps = [_BULLET.sub("", line).strip() for line in lines if _WORD.search(line)]
    return steps[1:] if steps and steps[0].endswith(":") else steps


def numbered(steps: Sequence[str]) -> str:
    """The steps as a prompt has them: "Step 1: ..." and so on, further lines of a step indented."""
    return "\n".join("Step {}: {}".format(n, step.replace("\n", "\n   ")) for n, step in enumerate(steps, start=1))


# amended in one place


@dataclass(frozen=True)
class Amended:
    """A new step list. put_back: how many steps had been reworded that were to stay, and have their old text again."""

    steps: Steps
    put_back: int


def amended(old: Steps, new: Steps, target: int) -> Amended | None:
    """`old` with what `new` has in place of step number `target`, every other step verbatim; None when that is unclear.

    A step that was to stay and was reworded gets its old text back. It is unclear what was changed when there are fewer
    steps than before, or when a step that was to stay has become another one; and a list that changed nothing is none.
    Numbers by which steps name each other move with the steps: what was said of the target goes to its last part.
    """
    extra = len(new) - len(old)
    if extra < 0:
        return None
    kept = (*new[: target - 1], *new[target + extra :])
    were = (*old[: target - 1], *old[target:])
    changed = [(one, other) for one, other in zip(kept, were, strict=True) if _plain(one) != _plain(other)]
    parts = new[target - 1 : target + extra]
    is_same = extra == 0 and _plain(parts[0]) == _plain(old[target - 1])
    if is_same or not all(_is_similar(one, other) for one, other in changed):
        return None
    moved = [_moved(step, target, extra) for step in were]
    return Amended((*moved[: target - 1], *parts, *moved[target - 1 :]), len(changed))


def _plain(step: str) -> str:
    """What makes two steps the same: their words, whatever the numbers are by which they name other steps."""
    return " ".join(_REFERENCE.sub("step", step).split())


def _is_similar(one: str, other: str) -> bool:
    words, others = _WORD.findall(one.casefold()), _WORD.findall(other.casefold())
    return SequenceMatcher(a=words, b=others, autojunk=False).ratio() >= SIMILAR


def _moved(step: str, target: int, extra: int) -> str:
    def number(found: re.Match[str]) -> str:
        return str(int(found[0]) + (extra if int(found[0]) >= target else 0))

    return _REFERENCE.sub(lambda reference: re.sub(r"\d+", number, reference[0]), step) if extra else step


# followed


def followed(text: str, count: int) -> float:
    """The share of `count` steps whose labels ("Step 1", "step 2") stand in a text, in their order."""
    ends: list[int] = []  # the smallest number that ends a rising row of labels of each length
    for number in map(int, _LABEL.findall(text)):
        if 1 <= number <= count:
            at = bisect_left(ends, number)
            ends[at : at + 1] = [number]
    return len(ends) / count


def unfollowed(text: str, count: int) -> str:
    """What is wrong with the labels of a text that should follow every step; "" when nothing is."""
    named = set(map(int, _LABEL.findall(text)))
    for number in range(1, count + 1):
        if number not in named:
            return f"Step {number} is not named"
    return "" if followed(text, count) == 1 else "the steps are not named in their order"


# blamed


@dataclass(frozen=True)
class Blame:
    """The step that the optimizer LM names as the first that failed, and why."""

    step: int
    reason: str


def read_blame(reply: str) -> Blame | None:
    """The step and the reason that a reply gives, as JSON or in prose; None when it names no step or no reason.

    The number is as it was given: there need be no such step.
    """
    text = "\n".join(passages(reply, "json") or ())
    for found in structures(text):
        first = found[0] if isinstance(found, list) and found else found
        values = {str(name).casefold(): value for name, value in first.items()} if isinstance(first, dict) else {}
        if "step" in values:
            number = re.search(r"-?\d+", str(values["step"]))
            reason = str(values.get("reason") or "").strip()
            return Blame(int(number[0]), reason) if number and reason else None
    label = _LABEL.search(text)
    return Blame(int(label[1]), text.strip()) if label else None
