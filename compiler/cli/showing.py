"""burnish show, burnish diff."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from .options import GATE, command, json_option, print_json

if TYPE_CHECKING:
    from .options import Commands

EXIT_CODES = {GATE: "diff --exit-code, and they differ"}


def add(commands: Commands) -> None:
    showing = command(commands, "show", show, "Print a frozen file for a person.", "  burnish show sentiment.json")
    showing.add_argument("file", metavar="FILE")
    json_option(showing)
    comparing = command(
        commands,
        "diff",
        diff,
        "What changed from one frozen file to another: what it asks, and what was measured.",
        "  burnish diff old.json new.json\n"
        "  burnish diff old.json new.json --all\n"
        "  burnish diff old.json new.json --exit-code --json",
    )
    comparing.add_argument("old", metavar="OLD")
    comparing.add_argument("new", metavar="NEW")
    comparing.add_argument("--all", action="store_true", help="also how each came about: search, versions, digests")
    comparing.add_argument("--exit-code", action="store_true", help="exit with 4 when the files differ in anything")
    comparing.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="auto, the default: on a terminal, unless NO_COLOR is set",
    )
    json_option(comparing)


def show(parsed: argparse.Namespace) -> int:
    from ..frozen.compiled import CompiledProgram

    compiled = CompiledProgram.load(parsed.file)
    print_json(compiled.document) if parsed.json else print(compiled.show(), end="")
    return 0


def diff(parsed: argparse.Namespace) -> int:
    from ..frozen.diff import differences
    from ..frozen.diff_text import brief_text, diff_text
    from ..frozen.document import read_document

    old, new = read_document(parsed.old), read_document(parsed.new)
    found = differences(old, new)
    if parsed.json:
        digests = {"old": old["digest"], "new": new["digest"]}
        print_json({**digests, "differences": [one.to_json() for one in found]})
    else:
        text = diff_text if parsed.all else brief_text
        print(text(found, _in_color(parsed.color)), end="")
    return GATE if parsed.exit_code and found else 0


def _in_color(wish: str) -> bool:
    if wish != "auto":
        return wish == "always"
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
