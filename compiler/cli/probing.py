"""burnish probe."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .arguments import budget_of, lm_of, lm_of_file, metric_named, named_object, rows_of
from .options import METRIC, command, file_options, json_option, positive, print_json, quiet_option

if TYPE_CHECKING:
    from .options import Commands


def add(commands: Commands) -> None:
    parser = command(
        commands,
        "probe",
        probe,
        "How fragile a frozen file is: score it with one thing changed at a time.",
        "  burnish probe sentiment.json test.jsonl\n"
        "  burnish probe sentiment.json test.jsonl --rows 100 --budget calls=1500 --writer gpt-4o-mini",
    )
    parser.add_argument("file", metavar="FILE", help="a frozen file")
    parser.add_argument("data", metavar="DATA", help="labelled rows: .jsonl, .json or .csv")
    parser.add_argument(
        "--metric", metavar="METRIC", help=f"{METRIC} (default: the built-in that the file was compiled with)"
    )
    parser.add_argument("--inputs", metavar="A,B", help="input columns (default: the file's input fields)")
    parser.add_argument("--writer", metavar="MODEL", help="paraphrases the instruction (default: as --lm)")
    parser.add_argument("--predictor", metavar="PATH", help="change this one only (default: each in turn)")
    parser.add_argument("--rows", type=positive, metavar="N", help="how many (default: what the budget affords)")
    parser.add_argument(
        "--draws", type=positive, default=3, metavar="N", help="of orders, wordings, labellings; default 3"
    )
    parser.add_argument("--budget", metavar="LIMIT", help="such as calls=1500, a hard limit (default: calls=2000)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of rows, orders and labellings; default 0")
    file_options(parser)
    quiet_option(parser)
    json_option(parser)


def probe(parsed: argparse.Namespace) -> int:
    from ..probe.probe import probe as run

    report = run(
        parsed.file,
        rows_of(parsed.data, parsed.inputs),
        metric=metric_named(parsed.metric) if parsed.metric else None,
        lm=lm_of_file(parsed, parsed.file),
        writer=lm_of(parsed.writer, parsed.writer and parsed.base_url, []),
        encoder=lm_of(parsed.encoder, parsed.encoder and parsed.base_url, []),
        program=named_object(parsed.program, "--program") if parsed.program else None,
        predictor=parsed.predictor,
        rows=parsed.rows,
        draws=parsed.draws,
        budget=budget_of(parsed.budget),
        seed=parsed.seed,
        concurrency=parsed.concurrency,
        progress=not parsed.quiet,
    )
    print_json(report.to_json()) if parsed.json else print(report)
    return 0
