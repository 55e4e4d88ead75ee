"""Recheck: the same prompts, today's model. Does a compiled file still score what it scored?"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..signatures.canonical import JSON
from ..signatures.errors import BudgetError, CacheError, ExampleError, FrozenError
from ..signatures.example import Example
from ..signatures.values import to_json
from .evidence import POWER, compare
from .execution import most_calls
from .frozen.document import candidate_of, verdict_of
from .frozen.scoring import Scored, inputs_of, score_document
from .lm.call_limit import CallLimit
from .lm.meter import Uncounted
from .statistics import normal_quantile
from .unpaired_test import LEVEL, Change, compare_means, compare_shares
from .workbench import fingerprint

if TYPE_CHECKING:
    from .lm import LM, Client
    from .lm.watched import Watch
    from .metrics import Metric

Outlook: TypeAlias = Literal["drifted", "steady", "unclear"]

MARGIN = 0.05  # of the score range: a drop that is worth a compile
FEWEST_ROWS = 12


@dataclass(frozen=True)
class Then:
    """What a file says of its own prompts. mean: a fraction of the score range. failed: replies that could not be used,
    None where the file does not say. on: which rows those were."""

    mean: float
    rows: int
    failed: int | None
    on: str


@dataclass(frozen=True)
class Recheck:
    """score: from then to now. unusable: the share of replies that could not be used, likewise; None where unknown.

    outlook: "drifted": a significant drop, and one of `margin` is not ruled out. "steady": a drop of `margin` is ruled
    out. "unclear": neither. rows_left_out: rows that the budget did not pay for. calls: attempts that were sent.
    """

    score: Change
    unusable: Change | None
    outlook: Outlook
    reason: str
    margin: float
    then_on: str
    paired: bool
    rows_left_out: int
    calls: int

    @property
    def drifted(self) -> bool:
        return self.outlook == "drifted"

    def to_json(self) -> dict[str, JSON]:
        unusable = None if self.unusable is None else self.unusable.to_json()
        return {**vars(self), "score": self.score.to_json(), "unusable": unusable}

    def __str__(self) -> str:
        score, same = self.score, ", the same rows" if self.paired else ""
        lines = [
            f"score then {100 * score.then:.1f} on {score.rows_then} {self.then_on}",
            f"score now  {100 * score.now:.1f} on {score.rows_now} rows{same}: {_interval(score)}",
        ]
        if (bad := self.unusable) is not None:
            counts = round(bad.then * bad.rows_then), round(bad.now * bad.rows_now)
            lines.append(
                f"replies that could not be used: {counts[0]} of {bad.rows_then} then, {counts[1]} of {bad.rows_now} "
                f"now: {_interval(bad)}"
            )
        return "\n".join([*lines, f"{self.outlook}: {self.reason}"])


def score_then(document: Mapping[str, JSON]) -> Then:
    """The score that the file's prompts had when they were compiled: on the held-out rows, else the student's on dev.

    Raises FrozenError when the file tells neither: what was selected on dev scores too well there to compare with.
    """
    verdict, evidence = verdict_of(document), document["evidence"]
    who = document["holds"]
    mean = verdict.finalist_mean if who == "finalist" else verdict.student_mean
    if verdict.pairs and mean is not None:
        counts = _mapping(_mapping(evidence.get("unusable")).get(f"the {who}, held out"))
        known = isinstance(evidence.get("unusable"), dict) and all(isinstance(n, int) for n in counts.values())
        return Then(mean, verdict.pairs, sum(counts.values()) if known else None, "held-out rows of the compile")
    dev, rows = _mapping(evidence.get("dev")).get("student"), _mapping(evidence.get("rows")).get("dev")
    if who == "student" and isinstance(dev, int | float) and isinstance(rows, int) and rows and 0 <= dev <= 1:
        return Then(float(dev), rows, None, "dev rows of the compile")
    raise FrozenError(
        "The file holds no score to compare with: its prompts were not scored on held-out rows. "
        "Compile with a larger budget, or compare two files with `burnish eval --against`."
    )


def calls_a_row(document: Mapping[str, JSON]) -> int:
    """The most calls that one row takes, re-asks and encoders included. A module's own code may make more."""
    return sum(most_calls(part) for _, part in candidate_of(document["predictors"]).parts)


