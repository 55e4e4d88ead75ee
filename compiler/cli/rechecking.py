"""burnish recheck."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .arguments import lm_of, lm_of_file, metric_named, named_object, rows_of
from .asking import calls_in_words, calls_of, distinct, rows_in_words
from .options import GATE, METRIC, command, file_options, fraction, json_option, print_json, quiet_option
from .seen import warn_of_seen

if TYPE_CHECKING:
    from .options import Commands

EXIT_CODES = {GATE: "recheck --fail-if-drifted, and it has"}


def add(commands: Commands) -> None:
    parser = command(
        commands,
        "recheck",
        recheck,
        "Ask today's model anew with a frozen file's prompts, and compare with the score at compile time.",
        "  burnish recheck sentiment.json fresh.jsonl\n"
        "  burnish recheck sentiment.json fresh.jsonl --budget calls=200 --fail-if-drifted",
    )
    parser.add_argument("file", metavar="FILE", help="a frozen file")
    parser.add_argument("data", metavar="DATA", help="rows that the compile has not seen, or its held-out ones")
    parser.add_argument(
        "--metric", metavar="METRIC", help=f"{METRIC} (default: the built-in that the file was compiled with)"
    )
    parser.add_argument("--budget", metavar="calls=N", help="the most calls (default: what all rows take)")
    parser.add_argument(
        "--margin", type=fraction, default=0.05, metavar="SHARE", help="the drop that is worth a compile, default 0.05"
    )
    parser.add_argument("--fail-if-drifted", action="store_true", help="exit with 4 when the score has dropped")
    parser.add_argument(
        "--keep",
        metavar="FOLDER",
        help="keep the new replies here; the same folder again pays only for what is missing",
    )
    parser.add_argument("--inputs", metavar="A,B", help="input columns (default: the file's input fields)")
    file_options(parser, offline=False)
    quiet_option(parser)
    json_option(parser)


def recheck(parsed: argparse.Namespace) -> int:
    from ..frozen.document import read_document
    from ..frozen.scoring import default_metric
    from ..progress.replies import shown
    from ..recheck import affordable, calls_a_row, score_then
    from ..recheck import recheck as checked

    document = read_document(parsed.file)
    score_then(document)
    metric = metric_named(parsed.metric) if parsed.metric else default_metric(parsed.file)
    rows = rows_of(parsed.data, parsed.inputs)
    assert rows is not None
    each, calls = calls_a_row(document), calls_of(parsed.budget, "a recheck")
    asked = affordable(rows, each, calls)
    planned = each * distinct(asked)
    then = document["lm"]["model"]
    now = parsed.lm or then
    warn_of_seen(parsed.file, document, parsed.data, rows)
    if now != then:
        print(f"The score then is that of {then}: what differs is the model as well.", file=sys.stderr)
    said = calls_in_words(planned, calls, exact=document["kind"] != "module")
    plan = f"asking {now} anew: {rows_in_words(asked, len(rows))}, {said}"
    with shown(plan, planned, parsed.quiet) as watch:
        found = checked(
            document,
            rows,
            metric,
            lm=lm_of_file(parsed, parsed.file),
            program=named_object(parsed.program, "--program") if parsed.program else None,
            encoder=lm_of(parsed.encoder, parsed.encoder and parsed.base_url, []),
            concurrency=parsed.concurrency,
            calls=calls,
            margin=parsed.margin,
            keep=None if parsed.keep is None else Path(parsed.keep),
            watch=watch,
        )
    print_json(found.to_json()) if parsed.json else print(found)
    return GATE if parsed.fail_if_drifted and found.drifted else 0
