"""What the page's scripts read: candidates, rows, scores and executions in columns, each text once, compressed."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ...signatures.canonical import JSON
from ...signatures.errors import BurnishError
from ...teleprompters.base import Outcome, Step
from .lineage_section import move_of
from .material import Candidate, Material, Row, Scored
from .prompts_section import text_of

MOST_EXECUTIONS = 10_000  # with their messages and replies: the student's, the finalist's, then of the best others
MOST_TEXT = 24_000_000  # characters of these
SHORT = 300  # characters of a row's inputs in lists


@dataclass
class Strings:
    """Texts by number, each once."""

    texts: list[str] = field(default_factory=list)
    size: int = 0
    _numbers: dict[str, int] = field(default_factory=dict)

    def number(self, text: str) -> int:
        known = self._numbers.setdefault(text, len(self.texts))
        if known == len(self.texts):
            self.texts.append(text)
            self.size += len(text)
        return known


def packed(document: JSON) -> str:
    """JSON, deflated, in base64: no character of it means anything to HTML."""
    data = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(zlib.compress(data.encode("utf-8", "replace"), 6)).decode("ascii")


@dataclass(frozen=True)
class Columns:
    """index: what the page needs to open. texts: messages and replies, read when the first of them is looked at.

    executions: how many have their messages and replies; evaluations: how many scores there are. dev, held: rows.
    """

    index: JSON
    texts: JSON
    executions: int
    evaluations: int
    dev: int
    held: int


def columns(material: Material) -> Columns:
    strings, texts = Strings(), Strings()
    order = {record.candidate: place for place, record in enumerate(material.records)}
    rows = _used(material)
    scores: list[list[float | None] | None] = []
    runs: dict[int, JSON] = {}
    told = 0
    kept = _to_be_told(material, rows)
    for place, record in enumerate(material.records):
        if not rows or order[record.candidate] != place:  # nothing is known of rows; or it was recorded again, on more
            scores.append(None)
            continue
        outcomes = [material.outcome(record.candidate, row) for row in rows]
        scores.append([None if one is None else round(one.score, 6) for one in outcomes])
        if record.candidate in kept and texts.size < MOST_TEXT:
            said = material.candidates.get(record.candidate, {})
            runs[place] = [_execution(said, one, texts) for one in outcomes]
            told += sum(one is not None for one in outcomes)
    index = {
        "range": list(material.score_range),
        "student": order.get(material.student),
        "finalist": order.get(material.finalist),
        "candidates": _candidates(material, strings, order),
        "rows": _rows(rows, strings),
        "scores": scores,
        "rejections": _rejections(material, strings),
        "strings": strings.texts,
    }
    evaluations = sum(score is not None for line in scores if line is not None for score in line)
    held = sum(row.split == "holdout" for row in rows)
    return Columns(index, {"runs": runs, "strings": texts.texts}, told, evaluations, len(rows) - held, held)


def _used(material: Material) -> list[Row]:
    """The rows that candidates were selected on and compared on: not those of dev that the budget did not afford."""
    most = max((record.rows for record in material.records), default=0)
    return [*[row for row in material.rows if row.split == "dev"][:most], *material.compared]


def _to_be_told(material: Material, rows: Sequence[Row]) -> set[str]:
    """Candidates whose messages and replies are kept."""
    best = sorted(material.whole, key=lambda record: (-record.mean, record.number))
    ranked = dict.fromkeys([material.student, material.finalist, *(record.candidate for record in best)])
    most = max(2, MOST_EXECUTIONS // max(1, len(rows)))
    return set(list(ranked)[:most])


def _candidates(material: Material, strings: Strings, order: Mapping[str, int]) -> JSON:
    records = material.records
    whole = {record.number for record in material.whole}
    parents = [next((order[parent] for parent in record.parents if parent in order), None) for record in records]
    return {
        "number": [record.number for record in records],
        "digest": [record.candidate[:12] for record in records],
        "mean": [round(record.mean, 6) for record in records],
        "rows": [record.rows for record in records],
        "whole": [int(record.number in whole) for record in records],
        "failures": [record.failures for record in records],
        "origin": [strings.number(f"{record.teleprompter}, {record.move}") for record in records],
        "detail": [strings.number(move_of(record)) for record in records],
        "parent": parents,
        "calls": [record.spent.calls for record in records],
        "tokens": [record.spent.tokens for record in records],
        "rejected": [strings.number(record.rejected) for record in records],
        "text": [strings.number(_instructions(record, material)) for record in records],
        "demos": [_demos(record, material) for record in records],
    }


def _instructions(record: Scored, material: Material) -> str:
    said = material.candidates.get(record.candidate, {})
    if len(said) == 1:
        return next(iter(said.values())).instruction
    return "\n\n".join(f"{path}: {words.instruction}" for path, words in said.items())


def _demos(record: Scored, material: Material) -> int:
    return sum(len(words.demos) for words in material.candidates.get(record.candidate, {}).values())


def _rows(rows: Sequence[Row], strings: Strings) -> JSON:
    return {
        "split": [strings.number(row.split) for row in rows],
        "place": [strings.number(row.place) for row in rows],
        "input": [strings.number(_line(row.inputs)) for row in rows],
        "label": [strings.number(_line(row.labels)) for row in rows],
    }


def _line(values: Mapping[str, JSON]) -> str:
    """Values on one line; a single one without its name."""
    if len(values) == 1:
        said = text_of(next(iter(values.values())))
    else:
        said = "; ".join(f"{name}: {text_of(value)}" for name, value in values.items())
    said = " ".join(said.split())
    return said if len(said) <= SHORT else f"{said[: SHORT - 1]}…"


def _execution(said: Candidate, outcome: Outcome | None, texts: Strings) -> JSON:
    """[failure, reason, feedback, outputs, calls, steps]; a step: [predictor, [[role, text], ...] or None, reply]."""
    if outcome is None:
        return None
    outputs = "\n".join(f"{name}: {text_of(value)}" for name, value in outcome.outputs.items())
    told = (outcome.failure or "", outcome.reason, outcome.feedback, outputs)
    steps = [_step(said, step, texts) for step in outcome.trace]
    return [*(texts.number(one) for one in told), outcome.spend.calls, steps]


def _step(said: Candidate, step: Step, texts: Strings) -> JSON:
    messages = _messages(said, step)
    shown = None if messages is None else [[texts.number(m["role"]), texts.number(m["content"])] for m in messages]
    return [texts.number(step.path), shown, texts.number(step.reply)]


def _messages(said: Candidate, step: Step) -> Iterable[Mapping[str, str]] | None:
    """The messages of a step, rendered anew as they were; None where what they were made of is not known."""
    words = said.get(step.path)
    if words is None or words.prompt is None:
        return None
    try:
        return words.prompt.template.render(step.inputs)
    except BurnishError:
        return None


def _rejections(material: Material, strings: Strings) -> JSON:
    found = material.rejections
    return {
        "reason": [strings.number(one.reason) for one in found],
        "sentence": [strings.number(one.sentence) for one in found],
        "predictor": [strings.number(one.predictor) for one in found],
        "text": [strings.number(one.text) for one in found],
    }