def affordable(rows: Sequence[Any], each: int, calls: int | None) -> list[Any]:
    """As many rows as this number of calls pays for, chosen by their digests, so that the order of a file does not
    count. Raises BudgetError where that is fewer than FEWEST_ROWS (or than there are)."""
    if len(rows) < FEWEST_ROWS:
        raise ExampleError(
            f"{len(rows)} rows cannot show a drift that is not overwhelming. Give at least {FEWEST_ROWS}."
        )
    if calls is None or calls >= each * len(rows):
        return list(rows)
    if calls < each * FEWEST_ROWS:
        raise BudgetError(
            f"{calls} calls pay for {calls // each} rows at {each} calls a row, and {FEWEST_ROWS} rows are the fewest "
            f"that are compared. Give calls={each * FEWEST_ROWS} or more. Nothing was sent."
        )
    ranked = sorted(range(len(rows)), key=lambda place: Example.of(to_json(dict(rows[place])), ()).digest)
    return [rows[place] for place in sorted(ranked[: calls // each])]


def recheck(
    document: Mapping[str, JSON],
    rows: Sequence[Any],
    metric: Metric,
    *,
    lm: LM | None = None,
    program: object = None,
    encoder: object = None,
    concurrency: int = 8,
    calls: int | None = None,
    margin: float = MARGIN,
    keep: Path | None = None,
    watch: Watch | None = None,
) -> Recheck:
    """Asks the model anew on all rows that `calls` pays for, and compares with the score in the file.

    No reply comes from the user's reply cache, and none goes there: replies are kept in the folder `keep`, where a
    stopped recheck goes on (None: a temporary one). calls: attempts are never more than these (None: failed ones are
    sent again, within limits).
    watch: told of each new reply.
    Where the rows are the held-out rows of the compile and the reply cache still has its replies, the comparison is
    paired. Raises BudgetError, ExampleError or FrozenError before any call where nothing can be compared.
    """
    then = score_then(document)
    chosen = affordable(rows, calls_a_row(document), calls)
    limit = CallLimit(calls, "keep replies between runs with --keep FOLDER")
    with ExitStack() as opened:
        folder = keep or Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="burnish-recheck-")))
        client = _client(opened, folder, concurrency, limit)
        client.watch = watch
        now = score_document(document, chosen, metric, client, lm, program, encoder)
    before = None
    if len(chosen) == len(rows) == then.rows and _are_held_out(document, rows):
        before = _replayed(document, chosen, metric, lm, program, encoder, concurrency)
    change, paired = _compared(then, before, now, metric)
    unusable = None
    if then.failed is not None:
        unusable = compare_shares(min(then.failed, then.rows), then.rows, now.failed, len(chosen))
    outlook, reason = judge(change, margin, paired)
    left_out = len(rows) - len(chosen)
    return Recheck(change, unusable, outlook, reason, margin, then.on, paired, left_out, limit.sent)


def judge(change: Change, margin: float = MARGIN, paired: bool = False) -> tuple[Outlook, str]:
    """What a change means, with the reason in words, and what to do where nothing is shown.

    margin: the drop that is worth a compile. paired: whether the rows are the held-out ones of the compile.
    """
    low, high = change.interval
    points = f"{100 * margin:g} points"
    if low > -margin:
        small = "; there is a smaller one" if high < 0 else ""
        return "steady", f"a drop of {points} is ruled out{small}. No recompile is due."
    if high < 0:
        return "drifted", f"the score has dropped, by {-100 * high:.1f} to {-100 * low:.1f} points. A recompile is due."
    still = f"{change.rows_now} rows neither show a drop nor rule out one of {points}, but one of {-100 * low:.1f}."
    return "unclear", f"{still} {_what_would_tell(change, margin, paired)}"


