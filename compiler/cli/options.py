"""Options that several commands take, and how a command prints."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from ...signatures.canonical import JSON
from ...signatures.errors import BurnishError
from .remedies import in_options

if TYPE_CHECKING:
    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]  # argparse has no public name for it

GATE = 4  # the exit code of a command that was told to fail on what it found
PROGRAM = "module:attribute or file.py:attribute, a dspy.Module, Predict, ChainOfThought or Pipeline"
ENCODER = "gives vectors of texts: a server's name, local/NAME or sentence-transformers:NAME@COMMIT (default: none)"
SAME_ENCODER = (
    "embeds queries for files that compare vectors, at --base-url where given (default: the encoder that the file "
    "names, at OPENAI_BASE_URL, else OpenAI, whatever --base-url says)"
)
METRIC = "exact_match:FIELD (or another built-in), module:function or file.py:function"


def command(
    commands: Commands, name: str, run: Callable[[argparse.Namespace], int], summary: str, examples: str
) -> argparse.ArgumentParser:
    """A command of this name. run: what it does; gives the exit code."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=run)
    return parser


def lm_options(parser: argparse.ArgumentParser) -> None:
    """For commands that compile: the task LM, with the sampling defaults that its file will hold."""
    _lm(parser)
    parser.add_argument(
        "--param",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="sampling default of --lm, such as max_tokens=64; may be repeated",
    )
    parser.add_argument("--price", metavar="IN,OUT", help="of --lm, in dollars per million tokens")
    _offline(parser)


def file_options(parser: argparse.ArgumentParser, offline: bool = True) -> None:
    """For commands that call a frozen file: who answers, and how many calls at once."""
    answering_options(parser)
    if offline:
        _offline(parser)
    parser.add_argument("--concurrency", type=positive, default=8, metavar="N", help="calls in flight, default 8")


def answering_options(parser: argparse.ArgumentParser) -> None:
    """Who answers a frozen file; the sampling parameters are those in the file."""
    parser.add_argument("--program", metavar="PROGRAM", help=f"for files of a module: {PROGRAM}")
    _lm(parser)
    parser.add_argument("--encoder", metavar="MODEL", help=SAME_ENCODER)


def _lm(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lm", metavar="MODEL", help="runs the program: a name the server knows, or local/NAME")
    parser.add_argument("--base-url", metavar="URL", help="of the server (default: OPENAI_BASE_URL, else OpenAI)")


def _offline(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--offline", action="store_true", help="answer from the reply cache alone")


def quiet_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="no plan and no progress line")


def json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, for a machine")


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive whole number")
    return value


def fraction(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is no share of the score range between 0 and 1, such as 0.02")
    return value


def print_error(error: BurnishError, parsed: argparse.Namespace) -> None:
    print(f"burnish: {in_options(str(error), vars(parsed))}", file=sys.stderr)


def print_json(value: JSON) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False))
