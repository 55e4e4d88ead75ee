"""burnish: the command line. What each command takes stands here; what it does, in `cli_commands`."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence

from .. import __version__
from ..signatures.errors import BurnishError
from .cli_arguments import TELEPROMPTERS

EXIT_CODES = """exit codes:
  0  done
  1  an error, said in one message; what was paid for is kept
  2  the command line itself is wrong
  3  --fail-unless-ship, and the verdict is not "ship"
  130  stopped with Ctrl-C; the command to go on with is printed"""

PROGRAM = "module:attribute or file.py:attribute, a dspy.Module, Predict, ChainOfThought or Pipeline"
ENCODER = "gives vectors of texts: a server's name, local/NAME or sentence-transformers:NAME@COMMIT (default: none)"
SAME_ENCODER = "embeds queries for files that compare vectors (default: the encoder that the file names)"
METRIC = "exact_match:FIELD (or another built-in), module:function or file.py:function"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code; the entry point of the `burnish` script."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parsed = _parser().parse_args(given)
    if getattr(parsed, "offline", False):
        os.environ["BURNISH_OFFLINE"] = "1"
    try:
        code: int = parsed.command(parsed)
        sys.stdout.flush()
        return code
    except BurnishError as error:
        print(f"burnish: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nStopped. To go on: {shlex.join(['burnish', *given])}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever reads our output (head, less) has seen enough. Nothing may be written on the way out either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="burnish",
        description="A compiler for prompt programs: hard budgets, believable gains, one frozen file.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"burnish {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _plan_and_compile(commands)
    _eval(commands)
    _run(commands)
    _show_and_diff(commands)
    _cache(commands)
    _models(commands)
    return parser


Commands = argparse._SubParsersAction  # argparse has no public name for it


def _command(
    commands: Commands[argparse.ArgumentParser], name: str, function: str, summary: str, examples: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=_Lazily(function))
    return parser


class _Lazily:
    """A command by name: `burnish --help` must not import what the commands need."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, parsed: argparse.Namespace) -> int:
        from . import cli_commands

        code: int = getattr(cli_commands, self._name)(parsed)
        return code


def _plan_and_compile(commands: Commands[argparse.ArgumentParser]) -> None:
    plan = _command(
        commands,
        "plan",
        "plan",
        "What a compile would spend, before it spends anything.",
        "  burnish plan app:program --train reviews.jsonl --metric exact_match:label --budget calls=1500",
    )
    compiles = _command(
        commands,
        "compile",
        "compile_program",
        "Search for better prompts, compare once on held-out rows, write one frozen file.",
        "  burnish compile app:program --train reviews.jsonl --metric exact_match:label \\\n"
        "      --lm local/smollm2-135m-instruct --budget calls=1500 -o sentiment.json\n"
        "  burnish compile app.py:program --train train.csv --val dev.csv --holdout test.csv --inputs question \\\n"
        "      --metric app.py:score --lm gpt-4o-mini --teleprompter ape --budget usd=2 -o answers.json",
    )
    for parser in (plan, compiles):
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
        _lm_options(parser)
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
        parser.add_argument("--concurrency", type=_positive, metavar="N", help="most calls in flight")
        parser.add_argument(
            "--run-dir", metavar="FOLDER", help="where the run keeps its records (default: under .burnish/runs/)"
        )
        parser.add_argument(
            "--min-gain", type=float, default=0.02, metavar="GAIN", help="smallest gain worth shipping, default 0.02"
        )
        _json_option(parser)
    compiles.add_argument("-o", "--output", metavar="FILE", required=True, help="the frozen file to write")
    compiles.add_argument("--fail-unless-ship", action="store_true", help="exit with 3 unless the verdict is ship")
    compiles.add_argument("--quiet", action="store_true", help="no progress line")


def _eval(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands,
        "eval",
        "evaluate",
        "Score a frozen file on rows; with --against, compare it with another one, row by row.",
        "  burnish eval sentiment.json test.jsonl\n"
        "  burnish eval new.json test.jsonl --against old.json --metric exact_match:label",
    )
    parser.add_argument("file", metavar="FILE", help="a frozen file")
    parser.add_argument("data", metavar="DATA", help="rows: .jsonl, .json or .csv")
    parser.add_argument(
        "--metric", metavar="METRIC", help=f"{METRIC} (default: the built-in that the file was compiled with)"
    )
    parser.add_argument("--against", metavar="FILE", help="another frozen file, scored on the same rows")
    parser.add_argument("--inputs", metavar="A,B", help="input columns (default: the file's input fields)")
    parser.add_argument("--program", metavar="PROGRAM", help=f"for files of a module: {PROGRAM}")
    _lm_options(parser)
    parser.add_argument("--encoder", metavar="MODEL", help=SAME_ENCODER)
    parser.add_argument("--concurrency", type=_positive, default=8, metavar="N", help="calls in flight, default 8")
    _json_option(parser)


def _run(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands,
        "run",
        "run",
        "Call a frozen file: on one JSON object, or on JSON lines from standard input.",
        '  burnish run sentiment.json \'{"review": "Nothing about this movie works."}\'\n'
        "  burnish run sentiment.json < reviews.jsonl > labels.jsonl",
    )
    parser.add_argument("file", metavar="FILE", help="a frozen file")
    parser.add_argument(
        "inputs", metavar="JSON", nargs="?", help="an object with the input fields (default: read lines)"
    )
    parser.add_argument("--program", metavar="PROGRAM", help=f"for files of a module: {PROGRAM}")
    _lm_options(parser, offline=False)
    parser.add_argument("--encoder", metavar="MODEL", help=SAME_ENCODER)
    parser.add_argument("--concurrency", type=_positive, default=8, metavar="N", help="calls in flight, default 8")


def _show_and_diff(commands: Commands[argparse.ArgumentParser]) -> None:
    show = _command(commands, "show", "show", "Print a frozen file for a person.", "  burnish show sentiment.json")
    show.add_argument("file", metavar="FILE")
    _json_option(show)
    diff = _command(
        commands, "diff", "diff", "What changed from one frozen file to another.", "  burnish diff old.json new.json"
    )
    diff.add_argument("old", metavar="OLD")
    diff.add_argument("new", metavar="NEW")


def _cache(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands,
        "cache",
        "cache",
        "What the reply cache holds, and what it saves: no reply in it is ever paid for again.",
        "  burnish cache\n  burnish cache clear --yes",
    )
    parser.add_argument("action", nargs="?", choices=["show", "clear"], default="show", help="default: show")
    parser.add_argument("--yes", action="store_true", help="clear without asking")
    _json_option(parser)


def _models(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands,
        "models",
        "models",
        "Small models that run in this process: which there are, download one, where its file is.",
        "  burnish models list\n  burnish models pull smollm2-135m-instruct",
    )
    parser.add_argument("action", choices=["list", "pull", "path"])
    parser.add_argument("name", metavar="NAME", nargs="?", help="for pull and path")
    _json_option(parser)


def _lm_options(parser: argparse.ArgumentParser, offline: bool = True) -> None:
    parser.add_argument("--lm", metavar="MODEL", help="runs the program: a name the server knows, or local/NAME")
    parser.add_argument("--base-url", metavar="URL", help="of the server (default: OPENAI_BASE_URL, else OpenAI)")
    parser.add_argument(
        "--param",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="sampling default of --lm, such as max_tokens=64; may be repeated",
    )
    if offline:
        parser.add_argument("--price", metavar="IN,OUT", help="of --lm, in dollars per million tokens")
        parser.add_argument("--offline", action="store_true", help="answer from the reply cache alone")


def _json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, for a machine")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive whole number")
    return value
