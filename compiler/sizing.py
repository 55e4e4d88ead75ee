"""Sizing: what an execution costs, expected and at worst, and the sizes of a compile that its budget affords."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..signatures.candidate import Part
from ..signatures.example import Example
from ..signatures.values import to_text
from ..teleprompters.asking import MAX_LENGTH
from ..teleprompters.base import Spend
from .budget import Ledger
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
BYTES_PER_TOKEN = 4  # expected; the bound counts a token a byte
REPLY_TOKENS = 60  # expected, for a field whose length no row tells
ASK_TOKENS = 800  # expected, a request to the optimizer LM with its reply


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
    need = times(per_pair, len(splits.holdout))
    pairs = min(len(splits.holdout), Ledger(task.budget, need).room("final", per_pair))
    if pairs < MIN_PAIRS:
        need = Spend()
    affordable = Ledger(task.budget, need).room("search", expected)
    return Sizing(replace(splits, dev=dev_cap(splits.dev, affordable)), expected, worst, longest, need, pairs)


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


def embeds_queries(task: Task) -> bool:
    """Whether a candidate may ask the encoder before each call of a predictor."""
    given = any(part.prompt.template.encoder is not None for _, part in task.program.student.parts)
    return encoder_of(task.lms) is not None and (given or task.teleprompter.embeds_queries)


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
        expected += Spend(1, tokens, usd_of(task, part.settings.role, tokens))
        worst += most
        for other in task.runners:  # a candidate may run on any of them, and they are priced one by one
            most = max((most, *_bounds(task, part, other, shown)), key=lambda bound: (bound.usd, bound.tokens))
        share = most.usd / most.tokens if most.tokens else 0.0
        longest += Spend(most.calls, most.tokens + grown, (most.tokens + grown) * share)
    if judges(task.metric):
        asked = Spend(1, ASK_TOKENS, usd_of(task, "judge", ASK_TOKENS))
        expected, worst, longest = expected + asked, worst + asked, longest + asked
    calls = declared or expected.calls
    if declared is not None or task.program.kind != "predictor":
        worst = Spend(declared or worst.calls, worst.tokens, worst.usd)
        longest = Spend(declared or longest.calls, longest.tokens, longest.usd)
    if embeds_queries(task) and (encoder := encoder_of(task.lms)) is not None:
        # A candidate may pick demonstrations by vectors: a call to the encoder before each call of a predictor.
        embedded = max((encoder.bound(encoder.embedding([row.data])) for row in shown), key=lambda bound: bound.tokens)
        longest += times(embedded, 1 if task.program.kind == "predictor" else longest.calls)
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


def _reply_tokens(part: Part, rows: Sequence[Example]) -> int:
    """Expected tokens of a reply: as long as the labels are, or a default where no column tells."""
    total = 8
    for field in part.prompt.schema.outputs:
        texts = [to_text(field, row.values[field.name]) for row in rows if field.name in row.values]
        total += 8 + (sum(map(len, texts)) // len(texts) // BYTES_PER_TOKEN if texts else REPLY_TOKENS)
    return total


def usd_of(task: Task, role: str, tokens: int) -> float:
    """What tokens cost at the dearer of an LM's two prices; nothing where it has none."""
    price = task.lms[role].price
    return 0.0 if price is None else tokens * max(price.input, price.output) / 1e6


def times(spend: Spend, count: int) -> Spend:
    return Spend(spend.calls * count, spend.tokens * count, spend.usd * count)
