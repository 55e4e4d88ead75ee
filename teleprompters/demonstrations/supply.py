"""Supplies: which rows of the pool a predictor can be shown, and which of them are left out and why."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

from ...signatures.candidate import Candidate
from ...signatures.example import Example
from ...signatures.prompt import Demo
from ..base import Outcome, Workbench
from ..draws import shuffled
from ..pairs import each_from_trace, from_row
from .base import DUPLICATE, Shot, Supply

Source: TypeAlias = Literal["labelled", "bootstrapped"]

MOST_SHOTS = 400  # that a supply is made of, unless more or fewer are wanted
BATCH = 16  # pool rows that are executed together while traces are collected
_WORD = re.compile(r"\w+")


def supply_of(
    bench: Workbench,
    candidate: Candidate,
    predictor: str,
    *,
    k: int,
    money: int,
    source: Source = "labelled",
    threshold: float = 1.0,
    most: int = MOST_SHOTS,
) -> Supply:
    """What one predictor can be shown: its rows' labels, or what the program itself did right on them.

    A predictor with a field that is no column of the data (a reasoning, an intermediate result) is always shown what
    the program did. candidate: also what is executed. most: shots that are wanted; executions end when there are so
    many or a quarter of the money is spent. threshold: the score from which an execution is right.

    Whatever is executed is the candidate with nothing shown to this predictor, and on no row that another predictor is
    shown, whose answer could be copied: such rows are left out ("row shown already"). Labelled ones come back where
    fewer than k others are left, no more than make k.
    Left out and counted in the log: rows whose inputs nearly repeat an earlier row's ("near duplicate"), and rows whose
    inputs nearly repeat a row of dev ("near a row of dev"), which would give its answer away.
    """
    bare = candidate.with_prompt(predictor, demos=(), rule=None)
    rows = apart(bench, bench.pool)
    seen = {row for row in rows if is_shown(bare, row)}
    schema = bare.prompt(predictor).schema
    labelled = {row: values for row in rows if (values := from_row(row, schema)) is not None}
    rows = [row for row in rows if row not in seen]
    if seen:
        bench.log("row shown already", predictor=predictor, rows=len(seen))
    if source == "labelled" and labelled:
        unseen = [row for row in labelled if row not in seen]
        fill = [row for row in labelled if row in seen][: max(0, k - len(unseen))]
        shots = [Shot(row, Demo.of(labelled[row])) for row in (*unseen, *fill)][:most]
    else:
        shots = _traced(bench, bare, predictor, rows, money // 4, threshold, most)
    if not shots:
        bench.log("nothing to demonstrate with", predictor=predictor, source=source)
    return Supply(bench, bare, predictor, tuple(shots), min(k, len(shots)), money, tuple(rows))


def _traced(
    bench: Workbench,
    candidate: Candidate,
    predictor: str,
    rows: Sequence[Example],
    money: int,
    threshold: float,
    most: int,
) -> list[Shot]:
    schema = candidate.prompt(predictor).schema
    tried = shuffled(rows, bench.rng(f"rows to trace for demonstrations of {predictor}"))[:money]
    shots: list[Shot] = []
    for first in range(0, len(tried), BATCH):
        batch = tried[first : first + BATCH]
        for row, outcome in zip(batch, bench.bootstrap(candidate, batch), strict=True):
            if _is_right(outcome, threshold):
                shots += [Shot(row, Demo.of(values)) for values in each_from_trace(outcome, predictor, schema)]
        if len(shots) >= most:
            break
    return shots[:most]


def is_shown(candidate: Candidate, row: Example) -> bool:
    """Whether a fixed demonstration of any predictor has this row's inputs, as far as that predictor is given them.

    A rule never picks a demonstration whose inputs are the query's.
    """
    for path in candidate.predictors:
        prompt = candidate.prompt(path)
        names = [field.name for field in prompt.schema.inputs if field.name in row.inputs]
        inputs = [row.values.get(name) for name in names]
        if names and prompt.rule is None and any([d.values.get(n) for n in names] == inputs for d in prompt.demos):
            return True
    return False


def _is_right(outcome: Outcome, threshold: float) -> bool:
    return outcome.failure is None and outcome.score >= threshold


# rows that say nearly the same


def apart(bench: Workbench, rows: Iterable[Example]) -> list[Example]:
    """The rows whose inputs are not nearly those of an earlier row or of a row of dev."""
    near = _Texts()
    for row in bench.dev:
        near.add(row)
    dev = len(near)
    kept: list[Example] = []
    for row in rows:
        twin = near.twin_of(row)
        if twin is None:
            near.add(row)
            kept.append(row)
        else:
            reason = "near a row of dev" if twin < dev else "near duplicate"
            bench.log("row not shown", place=row.place, reason=reason)
    return kept


class _Texts:
    """Inputs by their word triples, to find one that is nearly the same without comparing all."""

    def __init__(self) -> None:
        self._triples: list[frozenset[tuple[str, ...]]] = []
        self._holding: dict[tuple[str, ...], list[int]] = {}

    def __len__(self) -> int:
        return len(self._triples)

    def add(self, row: Example) -> None:
        triples = _triples(row)
        for triple in triples:
            self._holding.setdefault(triple, []).append(len(self._triples))
        self._triples.append(triples)

    def twin_of(self, row: Example) -> int | None:
        """The number of an input with nearly the same words, or None."""
        triples = _triples(row)
        shared: dict[int, int] = {}
        for triple in triples:
            for number in self._holding.get(triple, ()):
                shared[number] = shared.get(number, 0) + 1
        for number in sorted(shared):
            if shared[number] >= DUPLICATE * len(triples | self._triples[number]):
                return number
        return None


def _triples(row: Example) -> frozenset[tuple[str, ...]]:
    """Runs of three words of the inputs; of shorter inputs the whole."""
    text = unicodedata.normalize("NFC", " ".join(str(value) for value in row.input_values.values())).casefold()
    words = _WORD.findall(text) or [text]
    return frozenset(zip(words, words[1:], words[2:], strict=False)) or frozenset({tuple(words)})
