"""burnish plan, burnish compile."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from .arguments import TELEPROMPTERS, budget_of, lm_of, metric_named, named_object, rows_of, teleprompter_named
from .options import ENCODER, METRIC, PROGRAM, command, json_option, lm_options, positive, print_json
from .remedies import in_options
from .writing import FROZEN, check_output, force_option, source_of

if TYPE_CHECKING:
    from ..callbacks import Callback
    from .options import Commands

SHIP_REFUSED = 3
EXIT_CODES = {SHIP_REFUSED: 'compile --fail-unless-ship, and the verdict is not "ship"'}


def add(commands: Commands) -> None:
    planning = command(
        commands,
        "plan",
        plan,
        "What a compile would spend, before it spends anything.",
        "  burnish plan app:program --train reviews.jsonl --metric exact_match:label --budget calls=1500",
    )
    compiles = command(
        commands,
        "compile",
        compile_program,
        "Search for better prompts, compare once on held-out rows, write one frozen file.",
        "  burnish compile app:program --train reviews.jsonl --metric exact_match:label \\\n"
        "      --lm local/smollm2-135m-instruct --budget calls=1500 -o sentiment.json\n"
        "  burnish compile app.py:program --train train.csv --val dev.csv --holdout test.csv --inputs question \\\n"
        "      --metric app.py:score --lm gpt-4o-mini --teleprompter ape --budget usd=2 -o answers.json",
    )
    for parser in (planning, compiles):
        parser.add_argument("program", metavar="PROGRAM", help=PROGRAM)
        parser.add_argument("--train", metavar="FILE", required=True, help="rows: .jsonl, .json or .csv")
        parser.add_argument("--val", metavar="FILE", help="rows that candidates are selected on (default: split off)")
        parser.add_argument("--holdout", metavar="FILE", help="rows that the gain is reported on (default: split off)")
        parser.add_argument("--inputs", metavar="A,B", help="input columns (default: the program's input fields)")
        parser.add_argument("--metric", metavar="METRIC", required=True, help=METRIC)
        parser.add_argument(
            "--report-metric",
            metavar="METRIC",
            action="append",
            default=[],
            help="measured on the holdout only; may be repeated",
        )
        lm_options(parser)
        parser.add_argument("--optimizer-lm", metavar="MODEL", help="writes prompts (default: the same as --lm)")
        parser.add_argument("--judge-lm", metavar="MODEL", help="serves metrics that ask a model (default: as --lm)")
        parser.add_argument("--encoder", metavar="MODEL", help=ENCODER)
        parser.add_argument(
            "--teleprompter",
            metavar="NAME",
            help=f"{', '.join(TELEPROMPTERS)}, or module:attribute (default: joint)",
        )
        parser.add_argument(
            "--budget", metavar="LIMITS", help="any of calls=,tokens=,usd=,seconds= (default: calls=2000)"
        )
        parser.add_argument("--seed", type=int, default=0, help="default: 0")
        parser.add_argument("--concurrency", type=positive, metavar="N", help="most calls in flight")
        parser.add_argument(
            "--run-dir", metavar="FOLDER", help="where the run keeps its records (default: under .burnish/runs/)"
        )
        parser.add_argument(
            "--min-gain", type=float, default=0.02, metavar="GAIN", help="smallest gain worth shipping, default 0.02"
        )
        json_option(parser)
    compiles.add_argument("-o", "--output", metavar="FILE", required=True, help="the frozen file to write")
    compiles.add_argument("--fail-unless-ship", action="store_true", help="exit with 3 unless the verdict is ship")
    compiles.add_argument("--quiet", action="store_true", help="no plan and no progress line; warnings stay")
    force_option(compiles)


def plan(parsed: argparse.Namespace) -> int:
    from ..compile import plan as plan_compile

    planned = plan_compile(named_object(parsed.program, "program"), **_compile_arguments(parsed))
    print_json(planned.to_json()) if parsed.json else print(in_options(str(planned), vars(parsed)))
    return 0


def compile_program(parsed: argparse.Namespace) -> int:
    from ..compile import compile as compile_it
    from ..compile import plan as plan_compile
    from ..progress import Progress
    from .announcing import PlanFirst

    arguments = _compile_arguments(parsed)
    program = named_object(parsed.program, "program")
    check_output(parsed.output, FROZEN, _read(parsed), parsed.force)  # when what the program imports is known
    planned = plan_compile(program, **arguments)
    with ExitStack() as opened:
        callbacks: list[Callback] = [PlanFirst(planned, partial(in_options, given=vars(parsed)), parsed.quiet)]
        if not parsed.quiet:
            callbacks.append(opened.enter_context(Progress(tells_verdict=parsed.json)))  # else standard output does
        compiled = compile_it(program, progress=False, callbacks=callbacks, **arguments)
    compiled.save(parsed.output)
    verdict = compiled.verdict
    if parsed.json:
        print_json({"file": parsed.output, "digest": compiled.digest, "verdict": verdict.to_json()})
    else:
        for line in compiled.report_lines:
            print(in_options(line, vars(parsed)))
        print(f"wrote {parsed.output}")
    return SHIP_REFUSED if parsed.fail_unless_ship and verdict.decision != "ship" else 0


def _compile_arguments(parsed: argparse.Namespace) -> dict[str, Any]:
    return {
        "trainset": rows_of(parsed.train, parsed.inputs),
        "valset": rows_of(parsed.val, parsed.inputs),
        "holdout": rows_of(parsed.holdout, parsed.inputs),
        "metric": metric_named(parsed.metric),
        "report_metrics": [metric_named(name) for name in parsed.report_metric],
        "lm": lm_of(parsed.lm, parsed.base_url, parsed.param, parsed.price),
        "optimizer_lm": lm_of(parsed.optimizer_lm, parsed.optimizer_lm and parsed.base_url, []),
        "judge_lm": lm_of(parsed.judge_lm, parsed.judge_lm and parsed.base_url, []),
        "encoder": lm_of(parsed.encoder, parsed.encoder and parsed.base_url, []),
        "teleprompter": teleprompter_named(parsed.teleprompter),
        "budget": budget_of(parsed.budget),
        "seed": parsed.seed,
        "concurrency": parsed.concurrency,
        "run_dir": parsed.run_dir,
        "min_gain": parsed.min_gain,
    }


def _read(parsed: argparse.Namespace) -> dict[str, str | None]:
    """The files that a compile reads, by the option that names them."""
    return {
        **{"--train": parsed.train, "--val": parsed.val, "--holdout": parsed.holdout},
        "PROGRAM": source_of(parsed.program),
        "--metric": source_of(parsed.metric),
        **{"--report-metric " + name: source_of(name) for name in parsed.report_metric},
        "--teleprompter": source_of(parsed.teleprompter),
    }
