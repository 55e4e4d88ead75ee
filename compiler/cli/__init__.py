"""burnish: the command line. A command is one file here and one name in COMMANDS."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence

from ... import __version__
from ...signatures.errors import BurnishError
from . import (
    caching,
    compiling,
    evaluating,
    exporting,
    local_models,
    probing,
    rechecking,
    reporting,
    running,
    runs,
    serving,
    showing,
    verifying,
)

# In the order of the help. What a command needs it imports when it runs: `burnish --help` must be light.
COMMANDS = (
    compiling,
    evaluating,
    probing,
    rechecking,
    running,
    runs,
    reporting,
    serving,
    showing,
    verifying,
    exporting,
    caching,
    local_models,
)

EXIT_CODES = """exit codes:
  0  done
  1  an error, said in one message; what was paid for is kept
  2  the command line itself is wrong
  3  --fail-unless-ship, and the verdict is not "ship"
  4  --fail-if-worse, --fail-if-drifted or diff --exit-code, and it is so
  130  stopped with Ctrl-C; the command to go on with is printed"""


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
    for module in COMMANDS:
        module.add(commands)
    return parser
