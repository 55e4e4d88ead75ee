"""burnish eval."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ...signatures.errors import ExampleError
from .arguments import lm_of, metric_named, named_object, rows_of
from .options import GATE, METRIC, command, file_options, fraction, json_option, print_json

if TYPE_CHECKING:
    from ..frozen.scoring import Scored
    from .options import Commands


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
    file_options(parser)
    json_option(parser)
    parser.set_defaults(refuse=parser.error)


def evaluate(parsed: argparse.Namespace) -> int:
    from ..evidence import compare
    from ..frozen.scoring import default_metric, same_requests, score_file
    from ..gate import gate
    from ..gate import same_requests as passed_by_sameness

    if parsed.fail_if_worse and not parsed.against:
        parsed.refuse("--fail-if-worse compares with another file: add --against FILE")
    if parsed.margin is not None and not parsed.fail_if_worse:
        parsed.refuse("--margin belongs to --fail-if-worse: add that, or leave --margin out")
    metric = metric_named(parsed.metric) if parsed.metric else default_metric(parsed.file)
    rows = rows_of(parsed.data, parsed.inputs)
    assert rows is not None
    lm = lm_of(parsed.lm, parsed.base_url, parsed.param, parsed.price)
    encoder = lm_of(parsed.encoder, parsed.encoder and parsed.base_url, [])
    program = named_object(parsed.program, "--program") if parsed.program else None
    scored = {
        path: score_file(path, rows, metric, lm, program, parsed.concurrency, encoder)
        for path in dict.fromkeys([parsed.file, *([parsed.against] if parsed.against else [])])
    }
    comparison = judged = None
    if parsed.against:
        if len(rows) < 2:
            raise ExampleError(f"{parsed.data} has one row; a comparison needs at least two. Add rows.")
        old, new = scored[parsed.against], scored[parsed.file]
        comparison = compare(old.scores, new.scores, score_range=metric.range)
        if parsed.fail_if_worse:
            same = same_requests(parsed.against, parsed.file)
            judged = passed_by_sameness() if same else gate(comparison, parsed.margin)
    if parsed.json:
        print_json(
            {
                "metric": metric.name,
                "files": {path: one.to_json() for path, one in scored.items()},
                "comparison": None if comparison is None else comparison.to_json(),
                **({} if judged is None else {"gate": judged.to_json()}),
            }
        )
    else:
        _print_scores(scored)
        if comparison is not None:
            print(f"{parsed.against} -> {parsed.file}: {comparison}")
        if judged is not None:
            print(judged)
    return 0 if judged is None or judged.passed else GATE


def _print_scores(scored: dict[str, Scored]) -> None:
    for path, one in scored.items():
        failed = f" ({one.failed} replies did not parse)" if one.failed else ""
        print(f"{path}: {100 * one.mean:.1f} on {len(one.scores)} examples{failed}")
