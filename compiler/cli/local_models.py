"""burnish models."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ...signatures.errors import BurnishError
from .options import command, json_option, print_json

if TYPE_CHECKING:
    from .options import Commands


def add(commands: Commands) -> None:
    parser = command(
        commands,
        "models",
        models,
        "Small models that run in this process: which there are, download one, where its file is.",
        "  burnish models\n  burnish models pull smollm2-135m-instruct",
    )
    parser.add_argument("action", choices=["list", "pull", "path"], nargs="?", default="list", help="default: list")
    parser.add_argument("name", metavar="NAME", nargs="?", help="for pull and path")
    json_option(parser)


def models(parsed: argparse.Namespace) -> int:
    from ..lm import local

    if parsed.action == "list":
        known = local.list_models()
        print_json([vars(model) for model in known]) if parsed.json else print("\n".join(map(str, known)))
        return 0
    if parsed.name is None:
        raise BurnishError(f"burnish models {parsed.action} needs a NAME; `burnish models list` shows them.")
    place = local.pull(parsed.name, progress=True) if parsed.action == "pull" else local.path(parsed.name)
    print_json({"name": parsed.name, "path": str(place)}) if parsed.json else print(place)
    return 0
