"""What a compiled file says of how it came about: the search that found the finalist, and the inputs of the run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress

from ..signatures.candidate import Candidate
from ..signatures.canonical import JSON, digest
from ..signatures.errors import SchemaError
from ..teleprompters.token_cost import front, prompt_tokens
from .records import Record
from .score_range import UNIT
from .splits import Splits
from .task import Task
from .workbench import Bench

RANDOM_FORMAT = ("RandomDemos", "format")  # the move that scores a format without demonstrations
SHARE_OF_SEARCH = 2  # the search has half of the calls, or more

# What stands in a report as a part of a prompt, and the fields that it is. Settings have none: they are all the rest.
PARTS = {
    "format": ("format",),
    "position": ("position",),
    "instruction": ("instruction",),
    "demonstrations": ("demos", "rule"),
    "settings": (),
}


def evidence(bench: Bench, splits: Splits, finalist: Candidate, notes: Sequence[str]) -> dict[str, JSON]:
    """How the finalist was found. Holds nothing that varies between equal runs."""
    records = bench.records
    spent = {account: bench.ledger.spent(account) for account in ("search", "final")}
    return {
        "rows": {name: len(getattr(splits, name)) for name in ("pool", "dev", "holdout")},
        **({} if bench.score_range == UNIT else {"range": list(bench.score_range)}),
        "candidates": len(records),
        "dev": {"student": records[0].score.mean if records else None, "best": _mean_of(records, finalist)},
        "parts": parts_of(records, finalist),
        "formats": formats_of(records),
        "front": front_of(records, finalist),
        "lineage": [record.to_json() for record in records if record.score.candidate == finalist],
        "spent": {account: {"calls": s.calls, "tokens": s.tokens, "usd": s.usd} for account, s in spent.items()},
        "failures": dict(sorted(bench.failures.items())),
        **({"findings": dict(sorted(bench.findings.items()))} if bench.findings else {}),
        "events": dict(sorted(bench.events.counts.items())),
        "notes": [*splits.notes, *bench.notes, *_unscored_demonstrations(bench), *notes],
    }


def _unscored_demonstrations(bench: Bench) -> list[str]:
    """Said where RandomDemos came no further than formats: the verdict alone reads as if sets had been compared."""
    student = bench.records[0].score if bench.records else None
    bare = {r.score.candidate for r in bench.records if (r.origin.teleprompter, r.origin.move) == RANDOM_FORMAT}
    if student is None or not bare or not bench.events.counts["budget spent"]:
        return []
    if any(r.is_whole and r.score.candidate.demos != student.candidate.demos for r in bench.records):
        return []
    said = "The budget ended before any set of demonstrations was scored on all of dev, so none was compared."
    formats = len({student.candidate, *bare})
    rows = len(student.values)
    each = math.ceil(bench.records[0].spent.calls / rows)
    calls = SHARE_OF_SEARCH * 2 * formats * rows * each
    limit = bench.ledger.budget.calls
    has_all_formats = bench.events.counts["round"] > 0
    if has_all_formats and limit is not None and limit < calls:
        said += f" About {calls} calls score one."
    return [said]


def parts_of(records: Sequence[Record], finalist: Candidate) -> list[dict[str, JSON]]:
    """What each part of the finalist brought on dev: the student with one part after the other exchanged for the
    finalist's (format, position, instruction, demonstrations, settings), as far as such candidates were scored."""
    if not records:
        return []
    means = {record.score.candidate.digest: record.score.mean for record in records if record.is_whole}
    hybrid = records[0].score.candidate
    previous = hybrid
    rows: list[dict[str, JSON]] = [{"part": "student", "dev": means.get(hybrid.digest)}]
    for name, fields in PARTS.items():
        for path in hybrid.predictors:
            prompt = finalist.prompt(path)
            hybrid = hybrid.with_prompt(path, **{field: getattr(prompt, field) for field in fields})
        if name == "settings":
            hybrid = finalist
        with suppress(SchemaError):  # the student's own parts may not go with those of the finalist
            if hybrid != previous:
                rows.append({"part": name, "dev": means.get(hybrid.digest)})
                previous = hybrid
    return rows


def formats_of(records: Sequence[Record]) -> dict[str, JSON]:
    """For each format that was tried, the best dev score without and with demonstrations."""
    found: dict[str, dict[str, JSON]] = {}
    for record in records:
        candidate = record.score.candidate
        names = {candidate.prompt(path).format for path in candidate.predictors}
        if record.is_whole and len(names) == 1:
            best = found.setdefault(names.pop(), {"without": None, "with": None})
            kind = "with" if candidate.demos else "without"
            best[kind] = max(best[kind] or 0.0, record.score.mean)
    return dict(sorted(found.items()))


def front_of(records: Sequence[Record], finalist: Candidate) -> list[dict[str, JSON]]:
    """The candidates that none beats in accuracy without a longer prompt, shortest first: score on dev, about how many
    prompt tokens, and what they say. role: "student", "finalist" or ""."""
    roles = {finalist: "finalist", **({records[0].score.candidate: "student"} if records else {})}
    scores = front([record.score for record in records if record.is_whole and not record.rejected])
    return [
        {
            "candidate": score.candidate.digest,
            "role": roles.get(score.candidate, ""),
            "dev": score.mean,
            "tokens": prompt_tokens(score.candidate),
            "instructions": {path: score.candidate.prompt(path).instruction for path in score.candidate.predictors},
            "demonstrations": len(score.candidate.demos),
        }
        for score in scores
    ]


def _mean_of(records: Sequence[Record], candidate: Candidate) -> JSON:
    return next((r.score.mean for r in records if r.is_whole and r.score.candidate == candidate), None)


def provenance(task: Task) -> dict[str, JSON]:
    identity = task.identity
    names = ("data", "teleprompter", "budget", "seed", "min_gain", "versions")
    return {
        **{name: identity[name] for name in names},
        "metric": task.metric.name,
        "metric_identity": digest(task.metric.identity),
        "models": {role: lm.identity() for role, lm in sorted(task.lms.items())},
        "program": digest(task.program.identity),
    }
