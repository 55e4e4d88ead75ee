"""Log-probabilities of a given text after a prompt, where the LM can tell them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from ...signatures.canonical import JSON, digest
from ...signatures.errors import CacheError, LMError, NoLogprobs
from .client import Client
from .failures import ContextOverflow, Permanent
from .lm import LM
from .request import Request

Prompt: TypeAlias = str | Sequence[Mapping[str, JSON]]

_NO_ECHO = (400, 404, 405, 422)  # how servers without such completions, or without `echo`, answer

# Whatever the LM does by default to a reply: the text is given, and all of it is wanted.
_BARE: Mapping[str, JSON] = {
    "temperature": 0.0,
    "logprobs": 1,
    **dict.fromkeys(("stop", "n", "max_completion_tokens", "response_format", "top_logprobs")),
}


def continuation_logprobs(client: Client, lm: LM, prompt: Prompt, continuation: str) -> list[float]:
    """One natural-log probability for each token of `continuation` after `prompt`: a text, or chat messages.

    Works with a llama.cpp server (and `local/` models), which is made to decode exactly these tokens, and with servers
    whose legacy completions echo the prompt with log-probabilities (vLLM; text prompts only). One request, metered and
    cached like any other. Raises NoLogprobs, which names the substitute, on any other LM,
    ContextOverflow where prompt and continuation do not fit the context.
    """
    if _is_scripted(lm):
        text = prompt if isinstance(prompt, str) else "\n".join(str(message.get("content")) for message in prompt)
        return _scripted(client, lm, text, continuation)
    tokens = _tokens(client, lm, _given(continuation))
    if tokens is None:
        return _echoed(client, lm, prompt, continuation)
    if not tokens:
        return []
    if not isinstance(prompt, str):
        applied = client.ask_server(lm, "apply-template", {"messages": [dict(message) for message in prompt]})
        prompt = applied["prompt"] if applied else ""
    start = _tokens(client, lm, {"content": prompt, "add_special": True, "parse_special": True})
    return _forced(client, lm, start or [], tokens)


def text_logprobs(client: Client, lm: LM, text: str) -> list[float]:
    """One natural-log probability for each token of the text that has another one before it, or a mark of the start.

    The first token of a text has none where the model knows no such mark. Servers and errors as above.
    """
    if _is_scripted(lm):
        return _scripted(client, lm, "", text)
    tokens = _tokens(client, lm, _given(text))
    if tokens is None:
        return _echoed(client, lm, "", text)
    start = _tokens(client, lm, {"content": "", "add_special": True}) or tokens[:1]
    wanted = tokens if start != tokens[:1] else tokens[1:]
    return _forced(client, lm, start, wanted) if wanted else []


def _given(text: str) -> dict[str, JSON]:
    # A text of data that spells a special token does not mean it: decoding would end there.
    return {"content": text, "parse_special": False}


def _is_scripted(lm: LM) -> bool:
    return hasattr(lm.connection, "log_probability")


def _scripted(client: Client, lm: LM, prompt: str, continuation: str) -> list[float]:
    if lm.connection.log_probability is None:  # type: ignore[attr-defined]
        raise _none(lm)
    return _floats(lm, _choice(client, lm, lm.completion(prompt, continuation=continuation))["token_logprobs"])


def _forced(client: Client, lm: LM, start: list[int], wanted: list[int]) -> list[float]:
    """llama.cpp: a grammar of token ids leaves one way to go on; the log-probabilities are those before the grammar."""
    if not start:
        raise _none(lm)
    grammar = "root ::= " + " ".join(f"<[{token}]>" for token in wanted)
    request = lm.completion(start, grammar=grammar, max_tokens=len(wanted), **_BARE)
    rows = _choice(client, lm, request).get("content") or []
    given = [row.get("id") for row in rows]
    if given and given == wanted[: len(given)] != wanted:
        raise ContextOverflow(f"{lm.model} stopped after {len(given)} of the text's {len(wanted)} tokens: no room.")
    if given != wanted:
        raise _none(lm)
    return _floats(lm, [row.get("logprob") for row in rows])


def _echoed(client: Client, lm: LM, prompt: Prompt, continuation: str) -> list[float]:
    if not isinstance(prompt, str):
        raise _none(lm)
    if not continuation:
        return []
    request = lm.completion(prompt + continuation, echo=True, max_tokens=1, **_BARE)
    refusal, kept = digest(["no echo", request.key]), client.cache.store
    try:
        given = _choice(client, lm, request)
    except LMError as error:
        refused = error.__cause__
        if not isinstance(refused, Permanent) or refused.status not in _NO_ECHO:
            raise
        if not kept.read_only:
            kept.set(refusal, {"status": refused.status})
        raise _none(lm) from error
    except CacheError as error:
        if kept.get(refusal) is None:
            raise
        raise _none(lm) from error  # offline, as when it was asked
    offsets, values = given.get("text_offset") or [], given.get("token_logprobs") or []
    inside = [
        value
        for offset, value in zip(offsets, values, strict=False)
        if len(prompt) <= offset < len(prompt) + len(continuation)
    ]
    if inside and not prompt and inside[0] is None:
        inside = inside[1:]  # the first token of a text has nothing before it
    # A server that ignores `echo` starts counting at what it generated: then nothing lies at the prompt's start.
    elif not inside:
        raise _none(lm)
    if offsets[0] != 0:
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


def _none(lm: LM) -> NoLogprobs:
    return NoLogprobs(
        f"{lm.model} gives no log-probabilities of a given text. Use execution accuracy instead, which scores the "
        "replies themselves, or how often it samples each label (source='samples'); or a model served by llama.cpp "
        "('local/...') or, for plain texts, vLLM."
    )
