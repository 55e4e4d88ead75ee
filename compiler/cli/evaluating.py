"""burnish eval."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING

from ...signatures.canonical import JSON
from ...signatures.errors import BudgetError, ExampleError, MetricError
from .arguments import lm_of, lm_of_file, metric_named, named_object, rows_of
from .asking import calls_in_words, calls_of, distinct, rows_in_words
from .options import GATE, METRIC, command, file_options, fraction, json_option, print_json, quiet_option
from .seen import warn_of_seen

if TYPE_CHECKING:
    from ...signatures.examples import Examples
    from ..evidence import Comparison
    from ..frozen.scoring import Scored
    from ..gate import Gate
    from ..metrics import Metric
    from .options import Commands

EXIT_CODES = {GATE: "eval --fail-if-worse, and it is"}


def add(commands: Commands) -> None:
    parser = command(
        commands,
        "eval",
        evaluate,
        "Score a frozen file on rows; with --against, compare it with another one, row by row.",
        "  burnish eval sentiment.json test.jsonl\n"
        "  burnish eval new.json test.jsonl --against old.json --metric exact_match:label\n"
        "  burnish eval new.json test.jsonl --against old.json --fail-if-worse --margin 0.02",
    )
    parser.add_argument("file", metavar="FILE", help="a frozen file")
    parser.add_argument("data", metavar="DATA", help="rows: .jsonl, .json or .csv")
    parser.add_argument(
        "--metric", metavar="METRIC", help=f"{METRIC} (default: the built-in that the file was compiled with)"
    )
    parser.add_argument("--against", metavar="FILE", help="another frozen file, scored on the same rows")
    parser.add_argument(
        "--fail-if-worse",
        action="store_true",
        help="with --against: exit with 4 when FILE is significantly worse, or with --margin might be",
    )
    parser.add_argument(
        "--margin",
        type=fraction,
        metavar="SHARE",
        help="with --fail-if-worse: pass only when a loss of this share of the score range, such as 0.02, is ruled out",
    )
    parser.add_argument("--inputs", metavar="A,B", help="input columns (default: the file's input fields)")
    parser.add_argument("--budget", metavar="calls=N", help="the most calls: a plan that needs more is refused")
    file_options(parser)
    quiet_option(parser)
    json_option(parser)
    parser.set_defaults(refuse=parser.error)


def evaluate(parsed: argparse.Namespace) -> int:
    from ..evidence import compare
    from ..frozen.document import read_document
    from ..frozen.scoring import default_metric, same_requests
    from ..gate import gate
    from ..gate import same_requests as passed_by_sameness

    if parsed.fail_if_worse and not parsed.against:
        parsed.refuse("--fail-if-worse compares with another file: add --against FILE")
    if parsed.margin is not None and not parsed.fail_if_worse:
        parsed.refuse("--margin belongs to --fail-if-worse: add that, or leave --margin out")
    metric = metric_named(parsed.metric) if parsed.metric else default_metric(parsed.file)
    rows = rows_of(parsed.data, parsed.inputs)
    assert rows is not None
    if parsed.against and same_requests(parsed.against, parsed.file):
        print("Both files ask the same model the same: nothing to compare, and nothing was asked.", file=sys.stderr)
        _print(parsed, metric, {}, None, passed_by_sameness() if parsed.fail_if_worse else None)
        return 0
    if parsed.against and len(rows) < 2:
        raise ExampleError(f"{parsed.data} has one row; a comparison needs at least two. Add rows. Nothing was spent.")
    paths = [parsed.file, *([parsed.against] if parsed.against else [])]
    scored = _scored(parsed, {path: read_document(path) for path in paths}, rows, metric)
    comparison = judged = None
    if parsed.against:
        comparison = compare(scored[parsed.against].scores, scored[parsed.file].scores, score_range=metric.range)
        judged = gate(comparison, parsed.margin) if parsed.fail_if_worse else None
    _print(parsed, metric, scored, comparison, judged)
    return 0 if judged is None or judged.passed else GATE


def _scored(
    parsed: argparse.Namespace, documents: Mapping[str, Mapping[str, JSON]], rows: Examples, metric: Metric
) -> dict[str, Scored]:
    """The scores of each file, through the reply cache. What can be wrong is found before the first call."""
    from ..frozen.scoring import score_document
    from ..lm import Client, ReplyCache
    from ..lm.call_limit import CallLimit
    from ..progress.replies import shown
    from ..recheck import calls_a_row

    program = named_object(parsed.program, "--program") if parsed.program else None
    encoder = lm_of(parsed.encoder, parsed.encoder and parsed.base_url, [])
    lms = {path: lm_of_file(parsed, path) for path in documents}
    limit = calls_of(parsed.budget, "an eval")
    for path, document in documents.items():
        _check(path, document, program, encoder, rows, metric)
    calls = sum(calls_a_row(document) for document in documents.values()) * distinct(rows)
    plan = _plan(parsed, documents, rows, calls, limit)
    if limit is not None and calls > limit:
        raise BudgetError(
            f"{plan}, and --budget allows {limit}. Give calls={calls}, or a file with fewer rows. Nothing was spent."
        )
    for path, document in documents.items():
        warn_of_seen(path, document, parsed.data, rows)
    meter = CallLimit(limit, "run again: what was paid for is in the reply cache, and costs nothing")
    offline = bool(os.environ.get("BURNISH_OFFLINE"))
    with (
        closing(ReplyCache()) as cache,
        Client(cache, meter, concurrency=parsed.concurrency, offline=offline) as client,
        shown(plan, calls, parsed.quiet) as client.watch,
    ):
        return {
            path: score_document(document, rows, metric, client, lms[path], program, encoder)
            for path, document in documents.items()
        }


def _check(
    path: str, document: Mapping[str, JSON], program: object, encoder: object, rows: Examples, metric: Metric
) -> None:
    """Raises a BurnishError where a file cannot be run on these rows, or scored by this metric."""
    from ...signatures.example import Example
    from ...signatures.values import to_json
    from ..frozen.document import candidate_of
    from ..frozen.scoring import inputs_of
    from ..metrics import check_fields
    from ..runtime.answering import same_encoder
    from ..runtime.program import FrozenProgram

    frozen = FrozenProgram(document, lm=_unasked, program=program, encoder=_unasked)
    for name in candidate_of(document["predictors"]).encoders[:1]:
        same_encoder(encoder, name)
    if document["kind"] == "module":
        return
    try:
        for number, row in enumerate(rows, 1):
            given = inputs_of(row, frozen.inputs)
            missing = [name for name, field in frozen.input_fields.items() if field.required and name not in given]
            if missing:
                raise ExampleError(
                    f"row {number} of {len(rows)}: the input {missing[0]!r} is missing; the program takes "
                    f"{', '.join(map(repr, frozen.inputs))}. Nothing was spent."
                )
        checked = [Example.of(to_json(dict(row)), (), getattr(row, "_burnish_place", "")) for row in rows]
        check_fields(metric, checked, frozen.outputs)
    except (ExampleError, MetricError) as error:
        raise type(error)(f"{path}: {error}") from None


def _unasked(*_: object) -> object:
    raise AssertionError("this program is looked at and not called")


def _plan(
    parsed: argparse.Namespace,
    documents: Mapping[str, Mapping[str, JSON]],
    rows: Examples,
    calls: int,
    limit: int | None,
) -> str:
    models = [parsed.lm] if parsed.lm else [document["lm"]["model"] for document in documents.values()]
    exact = all(document["kind"] != "module" for document in documents.values())
    files = f" by {len(documents)} files" if len(documents) > 1 else ""
    if os.environ.get("BURNISH_OFFLINE"):
        return f"from the reply cache alone: {rows_in_words(rows)}{files}"
    asked, said = " and ".join(dict.fromkeys(models)), calls_in_words(calls, limit, exact)
    return f"asking {asked}: {rows_in_words(rows)}{files}, {said}"


def _print(
    parsed: argparse.Namespace,
    metric: Metric,
    scored: Mapping[str, Scored],
    comparison: Comparison | None,
    judged: Gate | None,
) -> None:
    if parsed.json:
        print_json(
            {
                "metric": metric.name,
                "files": {path: _file_json(one, metric) for path, one in scored.items()},
                "comparison": None if comparison is None else comparison.to_json(),
                **({} if judged is None else {"gate": judged.to_json()}),
            }
        )
        return
    for path, one in scored.items():
        print(f"{path}: {_in_points(one, metric)}")
    if comparison is not None:
        print(f"{parsed.against} -> {parsed.file}: {comparison}")
    if judged is not None:
        print(judged)


def _in_points(scored: Scored, metric: Metric) -> str:
    """The mean score in points of 100 between the ends of the metric's range, and how far rows like these tell it."""
    from ..score_range import fraction as share

    found = _interval(scored, metric)
    between = "" if found is None else " (95 % {:.1f}..{:.1f})".format(*(100 * limit for limit in found))
    failed = f" ({scored.failed} replies did not parse)" if scored.failed else ""
    return f"{100 * share(scored.mean, metric.range):.1f} on {len(scored.scores)} examples{between}{failed}"


def _file_json(scored: Scored, metric: Metric) -> dict[str, JSON]:
    """With the interval of the mean in the units of the scores; null where they tell none."""
    (low, high), found = metric.range, _interval(scored, metric)
    return {
        **scored.to_json(),
        "interval": None if found is None else [low + limit * (high - low) for limit in found],
    }


def _interval(scored: Scored, metric: Metric) -> tuple[float, float] | None:
    """The 95 % interval of the mean, as fractions of the metric's range, within it."""
    from ..progress.standing import interval_of
    from ..score_range import fraction as share

    found = interval_of([share(score, metric.range) for score in scored.scores])
    return None if found is None else (max(0.0, found[0]), min(1.0, found[1]))
