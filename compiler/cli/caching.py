"""burnish cache."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from ...signatures.errors import BurnishError
from .options import command, json_option, print_json

if TYPE_CHECKING:
    from .options import Commands

_CACHE_COLUMNS = ("endpoint", "model", "calls", "prompt_tokens", "completion_tokens", "usd")


def add(commands: Commands) -> None:
    parser = command(
        commands,
        "cache",
        cache,
        "What the reply cache holds, and what it saves: no reply in it is ever paid for again.",
        "  burnish cache\n  burnish cache clear --yes",
    )
    parser.add_argument("action", nargs="?", choices=["show", "clear"], default="show", help="default: show")
    parser.add_argument("--yes", action="store_true", help="clear without asking")
    json_option(parser)


def cache(parsed: argparse.Namespace) -> int:
    from ..lm import ReplyCache

    replies = ReplyCache()
    try:
        if parsed.action == "clear":
            return _clear(replies, parsed.yes)
        held = replies.stats()
    finally:
        replies.close()
    models = [{name: getattr(model, name) for name in _CACHE_COLUMNS} for model in held.models]
    if parsed.json:
        print_json({"folder": str(held.folder), "entries": held.entries, "bytes": held.bytes, "models": models})
        return 0
    print(f"{held.entries} replies, {held.bytes / 1e6:.1f} MB in {held.folder}")
    for model in held.models:
        worth = "no list price" if model.usd is None else f"{model.usd:.4f} dollars"
        tokens = model.prompt_tokens + model.completion_tokens
        print(f"  {model.model} at {model.endpoint}: {model.calls} calls, {tokens} tokens, {worth}")
    return 0


def _clear(replies: Any, agreed: bool) -> int:
    if not agreed:
        if not sys.stdin.isatty():
            raise BurnishError("`burnish cache clear` removes replies that were paid for. Add --yes to do it.")
        if input(f"Remove every reply in {replies.folder}? They were paid for. [y/N] ").strip().lower() != "y":
            return 1
    print(f"removed {replies.clear()} replies")
    return 0
