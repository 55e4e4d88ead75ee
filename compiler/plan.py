"""Plan: what a compile will do with its budget, before the first paid call; and the sizes that follow from it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..signatures.candidate import Part
from ..signatures.canonical import JSON
from ..signatures.example import Example
from ..signatures.values import to_text
from ..teleprompters.asking import MAX_LENGTH
from ..teleprompters.base import Forecast, Sizes, Spend
from .budget import USD_UNITS, Ledger, Limit, limit_of
from .embedding import BATCH, BATCH_BYTES, MOST_TOKENS
from .execution import bound_of
from .lm.encoders import encoder_of
from .splits import Splits, dev_cap

if TYPE_CHECKING:
    from .lm import LM
    from .metrics import Metric
    from .task import Task

MIN_PAIRS = 12  # fewer pairs cannot show a gain that is not overwhelming
SHOWN_ROWS = 200  # rows measured for the forecast
MOST_DEMOS = 16  # the upper bound allows a candidate this many demonstrations as long as the longest row
MOST_BYTES = 4  # of a character
BYTES_PER_TOKEN = 4  # expected; the bound counts a token a byte
REPLY_TOKENS = 60  # expected, for a field whose length no row tells
ASK_TOKENS = 800  # expected, a request to the optimizer LM with its reply
SECONDS_PER_CALL = 1.0  # expected, where nothing better is known
CALLS_AT_ONCE = 8
NO_SEARCH = "This budget pays for no step of the search: the student is scored, and nothing is compared. Give it more."


@dataclass(frozen=True)
class Sizing:
    """The sizes of a compile that follow from its budget and its rows.

    splits: with dev cut to what the budget affords. expected, worst: one execution of the student. longest: the worst
    case of an execution of any candidate. final_need: what the final comparison may cost, nothing when the budget
    cannot pay for MIN_PAIRS pairs. pairs: how many it pays for at the worst case.
    """

    splits: Splits
    expected: Spend
    worst: Spend
    longest: Spend
    final_need: Spend
    pairs: int

    @property
    def compares(self) -> bool:
        return self.pairs >= MIN_PAIRS


def judges(metric: Metric) -> bool:
    """Whether a metric's code speaks of judge(): it is then assumed to make one call a row."""
    code = getattr(inspect.unwrap(metric.fn), "__code__", None)
    return metric.needs_thread and code is not None and "judge" in (*code.co_names, *code.co_freevars)


