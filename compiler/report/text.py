"""The report as plain text, for a terminal: verdict, what changed, the best candidates, lineage, money, rejections."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from textwrap import indent

from ..frozen.words import marked, word_diff
from ..score_range import fraction
from .evidence_section import rows_said
from .lineage_section import ancestors, move_of
from .material import Candidate, Material
from .money_section import accounts, forecast, purposes
from .numbers import count, dollars, duration, many, points
from .provenance_section import reproduction
from .rejected_section import counted

BEST = 10  # candidates listed
# A run's texts must not steer the terminal.
_STEERING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def text(material: Material) -> str:
    parts = (
        ("verdict", _verdict(material)),
        ("program", _program(material)),
        ("search", _search(material)),
        ("lineage", _lineage(material)),
        ("money", _money(material)),
        ("rejected", [f"{reason}: {number:,}" for reason, number in counted(material)]),
        ("reproduce", [f"{name}: {value}" for name, value in reproduction(material)]),
    )
    lines = [", ".join(part for part in (material.program, material.teleprompter, material.name) if part)]
    if rows := rows_said(material):
        lines.append(rows)
    for name, said in parts:
        told = list(said)
        if told:
            lines += ["", name, *(indent(line, "  ") for line in told)]
    return _STEERING.sub(lambda found: ascii(found[0])[1:-1], "\n".join(lines) + "\n")


def _verdict(material: Material) -> Iterator[str]:
    verdict = material.verdict
    yield f"none: the run is {material.state}" if verdict is None else str(verdict)
    if material.holds:
        yield f"the file holds the {material.holds}'s prompts"
    if material.fuller:
        yield f"this is a report of the file alone: burnish report --text {material.fuller} has more"
    yield from material.evidence.get("notes", [])


def _program(material: Material) -> Iterator[str]:
    before = material.candidates.get(material.student)
    after = material.candidates.get(material.finalist)
    if after is None or before is None or before == after:
        yield from _alone(after or before or {})
        return
    for path, new in after.items():
        old = before[path]
        yield f"{path}: {marked(word_diff(old.instruction, new.instruction)) or '(no instruction)'}"
        demos = (len(old.demos), len(new.demos))
        yield f"  format {new.format}, demonstrations {demos[0]} -> {demos[1]}"


def _alone(candidate: Candidate) -> Iterator[str]:
    for path, words in candidate.items():
        yield f"{path}: {words.instruction or '(no instruction)'}"
        yield f"  format {words.format}, {many(len(words.demos), 'demonstration')}"


def _search(material: Material) -> Iterator[str]:
    if not material.records:
        return
    yield f"{many(len(material.records), 'candidate')}; those with the most on dev:"
    best = sorted(material.whole, key=lambda record: (-record.mean, record.number))[:BEST]
    rows = [("#", "score", "calls", "from")]
    for one in best:
        mark = " (finalist)" if one.candidate == material.finalist else ""
        score = points(fraction(one.mean, material.score_range))
        rows.append((str(one.number), score, count(one.spent.calls), f"{one.teleprompter}, {one.move}{mark}"))
    yield from _table(rows)


def _lineage(material: Material) -> Iterator[str]:
    for one in ancestors(material):
        yield f"#{one.number} {move_of(one)}: {points(fraction(one.mean, material.score_range))} on dev"


def _money(material: Material) -> Iterator[str]:
    spent = accounts(material)
    if not spent:
        return
    has_price = any(one.usd for one in spent.values())
    rows = [("account", "calls", "tokens", *(("dollars",) if has_price else ()))]
    for name, one in spent.items():
        rows.append((name, count(one.calls), count(one.tokens), *((dollars(one.usd),) if has_price else ())))
        if name == "search":
            parts = [(f"  {purpose}", spend) for purpose, spend in purposes(material)]
            rows += [(p, count(s.calls), count(s.tokens), *((dollars(s.usd),) if has_price else ())) for p, s in parts]
    yield from _table(rows)
    if material.seconds is not None:
        yield f"time: {duration(material.seconds)}"
    if planned := forecast(material):
        yield "forecast of calls, and what it took:"
        told = [("part", "expected", "taken", "at most")]
        for part, spend in planned:
            taken = "" if spend is None else count(spend.calls)
            told.append((part["part"], count(part["expected"]["calls"]), taken, count(part["at_most"]["calls"])))
        yield from _table(told)


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows under each other; the columns of numbers flush right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    is_number = [all(row[column][:1].isdigit() or not row[column] for row in rows[1:]) for column in range(len(widths))]
    for row in rows:
        cells = zip(row, widths, is_number, strict=True)
        yield "  ".join(cell.rjust(width) if right else cell.ljust(width) for cell, width, right in cells).rstrip()
