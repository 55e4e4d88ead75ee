"""What every example takes on its command line: the model, where it is served, and how much it may spend."""

from __future__ import annotations

import argparse

import burnish as b

EMBEDDED = "local/smollm2-135m-instruct"  # runs in this process; 98 MB are downloaded once


def options(about: str, *, calls: int, max_tokens: int) -> tuple[b.LM, int]:
    """The LM to run on and the limit of calls, from the command line."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--model", default=EMBEDDED, help=f"default: {EMBEDDED}, a small model in this process")
    parser.add_argument("--base-url", help="of a server that speaks the OpenAI protocol")
    parser.add_argument("--calls", type=int, default=calls, help=f"the budget (default: {calls})")
    given = parser.parse_args()
    lm = b.LM(given.model, base_url=given.base_url, max_tokens=max_tokens, timeout=600)  # a busy machine is slow
    return lm, given.calls
