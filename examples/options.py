"""What every example takes on its command line: the model, where it is served, and how much it may spend."""

from __future__ import annotations

import argparse

import burnish as b

EMBEDDED = "local/smollm2-135m-instruct"  # runs in this process; 98 MB are downloaded once
FOLLOWS = "local/qwen2.5-coder-0.5b-instruct"  # 491 MB: follows a clear instruction
WRITES = "local/qwen2.5-coder-1.5b-instruct"  # 1.1 GB: can write one


def options(about: str, *, calls: int, max_tokens: int) -> tuple[b.LM, int]:
    """The LM to run on and the limit of calls, from the command line."""
    given = _parser(about, EMBEDDED, calls).parse_args()
    return _lm(given.model, given.base_url, max_tokens=max_tokens), given.calls


def two_models(about: str, *, calls: int, max_tokens: int) -> tuple[b.LM, b.LM, int]:
    """The LM to run on, the LM that writes prompts for it, and the limit of calls, from the command line."""
    parser = _parser(about, FOLLOWS, calls)
    parser.add_argument("--writer", default=WRITES, help=f"writes the prompts (default: {WRITES})")
    given = parser.parse_args()
    return _lm(given.model, given.base_url, max_tokens=max_tokens), _lm(given.writer, given.base_url), given.calls


def _parser(about: str, model: str, calls: int) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--model", default=model, help=f"default: {model}, a small model in this process")
    parser.add_argument("--base-url", help="of a server that speaks the OpenAI protocol")
    parser.add_argument("--calls", type=int, default=calls, help=f"the budget (default: {calls})")
    return parser


def _lm(model: str, base_url: str | None, **params: int) -> b.LM:
    return b.LM(model, base_url=base_url, timeout=600, **params)  # a busy machine is slow
