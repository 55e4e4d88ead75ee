"""Plan: what a compile will do with its budget, before the first paid call."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..signatures.canonical import JSON
from ..signatures.example import Example
from ..teleprompters.base import Forecast, Sizes, Spend
from .budget import USD_UNITS, Ledger, Limit, limit_of
from .embedding import BATCH, BATCH_BYTES, MOST_TOKENS
from .lm.encoders import encoder_of
from .sizing import (
    ASK_TOKENS,
    BYTES_PER_TOKEN,
    MIN_PAIRS,
    SHOWN_ROWS,
    Sizing,
    embeds_queries,
    judges,
    needed,
    size_up,
    times,
    usd_of,
)
from .splits import Splits

if TYPE_CHECKING:
    from .task import Task

MOST_BYTES = 4  # of a character
SECONDS_PER_CALL = 1.0  # expected, where nothing better is known
CALLS_AT_ONCE = 8
NO_SEARCH = "This budget pays for no step of the search: the student is scored, and nothing is compared. Give it more."


@dataclass(frozen=True)
class PlanRow:
    """One part of the budget: its name, what it will take, and what it can take at most (None: nothing limits it)."""

    part: str
    expected: Spend
    calls: int | None
    tokens: int | None
    usd: float | None


@dataclass(frozen=True)
class Plan:
    """What a compile will do: a row a part, expected and at most, and notes in words. `print(plan)` shows the table.

    seconds: expected wall time. The last row is the total; real cost never passes its upper bound.
    warnings: those of the notes that say why nothing will come of it.
    """

    title: str
    rows: tuple[PlanRow, ...]
    seconds: float
    notes: tuple[str, ...]
    priced: bool
    warnings: tuple[str, ...] = ()

    @property
    def total(self) -> PlanRow:
        return self.rows[-1]

    def to_json(self) -> dict[str, JSON]:
        return {
            "title": self.title,
            "seconds": self.seconds,
            "notes": list(self.notes),
            "parts": [
                {
                    "part": row.part,
                    "expected": {"calls": row.expected.calls, "tokens": row.expected.tokens, "usd": row.expected.usd},
                    "at_most": {"calls": row.calls, "tokens": row.tokens, "usd": row.usd},
                }
                for row in self.rows
            ],
        }

    def __str__(self) -> str:
        table = self.cells()
        widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
        lines = [
            "  ".join(
                cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths, strict=True))
            )
            for line in table
        ]
        return "\n".join([self.title, *lines, self.time, *self.notes])

    @property
    def time(self) -> str:
        minutes = f"{self.seconds / 60:.0f} minutes" if self.seconds >= 90 else f"{self.seconds:.0f} seconds"
        return f"time: about {minutes}"

    def cells(self) -> list[list[str]]:
        """The table as text, its head first."""
        head = ["part", "calls", "at most", "tokens", "at most"] + (["dollars", "at most"] if self.priced else [])
        return [head, *(self._cells(row) for row in self.rows)]

    def _repr_html_(self) -> str:
        from .notebook import plan_html

        return plan_html(self.title, self.cells(), [self.time, *self.notes])

    def _cells(self, row: PlanRow) -> list[str]:
        cells = [row.part, f"{row.expected.calls:,}", _shown(row.calls), f"{row.expected.tokens:,}", _shown(row.tokens)]
        if self.priced:
            cells += [f"{row.expected.usd:.2f}", "no limit" if row.usd is None else f"{row.usd:.2f}"]
        return cells


def make_plan(task: Task) -> Plan:
    """The plan of a checked task. No call is made."""
    sizing = size_up(task)
    ledger = Ledger(task.budget, sizing.final_need)
    splits = sizing.splits
    predictors = len(task.program.student.predictors)
    sizes = Sizes(
        len(splits.pool),
        len(splits.dev),
        predictors,
        ledger.room("search", sizing.expected),
        encoder=encoder_of(task.lms) is not None,
    )
    student = min(len(splits.dev), sizes.executions)
    affordable = max(0, sizes.executions - student)
    forecast = task.teleprompter.forecast(replace(sizes, executions=affordable))
    # A forecast is a wish; what the account does not pay for is not expected.
    calls = max(1, sizing.expected.calls)
    asked = min(forecast.asks, affordable * calls)
    embedded = _embedded(task, splits, forecast.embeddings, predictors, affordable * calls - asked)
    run = min(forecast.executions, max(0, affordable - (asked + embedded.calls) // calls))
    compared = len(splits.holdout) if sizing.compares else 0
    pair = times(sizing.expected, 2) + times(_query(task, splits.holdout), predictors)
    pairs = min(compared, ledger.room("final", pair))
    asks = Spend(asked, ASK_TOKENS * asked, usd_of(task, "optimizer", ASK_TOKENS) * asked) + embedded
    # What a metric asks its judge, and what a program makes of its inputs, has no bound that is known here.
    is_bounded = task.program.kind == "predictor" and not any(map(judges, (task.metric, *task.report_metrics)))
    most = _call_bound(task, sizing, forecast) if is_bounded else None
    search, final, faults = ledger.limits("search"), ledger.limits("final"), ledger.limits("faults")
    scored = _within(search, times(sizing.expected, student))
    rows = [
        _row("search: the student on dev", scored, search, most),
        _row(
            f"search: {task.teleprompter.settings()['name']}",
            _within(search, times(sizing.expected, run) + asks, after=scored),
            search,
            most,
        ),
        _row("final comparison on the holdout", _within(final, times(pair, pairs)), final, most),
        _row("set aside for faults", Spend(), faults, most),
    ]
    total = sum((row.expected for row in rows), Spend())
    rows.append(_row("total", total, limit_of(task.budget), most))
    budget = task.budget
    seconds = total.calls * SECONDS_PER_CALL / min(CALLS_AT_ONCE, task.concurrency or CALLS_AT_ONCE)
    if budget.seconds is not None:
        seconds = min(seconds, budget.seconds)
    no_search = () if asked or run else (NO_SEARCH,)
    return Plan(
        title=f"Plan for {budget.describe()}: {forecast.summary}",
        rows=tuple(rows),
        seconds=seconds,
        notes=(
            *_notes(task, sizing),
            *(() if not forecast.asks else (_writer(task),)),
            *no_search,
        ),
        priced=any(lm.has_price for lm in task.lms.values()),
        warnings=(*_undecided(task, sizing), *no_search),
    )


def _embedded(task: Task, splits: Splits, batches: int, predictors: int, affordable: int) -> Spend:
    """What the search is expected to ask the encoder: batches of the pool's texts, each query on dev once."""
    if encoder_of(task.lms) is None:
        return Spend()
    bytes_ = _mean_bytes(splits.pool)
    batches = min(
        affordable, math.ceil(batches * max(1.0, bytes_ * BATCH / BATCH_BYTES))
    )  # long texts make smaller ones
    tokens = batches * min(BATCH * bytes_, BATCH_BYTES) // BYTES_PER_TOKEN
    queries = min(affordable - batches, predictors * len(splits.dev))
    return Spend(batches, tokens, usd_of(task, "encoder", tokens)) + times(_query(task, splits.dev), queries)


