"""Guard rails for proposed instructions: what may not become a candidate, and why, in a code and a sentence."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from ..signatures.candidate import Candidate
from ..signatures.canonical import JSON
from ..signatures.errors import SchemaError
from ..signatures.example import Example
from ..signatures.formats import FORMATS

Code: TypeAlias = Literal[
    "empty", "too long", "duplicate", "placeholder", "reserved marker", "copied row", "leaked label"
]

MAX_LENGTH = 2000  # characters
COPIED_RUN = 13  # words in a row that are a copy, wherever in a training row they stand
COPIED_INPUT = 8  # words: a whole input this long is a copy too
_ANCHOR = COPIED_INPUT  # words in an indexed run ...
_STRIDE = COPIED_RUN - _ANCHOR + 1  # ... and every how many words one starts: a copied run always holds a whole one
_COMMON = 0.05  # a run of words or a value in more than this share of the rows says nothing about any of them
_SAME = 8  # rows to look at for one run of words
_GAP = 4  # words that may stand between an input and its label ("the answer to X is Y")
_WORD = re.compile(r"\w+")
_PLACEHOLDER = re.compile(r"\{[A-Za-z_]\w*\}")
_ARROW = re.compile(r"[-=~]+>|→|⇒|⟶|=|:")
_QUOTE = "\"'`“”‘’«»"


@dataclass(frozen=True)
class Rejection:
    """Why an instruction is not admitted: a code to count by and a sentence for a person."""

    code: Code
    sentence: str


def normalise(text: str) -> str:
    """What makes two instructions the same: Unicode NFC, case kept, runs of white space as one space, stripped."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def check(
    text: str,
    *,
    candidate: Candidate,
    predictor: str,
    pool: tuple[Example, ...],
    seen: set[str],
    max_length: int = MAX_LENGTH,
) -> Rejection | None:
    """Why `text` may not become the instruction of `predictor` in `candidate`; None when it may.

    candidate: holds the instruction that is to be replaced; its `{placeholders}` must remain.
    pool: the rows that the writer may have been shown. Words of the present instruction, and words that more than one
        row in twenty shares, are no copies of a row.
    seen: instructions that came up before for this predictor, as `normalise` gives them; this one is added.
    max_length: in characters.
    """
    present = candidate.prompt(predictor).instruction
    rules: tuple[Callable[[], Rejection | None], ...] = (
        lambda: _length(text, max_length),
        lambda: _duplicate(text, present, seen),
        lambda: _placeholders(text, present),
        lambda: _markers(text, candidate, predictor),
        lambda: _copies(text, present, pool),
        lambda: _leaks(text, pool),
    )
    rejection = next((rejection for rule in rules if (rejection := rule()) is not None), None)
    seen.add(normalise(text))
    return rejection


def _length(text: str, max_length: int) -> Rejection | None:
    if not text.strip():
        return Rejection("empty", "The proposed instruction is empty.")
    if len(text) > max_length:
        return Rejection(
            "too long", f"The proposed instruction has {len(text)} characters; at most {max_length} are admitted."
        )
    return None


def _duplicate(text: str, present: str, seen: Collection[str]) -> Rejection | None:
    same = normalise(text)
    if same == normalise(present) or same in seen:
        return Rejection("duplicate", f"{_short(text)} was proposed or used before.")
    return None


def _placeholders(text: str, present: str) -> Rejection | None:
    missing = sorted(set(_PLACEHOLDER.findall(present)) - set(_PLACEHOLDER.findall(text)))
    if missing:
        return Rejection("placeholder", f"{_short(text)} lost {', '.join(missing)} of the instruction it replaces.")
    return None


def _markers(text: str, candidate: Candidate, predictor: str) -> Rejection | None:
    """No format may read the instruction as its own markers: a later move may change the format and keep the text."""
    bare = candidate.prompt(predictor).with_(demos=(), rule=None)
    for name in FORMATS:
        try:
            _ = bare.with_(format=name, instruction="").template
        except SchemaError:
            continue  # this format cannot hold the predictor at all, whatever the instruction
        try:
            _ = bare.with_(format=name, instruction=text).template
        except SchemaError as error:
            return Rejection("reserved marker", str(error))
    return None


def _copies(text: str, present: str, pool: tuple[Example, ...]) -> Rejection | None:
    index = _index(pool)
    words, allowed = _words(text), f" {' '.join(_words(present))} "
    joined = f" {' '.join(words)} "
    for start in range(len(words) - _ANCHOR + 1):
        run = " ".join(words[start : start + _ANCHOR])
        for row in index.rows_with(run):
            copied = _copied(pool[row], joined, run, allowed)
            if copied is not None:
                place = pool[row].place or "a training row"
                return Rejection("copied row", f"{_short(text)} copies {place} word for word: {_short(copied)}.")
    return None