def size_up(task: Task, measured: Spend | None = None) -> Sizing:
    """Sizes from the program's own rendered prompts; no call is made.

    measured: the worst case of an execution as the first rows have shown it, for programs and metrics with code of
    their own.
    """
    splits = task.splits
    expected, worst, longest = _execution(task, splits.dev)
    if measured is not None:
        calls = task.budget.calls_per_example or max(1, measured.calls)
        expected = Spend(calls, max(expected.tokens, measured.tokens // BYTES_PER_TOKEN), expected.usd)
        worst = Spend(calls, max(worst.tokens, measured.tokens), max(worst.usd, measured.usd))
        longest = Spend(
            calls * _most_each(task), max(longest.tokens, 2 * measured.tokens), max(longest.usd, 2 * measured.usd)
        )
    report = sum(judges(metric) for metric in task.report_metrics)
    calls = worst.calls + longest.calls + 2 * report
    per_pair = Spend(calls, worst.tokens + longest.tokens, worst.usd + longest.usd)
    need = _times(per_pair, len(splits.holdout))
    pairs = min(len(splits.holdout), Ledger(task.budget, need).room("final", per_pair))
    if pairs < MIN_PAIRS:
        need = Spend()
    affordable = Ledger(task.budget, need).room("search", expected)
    return Sizing(replace(splits, dev=dev_cap(splits.dev, affordable)), expected, worst, longest, need, pairs)


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
    """

    title: str
    rows: tuple[PlanRow, ...]
    seconds: float
    notes: tuple[str, ...]
    priced: bool

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
    pair = _times(sizing.expected, 2) + _times(_query(task, splits.holdout), predictors)
    pairs = min(compared, ledger.room("final", pair))
    asks = Spend(asked, ASK_TOKENS * asked, _usd(task, "optimizer", ASK_TOKENS) * asked) + embedded
    # What a metric asks its judge, and what a program makes of its inputs, has no bound that is known here.
    is_bounded = task.program.kind == "predictor" and not any(map(judges, (task.metric, *task.report_metrics)))
    most = _call_bound(task, sizing, forecast) if is_bounded else None
    search, final, faults = ledger.limits("search"), ledger.limits("final"), ledger.limits("faults")
    scored = _within(search, _times(sizing.expected, student))
    rows = [
        _row("search: the student on dev", scored, search, most),
        _row(
            f"search: {task.teleprompter.settings()['name']}",
            _within(search, _times(sizing.expected, run) + asks, after=scored),
            search,
            most,
        ),
        _row("final comparison on the holdout", _within(final, _times(pair, pairs)), final, most),
        _row("set aside for faults", Spend(), faults, most),
    ]
    total = sum((row.expected for row in rows), Spend())
    rows.append(_row("total", total, limit_of(task.budget), most))
    budget = task.budget
    seconds = total.calls * SECONDS_PER_CALL / min(CALLS_AT_ONCE, task.concurrency or CALLS_AT_ONCE)
    if budget.seconds is not None:
        seconds = min(seconds, budget.seconds)
    return Plan(
        title=f"Plan for {budget.describe()}: {forecast.summary}",
        rows=tuple(rows),
        seconds=seconds,
        notes=(
            *_notes(task, sizing),
            *(() if not forecast.asks else (_writer(task),)),
            *(() if asked or run else (NO_SEARCH,)),
        ),
        priced=any(lm.has_price for lm in task.lms.values()),
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
    return Spend(batches, tokens, _usd(task, "encoder", tokens)) + _times(_query(task, splits.dev), queries)


def _query(task: Task, rows: Sequence[Example]) -> Spend:
    """What it takes to embed one query for a rule that compares vectors; nothing where there will be no such rule."""
    if not embeds_queries(task):
        return Spend()
    tokens = max(1, _mean_bytes(rows) // BYTES_PER_TOKEN)
    return Spend(1, tokens, _usd(task, "encoder", tokens))


def _mean_bytes(rows: Sequence[Example]) -> int:
    shown = rows[:SHOWN_ROWS]
    return sum(len(row.data.encode("utf-8", "surrogatepass")) for row in shown) // max(1, len(shown))


def embeds_queries(task: Task) -> bool:
    """Whether a candidate may ask the encoder before each call of a predictor."""
    given = any(part.prompt.template.encoder is not None for _, part in task.program.student.parts)
    return encoder_of(task.lms) is not None and (given or task.teleprompter.embeds_queries)


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
    if len(splits.holdout) < MIN_PAIRS:
        notes.append(f"No comparison: {needed(task, sizing)} The verdict will be inconclusive.")
    elif not sizing.compares:
        notes.append(
            f"This budget is too small for a comparison: it pays for {sizing.pairs} of at least {MIN_PAIRS} pairs. "
            f"The verdict will be inconclusive. {needed(task, sizing)}"
        )
    elif sizing.pairs < len(splits.holdout):
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


def _writer(task: Task) -> str:
    """Who is asked for prompts: users who leave the optimizer LM out may not know that somebody else could."""
    writer = task.lms["optimizer"]
    if writer is task.lms["task"]:
        return f"optimizer LM: {writer.model}, which runs the program too. Another one is given by optimizer_lm=."
    return f"optimizer LM: {writer.model}."


def needed(task: Task, sizing: Sizing) -> str:
    """What a comparison needs, in words."""
    if len(sizing.splits.holdout) < MIN_PAIRS:
        return f"The holdout has {len(sizing.splits.holdout)} rows and a comparison needs {MIN_PAIRS}: give more rows."
    pair = sizing.worst.calls + sizing.longest.calls
    calls = -(-MIN_PAIRS * pair * 5 // 2)  # the final account gets at most 40 %
    tokens = -(-MIN_PAIRS * (sizing.worst.tokens + sizing.longest.tokens) * 5 // 2)
    usd = MIN_PAIRS * (sizing.worst.usd + sizing.longest.usd) * 5 / 2
    wanted = {"calls": str(calls), "tokens": str(tokens), "usd": f"{usd:.2g}", "seconds": "more"}
    limits = [f"{name}={value}" for name, value in wanted.items() if getattr(task.budget, name) is not None]
    return f"It needs Budget({', '.join(limits)}) or more."


def _execution(task: Task, rows: Sequence[Example]) -> tuple[Spend, Spend, Spend]:
    """Expected, worst, and worst of any candidate: one execution of the program with its metric."""
    parts = task.program.student.parts
    declared = task.budget.calls_per_example
    shown = rows[:SHOWN_ROWS]
    expected = worst = longest = Spend()
    grown = MAX_LENGTH + MOST_DEMOS * max(len(row.data.encode("utf-8", "surrogatepass")) for row in shown)
    for _, part in parts:
        lm = task.lms[part.settings.role]
        bounds = _bounds(task, part, lm, shown)
        most = max(bounds, key=lambda bound: bound.tokens)
        reply = _reply_tokens(part, shown)
        cap = int(part.settings.params.get("max_tokens", lm.params.get("max_tokens", 0)) or 0)
        mean = sum(bound.tokens for bound in bounds) / len(bounds) / most.calls - cap
        tokens = int(max(0.0, mean) / BYTES_PER_TOKEN) + min(reply, cap or reply)
        expected += Spend(1, tokens, _usd(task, part.settings.role, tokens))
        worst += most
        for other in task.runners:  # a candidate may run on any of them, and they are priced one by one
            most = max((most, *_bounds(task, part, other, shown)), key=lambda bound: (bound.usd, bound.tokens))
        share = most.usd / most.tokens if most.tokens else 0.0
        longest += Spend(most.calls, most.tokens + grown, (most.tokens + grown) * share)
    if judges(task.metric):
        asked = Spend(1, ASK_TOKENS, _usd(task, "judge", ASK_TOKENS))
        expected, worst, longest = expected + asked, worst + asked, longest + asked
    calls = declared or expected.calls
    if declared is not None or task.program.kind != "predictor":
        worst = Spend(declared or worst.calls, worst.tokens, worst.usd)
        longest = Spend(declared or longest.calls, longest.tokens, longest.usd)
    if embeds_queries(task) and (encoder := encoder_of(task.lms)) is not None:
        # A candidate may pick demonstrations by vectors: a call to the encoder before each call of a predictor.
        embedded = max((encoder.bound(encoder.embedding([row.data])) for row in shown), key=lambda bound: bound.tokens)
        longest += _times(embedded, 1 if task.program.kind == "predictor" else longest.calls)
    return Spend(calls, expected.tokens, expected.usd), worst, longest


def _bounds(task: Task, part: Part, lm: LM, rows: Sequence[Example]) -> list[Spend]:
    """The most that a call of a predictor costs on some LM, on each of the rows as far as its inputs are known."""
    if task.program.kind == "predictor":
        return [bound_of(part, lm, row.input_values) for row in rows]
    # Inputs of inner predictors are not known before they run: as long as the whole row.
    text = max((row.data for row in rows), key=len)
    return [bound_of(part, lm, {field.name: text for field in part.prompt.schema.inputs})]


def _most_each(task: Task) -> int:
    """Calls that a predictor's call may turn into in some candidate: with one to the encoder before it."""
    return 2 if embeds_queries(task) else 1


def _call_bound(task: Task, sizing: Sizing, forecast: Forecast) -> Spend:
    """The most that any one call can cost: a candidate on the longest row; the optimizer LM with as much to read and
    what the search shows it beside that; or the encoder with a batch of texts."""
    tokens = sizing.longest.tokens + MOST_BYTES * forecast.read_characters + forecast.reply_tokens
    if encoder_of(task.lms) is not None:
        tokens = max(tokens, MOST_TOKENS)
    return Spend(1, tokens, max(sizing.longest.usd, *(_usd(task, role, tokens) for role in task.lms)))


def _reply_tokens(part: Part, rows: Sequence[Example]) -> int:
    """Expected tokens of a reply: as long as the labels are, or a default where no column tells."""
    total = 8
    for field in part.prompt.schema.outputs:
        texts = [to_text(field, row.values[field.name]) for row in rows if field.name in row.values]
        total += 8 + (sum(map(len, texts)) // len(texts) // BYTES_PER_TOKEN if texts else REPLY_TOKENS)
    return total


def _usd(task: Task, role: str, tokens: int) -> float:
    price = task.lms[role].price
    return 0.0 if price is None else tokens * max(price.input, price.output) / 1e6


def _times(spend: Spend, times: int) -> Spend:
    return Spend(spend.calls * times, spend.tokens * times, spend.usd * times)


def _shown(limit: int | None) -> str:
    return "no limit" if limit is None else f"{limit:,}"