def _what_would_tell(change: Change, margin: float, paired: bool) -> str:
    wider = "allow a wider --margin, or compile again with more held-out rows"
    if paired:
        return f"There are no more held-out rows to ask: {wider}."
    more = _more_rows(change, margin)
    if more is not None:
        return f"About {more} more rows would rule it out, if the model is as it was; or {wider}."
    return (
        f"More rows now would not help, as the score then is of {change.rows_then} rows: recheck on the compile's "
        f"held-out rows themselves, which are compared row by row while the reply cache has what was answered then; "
        f"or {wider}."
    )


def _more_rows(change: Change, margin: float) -> int | None:
    """How many more rows would rule out the margin in four of five rechecks of a model that has not changed."""
    reach = normal_quantile((1 + LEVEL) / 2)
    whole = ((change.interval[1] - change.interval[0]) / 2 / reach) ** 2
    rows = change.rows_now
    from_now = min(whole, max(change.now * (1 - change.now), 1 / rows) / rows)
    allowed = (margin / (reach + normal_quantile(POWER))) ** 2 - (whole - from_now)
    return None if allowed <= 0 else max(1, math.ceil(from_now * rows / allowed) - rows)


def _compared(then: Then, before: Scored | None, now: Scored, metric: Metric) -> tuple[Change, bool]:
    bottom, top = metric.range
    scores = [(score - bottom) / (top - bottom) for score in now.scores]
    if before is not None:
        both = compare(before.scores, now.scores, score_range=metric.range)
        means = both.student_mean, both.finalist_mean
        return Change(*means, both.n, both.n, both.gain, both.interval, both.p_value, both.method), True
    right = then.mean * then.rows
    # Means in files are rounded to six digits.
    if all(score in (0.0, 1.0) for score in scores) and abs(right - round(right)) <= 1e-6 * then.rows:
        return compare_shares(round(right), then.rows, round(sum(scores)), len(scores)), False
    return compare_means(then.mean, then.rows, scores), False


def _are_held_out(document: Mapping[str, JSON], rows: Sequence[Any]) -> bool:
    """Whether these are, all of them and no others, the rows that the file says it was compared on."""
    recorded = _mapping(_mapping(_mapping(document["provenance"]).get("data")).get("holdout")).get("digest")
    parts = candidate_of(document["predictors"]).parts
    names = {field.name for _, part in parts for field in part.prompt.schema.inputs}
    try:
        examples = [Example.of(to_json(dict(row)), tuple(inputs_of(row, tuple(names)))) for row in rows]
    except ExampleError:
        return False
    return recorded == fingerprint(examples)


def _replayed(
    document: Mapping[str, JSON],
    rows: Sequence[Any],
    metric: Metric,
    lm: LM | None,
    program: object,
    encoder: object,
    concurrency: int,
) -> Scored | None:
    """The scores then, row by row, from the replies that the compile has left in the reply cache; None if some are
    gone, or are not those of the compile."""
    try:
        with ExitStack() as opened:
            client = _client(opened, None, concurrency, Uncounted(), offline=True)
            scored = score_document(document, rows, metric, client, lm, program, encoder)
    except CacheError:
        return None
    bottom, top = metric.range
    mean = (scored.mean - bottom) / (top - bottom)
    return scored if abs(mean - score_then(document).mean) < 1e-5 else None


def _client(
    opened: ExitStack, folder: Path | None, concurrency: int, meter: Uncounted, offline: bool = False
) -> Client:
    from .lm import Client, ReplyCache

    cache = ReplyCache(folder)
    opened.callback(cache.close)
    return opened.enter_context(Client(cache, meter, concurrency=concurrency, offline=offline))


def _mapping(value: JSON) -> dict[str, JSON]:
    return value if isinstance(value, dict) else {}


def _interval(change: Change) -> str:
    low, high = change.interval
    p = f"p = {change.p_value:.2g}" if change.p_value >= 0.001 else "p < 0.001"
    return f"{100 * change.change:+.1f} ({100 * LEVEL:g} % {100 * low:+.0f}..{100 * high:+.0f}), {p}"