def _copied(row: Example, text: str, run: str, allowed: str) -> str | None:
    """The words of the row that stand in the text: a whole input, or COPIED_RUN words anywhere."""
    for name, value in row.values.items():
        for words in map(_words, _texts(value)):
            whole = " ".join(words)
            if len(words) >= COPIED_INPUT and name in row.inputs and f" {whole} " in text and whole not in allowed:
                return whole
            if run not in whole:
                continue
            for start in range(len(words) - COPIED_RUN + 1):
                part = " ".join(words[start : start + COPIED_RUN])
                if f" {part} " in text and part not in allowed:
                    return part
    return None


def _leaks(text: str, pool: tuple[Example, ...]) -> Rejection | None:
    """A short input beside its label: both in quotation marks, "hot -> cold", or "the answer to X is Y"."""
    index = _index(pool)
    text = unicodedata.normalize("NFC", text)
    found = list(_WORD.finditer(text))
    words = [match.group().casefold() for match in found]
    for start in range(len(words)):
        for length in range(1, min(COPIED_INPUT, len(words) - start + 1)):
            value = " ".join(words[start : start + length])
            for label in index.labels_of(value):
                if _paired(text, found, words, (start, start + length), label.split(" ")):
                    return Rejection("leaked label", f"{_short(text)} gives away a training row: {value!r}, {label!r}.")
    return None


def _paired(
    text: str, found: Sequence[re.Match[str]], words: Sequence[str], span: tuple[int, int], label: list[str]
) -> bool:
    start, end = span
    for at in range(len(words) - len(label) + 1):
        if list(words[at : at + len(label)]) != label or (start < at + len(label) and at < end):
            continue
        if _quoted(text, found[start], found[end - 1]) and _quoted(text, found[at], found[at + len(label) - 1]):
            return True
        if at < end:
            continue
        between = text[found[end - 1].end() : found[at].start()].strip().strip(_QUOTE).strip()
        if at == end and _ARROW.fullmatch(between):
            return True
        if end - start >= 3 and at - end <= _GAP and not re.search(r"[.!?\n]", between):
            return True
    return False


def _quoted(text: str, first: re.Match[str], last: re.Match[str]) -> bool:
    """Whether a quotation mark stands before the first word and one after the last, a full stop at most between."""
    before, after = text[: first.start()].rstrip(), text[last.end() :].lstrip(" .!?,")
    return before[-1:] in _QUOTE and after[:1] in _QUOTE and bool(before) and bool(after)


class _Index:
    """What the pool's rows say, by runs of words and by short inputs. Small: one entry for every sixth word."""

    def __init__(self, pool: tuple[Example, ...]) -> None:
        self._most = max(2, int(_COMMON * len(pool)))
        self._rows: dict[int, list[int]] = {}
        self._counts: Counter[int] = Counter()
        self._labels: dict[str, list[str]] = {}
        self._uses: Counter[str] = Counter()
        for number, row in enumerate(pool):
            texts = [(name, _words(text)) for name, value in row.values.items() for text in _texts(value)]
            runs = {hash(" ".join(words[at : at + _ANCHOR])) for _, words in texts for at in _starts(len(words))}
            for run in runs:
                self._counts[run] += 1
                rows = self._rows.setdefault(run, [])
                if len(rows) < _SAME:
                    rows.append(number)
            short = {" ".join(words) for name, words in texts if name in row.inputs and 0 < len(words) < COPIED_INPUT}
            if short:
                scalars = (value for value in row.labels.values() if not isinstance(value, dict | list))
                labels = [label for label in (" ".join(_words(str(value))) for value in scalars) if label]
            for value in short:
                self._uses[value] += 1
                self._labels.setdefault(value, []).extend(labels)

    def rows_with(self, run: str) -> Sequence[int]:
        """Numbers of rows that hold this run of words, at most _SAME; none when so many do that it is no one's."""
        key = hash(run)
        return self._rows.get(key, ()) if self._counts[key] <= self._most else ()

    def labels_of(self, value: str) -> Sequence[str]:
        """Labels of the rows with this input, in words; none when so many rows have it that it is a category."""
        return self._labels.get(value, ()) if self._uses[value] <= self._most else ()


@dataclass(frozen=True, eq=False)
class _Held:
    """A pool compared by identity: to compare 100 000 rows one by one would take longer than to use their index."""

    pool: tuple[Example, ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held) and self.pool is other.pool

    def __hash__(self) -> int:
        return id(self.pool)


@lru_cache(maxsize=1)  # the pool of a compile is one tuple that is asked about thousands of times
def _indexed(held: _Held) -> _Index:
    return _Index(held.pool)


def _index(pool: tuple[Example, ...]) -> _Index:
    return _indexed(_Held(pool))


def _starts(words: int) -> range:
    return range(0, words - _ANCHOR + 1, _STRIDE)


def _texts(value: JSON) -> Iterator[str]:
    """Every text in a value: itself, or those it holds."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFC", text).casefold())


def _short(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= 60 else f"{line[:57]}...")
