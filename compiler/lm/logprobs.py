"""Log-probabilities of a given text after a prompt, where the LM can tell them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from ...signatures.canonical import JSON
from ...signatures.errors import LMError
from .client import Client
from .lm import LM
from .request import Request

Prompt: TypeAlias = str | Sequence[Mapping[str, JSON]]


def continuation_logprobs(client: Client, lm: LM, prompt: Prompt, continuation: str) -> list[float]:
    """One natural-log probability for each token of `continuation` after `prompt`: a text, or chat messages.

    Works with a llama.cpp server (and `local/` models), which is made to decode exactly these tokens, and with servers
    whose legacy completions echo the prompt with log-probabilities (vLLM; text prompts only). One request, metered and
    cached like any other. Raises LMError, which names the substitute, on any other LM.
    """
    if hasattr(lm.connection, "log_probability"):  # a scripted LM
        text = prompt if isinstance(prompt, str) else "\n".join(str(message.get("content")) for message in prompt)
        return _floats(lm, _choice(client, lm, lm.completion(text, continuation=continuation))["token_logprobs"])
    tokens = _tokens(client, lm, {"content": continuation})
    if tokens is None:
        return _echoed(client, lm, prompt, continuation)
    return _forced(client, lm, prompt, tokens)


def _forced(client: Client, lm: LM, prompt: Prompt, wanted: list[int]) -> list[float]:
    """llama.cpp: a grammar of token ids leaves one way to go on; the log-probabilities are those before the grammar."""
    if not wanted:
        return []
    if not isinstance(prompt, str):
        applied = client.ask_server(lm, "apply-template", {"messages": [dict(message) for message in prompt]})
        prompt = applied["prompt"] if applied else ""
    start = _tokens(client, lm, {"content": prompt, "add_special": True, "parse_special": True})
    if not start:
        raise _none(lm)
    grammar = "root ::= " + " ".join(f"<[{token}]>" for token in wanted)
    request = lm.completion(start, grammar=grammar, max_tokens=len(wanted), temperature=0.0, logprobs=1)
    rows = _choice(client, lm, request).get("content") or []
    if [row.get("id") for row in rows] != wanted:
        raise _none(lm)
    return _floats(lm, [row.get("logprob") for row in rows])


def _echoed(client: Client, lm: LM, prompt: Prompt, continuation: str) -> list[float]:
    if not isinstance(prompt, str):
        raise _none(lm)
    request = lm.completion(prompt + continuation, echo=True, max_tokens=1, temperature=0.0, logprobs=1)
    given = _choice(client, lm, request)
    offsets, values = given.get("text_offset") or [], given.get("token_logprobs") or []
    inside = [
        value
        for offset, value in zip(offsets, values, strict=False)
        if len(prompt) <= offset < len(prompt) + len(continuation)
    ]
    # A server that ignores `echo` starts counting at what it generated: then nothing lies at the prompt's start.
    if not inside or offsets[0] != 0:
        raise _none(lm)
    return _floats(lm, inside)


def _tokens(client: Client, lm: LM, body: dict[str, JSON]) -> list[int] | None:
    answer = client.ask_server(lm, "tokenize", body)
    tokens = answer.get("tokens") if answer else None
    return tokens if isinstance(tokens, list) and all(isinstance(token, int) for token in tokens) else None


def _choice(client: Client, lm: LM, request: Request) -> dict[str, JSON]:
    reply = client.send(lm, request)
    given = reply.body["choices"][0].get("logprobs")
    if not isinstance(given, dict):
        raise _none(lm)
    return given


def _floats(lm: LM, values: Sequence[JSON]) -> list[float]:
    if not all(isinstance(value, int | float) for value in values):
        raise _none(lm)
    return [float(value) for value in values]


def _none(lm: LM) -> LMError:
    return LMError(
        f"{lm.model} gives no log-probabilities of a given text. Use execution accuracy instead, which scores the "
        "replies themselves; or a model served by llama.cpp ('local/...') or vLLM."
    )