def _query(task: Task, rows: Sequence[Example]) -> Spend:
    """What it takes to embed one query for a rule that compares vectors; nothing where there will be no such rule."""
    if not embeds_queries(task):
        return Spend()
    tokens = max(1, _mean_bytes(rows) // BYTES_PER_TOKEN)
    return Spend(1, tokens, usd_of(task, "encoder", tokens))


def _mean_bytes(rows: Sequence[Example]) -> int:
    shown = rows[:SHOWN_ROWS]
    return sum(len(row.data.encode("utf-8", "surrogatepass")) for row in shown) // max(1, len(shown))


def _within(limit: Limit, expected: Spend, after: Spend = Spend()) -> Spend:
    """As much of what is expected as the account pays for."""
    dollars = None if limit.usd is None else limit.usd / USD_UNITS
    pairs = ((limit.tokens, expected.tokens, after.tokens), (dollars, expected.usd, after.usd))
    share = min([1.0, *((most - before) / wanted for most, wanted, before in pairs if most is not None and wanted)])
    return Spend(math.ceil(share * expected.calls), math.floor(share * expected.tokens), share * expected.usd)


def _row(part: str, expected: Spend, limit: Limit, most: Spend | None) -> PlanRow:
    """A row whose upper bounds are the account's limits and, where only calls are limited, what those can cost."""
    calls, tokens = limit.calls, limit.tokens
    dollars = None if limit.usd is None else limit.usd / USD_UNITS
    if calls is not None and most is not None:
        tokens = calls * most.tokens if tokens is None else tokens
        dollars = calls * most.usd if dollars is None else dollars
    return PlanRow(part, expected, calls, tokens, dollars)


def _notes(task: Task, sizing: Sizing) -> list[str]:
    splits = sizing.splits
    notes = [
        f"rows: {len(splits.pool)} to draw from (pool), {len(splits.dev)} to select on (dev), "
        f"{len(splits.holdout)} held out for the final comparison"
    ]
    if len(splits.dev) < len(task.splits.dev):
        notes.append(f"dev is cut from {len(task.splits.dev)} rows to {len(splits.dev)}: the budget affords no more.")
    notes += (undecided := _undecided(task, sizing))
    if not undecided and sizing.pairs < len(splits.holdout):
        notes.append(f"The final account is sure to pay for {sizing.pairs} of {len(splits.holdout)} held-out rows.")
    if (task.program.kind != "predictor" or task.metric.needs_thread) and task.budget.calls_per_example is None:
        notes.append(
            f"assumed: {sizing.expected.calls} calls per example, one a predictor and one a judge; the first rows will "
            "tell. Declare Budget(calls_per_example=N) if it varies."
        )
    if (encoder := encoder_of(task.lms)) is not None:
        adds = (
            " A rule that picks demonstrations by its vectors adds a call to each row." if embeds_queries(task) else ""
        )
        notes.append(f"encoder: {encoder.name}.{adds}")
    if task.budget.seconds is not None:
        notes.append("A budget in seconds cannot be reproduced exactly.")
    if task.budget.cached == "free":
        notes.append("cached='free': what the cache answers costs nothing, so the result depends on the cache.")
    notes += splits.notes
    return notes


def _undecided(task: Task, sizing: Sizing) -> list[str]:
    """Why the verdict will be inconclusive, whatever the search finds; nothing where it need not be."""
    if len(sizing.splits.holdout) < MIN_PAIRS:
        return [f"No comparison: {needed(task, sizing)} The verdict will be inconclusive."]
    if not sizing.compares:
        return [
            f"This budget is too small for a comparison: it pays for {sizing.pairs} of at least {MIN_PAIRS} pairs. "
            f"The verdict will be inconclusive. {needed(task, sizing)}"
        ]
    return []


def _writer(task: Task) -> str:
    """Who is asked for prompts: users who leave the optimizer LM out may not know that somebody else could."""
    writer = task.lms["optimizer"]
    if writer is task.lms["task"]:
        return f"optimizer LM: {writer.model}, which runs the program too. Another one is given by optimizer_lm=."
    return f"optimizer LM: {writer.model}."


def _call_bound(task: Task, sizing: Sizing, forecast: Forecast) -> Spend:
    """The most that any one call can cost: a candidate on the longest row; the optimizer LM with as much to read and
    what the search shows it beside that; or the encoder with a batch of texts."""
    tokens = sizing.longest.tokens + MOST_BYTES * forecast.read_characters + forecast.reply_tokens
    if encoder_of(task.lms) is not None:
        tokens = max(tokens, MOST_TOKENS)
    return Spend(1, tokens, max(sizing.longest.usd, *(usd_of(task, role, tokens) for role in task.lms)))


def _shown(limit: int | None) -> str:
    return "no limit" if limit is None else f"{limit:,}"
