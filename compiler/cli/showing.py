"""burnish show, burnish diff."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .options import command, json_option, print_json

if TYPE_CHECKING:
    from .options import Commands


def add(commands: Commands) -> None:
    showing = command(commands, "show", show, "Print a frozen file for a person.", "  burnish show sentiment.json")
    showing.add_argument("file", metavar="FILE")
    json_option(showing)
    comparing = command(
        commands, "diff", diff, "What changed from one frozen file to another.", "  burnish diff old.json new.json"
    )
    comparing.add_argument("old", metavar="OLD")
    comparing.add_argument("new", metavar="NEW")


def show(parsed: argparse.Namespace) -> int:
    from ..frozen.compiled import CompiledProgram

    compiled = CompiledProgram.load(parsed.file)
    print_json(compiled.document) if parsed.json else print(compiled.show(), end="")
    return 0


def diff(parsed: argparse.Namespace) -> int:
    from ..frozen.compiled import CompiledProgram
    from ..show import diff as difference

    print(difference(CompiledProgram.load(parsed.old).document, CompiledProgram.load(parsed.new).document), end="")
    return 0
