"""burnish: the command line. A command is one file here and one name in COMMANDS."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

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
from .options import print_error

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

EXIT_CODES = {
    0: "done",
    1: "an error, said in one message; what was paid for is kept",
    2: "the command line itself is wrong",
    130: "stopped with Ctrl-C; the command to go on with is printed",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code; the entry point of the `burnish` script.

    arguments: None: those of this process, which is then taken to end with the command: after a first Ctrl-C the next
    one ends it at once, also when the command has returned.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser()
    if not given:
        parser.print_help(sys.stderr)
        return 2
    parsed = parser.parse_args(given)
    if getattr(parsed, "offline", False):
        os.environ["BURNISH_OFFLINE"] = "1"
    again = shlex.join(["burnish", *given])
    try:
        with _two_interrupts(again, ends_process=arguments is None):
            code: int = parsed.command(parsed)
            sys.stdout.flush()
            return code
    except BurnishError as error:
        print_error(error, parsed)
        return 1
    except KeyboardInterrupt as stopped:
        # A compile tells where its records are, and that the same again goes on.
        print(f"\nStopped. {str(stopped) or 'To go on'}: {again}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever reads our output (head, less) has seen enough. Nothing may be written on the way out either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


@contextmanager
def _two_interrupts(again: str, ends_process: bool) -> Iterator[None]:
    """The first Ctrl-C is Python's own, after which calls in flight may land; the second ends the process there and
    then. Nothing is lost by that: whatever counts as paid for is on the disk already. again: the command as typed."""
    is_ours = threading.current_thread() is threading.main_thread()
    if not is_ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def first(_: int, __: FrameType | None) -> None:
        signal.signal(signal.SIGINT, second)
        _write("\nStopping: calls in flight may land. Ctrl-C again stops at once.\n")
        raise KeyboardInterrupt

    def second(_: int, __: FrameType | None) -> None:
        _write(f"\nStopped at once. To go on: {again}\n")
        os._exit(130)

    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        # `second` stays where the process ends: threads that do not end may hold it up.
        if signal.getsignal(signal.SIGINT) is first or not ends_process:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _write(text: str) -> None:
    """To stderr past its buffer, which whoever was interrupted may be in the middle of; with the cursor shown, which a
    progress display hides."""
    with suppress(OSError, ValueError):
        show = "\x1b[?25h" if sys.stderr.isatty() else ""
        os.write(sys.stderr.fileno(), (show + text).encode())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="burnish",
        description="A compiler for prompt programs: hard budgets, believable gains, one frozen file.",
        epilog=_exit_codes(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"burnish {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in COMMANDS:
        module.add(commands)
    return parser


def _exit_codes() -> str:
    """Those that all commands have, and those that some of them add."""
    codes = dict(EXIT_CODES)
    for module in COMMANDS:
        for code, when in getattr(module, "EXIT_CODES", {}).items():
            codes[code] = f"{codes[code]}; {when}" if code in codes else when
    return "\n".join(["exit codes:", *(f"  {code:<3}  {codes[code]}" for code in sorted(codes))])
