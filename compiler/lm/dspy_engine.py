"""Any `dspy.LM` as the way to a model: dspy's engine sends, once an attempt; retries, cache and counting are ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from ...signatures.canonical import JSON, canonical, digest
from ...signatures.errors import LMError
from .endpoints import normalized
from .failures import AttemptFailure, ContextOverflow, MaybeBilled, Permanent, Unbilled
from .lm import LM
from .prices import Price, price_of
from .request import Reply, Request, Transport
from .threads import THREADS, ThreadedTransport
from .wire import failure_of, reply_of

# Taken over into the request, which is what the cache goes by. All else stays with the dspy.LM: it may hold secrets.
_SAMPLING = {
    *("temperature", "max_tokens", "max_completion_tokens", "top_p", "top_k", "min_p", "stop", "seed", "logit_bias"),
    *("logprobs", "top_logprobs", "response_format", "frequency_penalty", "presence_penalty", "repetition_penalty"),
    *("reasoning_effort", "verbosity", "thinking"),
}
_CONNECTION = ("api_key", "api_base", "base_url", "api_version", "headers", "extra_headers", "organization", "timeout")
_DSPY_ONLY = ("rollout_id", "cache", "prompt_cache", "n")
_SECRET = ("key", "token", "secret", "credential", "password")
_RETRIES = ("num_retries", "max_retries")
# lm15's names of how a reply finished, where they are not the protocol's.
_FINISHED = {"tool_call": "tool_calls"}


def from_dspy(lm: Any) -> LM:
    """An LM that sends through a copy of `lm` with its cache and its retries off.

    Its sampling parameters become the LM's; the original is not changed. Raises LMError when its engine retries by
    itself, since such attempts could not be counted, and for models of the responses API.
    """
    engine = getattr(lm, "engine", None)
    inside = [name for name in _RETRIES if lm.kwargs.get(name) or getattr(engine, name, None)]
    if inside:
        raise LMError(
            f"dspy.LM({lm.model!r}) retries inside its engine ({inside[0]}), where attempts cannot be counted. "
            f"Build it without {inside[0]}; Burnish retries by itself."
        )
    if lm.model_type == "responses":
        raise LMError(f"dspy.LM({lm.model!r}, model_type='responses') is not supported: use model_type='chat'.")
    sampling = {name: value for name, value in lm.kwargs.items() if name in _SAMPLING and value is not None}
    return LM(lm.model, client=DspyConnection(lm.copy(cache=False, num_retries=0), lm.model), **sampling)


@dataclass(frozen=True, eq=False)
class DspyConnection:
    """A `dspy.LM` of our own."""

    lm: Any
    model: str

    max_concurrency = THREADS

    @property
    def endpoint(self) -> str:
        given = self.lm.kwargs.get("api_base") or self.lm.kwargs.get("base_url")
        where = normalized(given) if given else self.model.partition("/")[0]
        kept = {k: v for k, v in self.lm.kwargs.items() if v is not None and _shapes_replies(k)}
        # Two dspy.LMs that differ in such a parameter must not share replies, though no request shows it.
        return f"dspy:{where}" + (f"#{digest(repr(sorted(kept.items())))[:12]}" if kept else "")

    @property
    def price(self) -> Price | None:
        return None if "://" in self.endpoint else price_of(self.model)

    def identity(self) -> Mapping[str, JSON]:
        return {}

    def open(self) -> Transport:
        return DspyTransport(self.lm)


class DspyTransport(ThreadedTransport):
    """One attempt through dspy's engine, in a thread."""

    def __init__(self, lm: Any) -> None:
        super().__init__()
        self._lm = lm

    def send(self, request: Request) -> Reply:
        import dspy

        body = request.wire
        if request.kind != "chat":
            raise LMError(
                f"A dspy.LM answers chat requests only; use burnish.LM({body['model']!r}) for {request.kind}s."
            )
        if (body.get("n") or 1) > 1:
            raise LMError("A dspy.LM sends n requests for n=..., which would be one call here: use burnish.LM instead.")
        arguments = {name: value for name, value in body.items() if name not in ("model", "messages")}
        if "max_completion_tokens" in arguments and "max_tokens" in self._lm.kwargs:
            arguments["max_tokens"] = arguments.pop("max_completion_tokens")
        try:
            reply = self._complete(body["messages"], arguments)
        except dspy.LMError as error:
            raise _failure(error) from error
        return reply_of(request, canonical(reply).encode("ascii"))

    def _complete(self, messages: JSON, arguments: dict[str, JSON]) -> dict[str, JSON]:
        import dspy
        from dspy.clients.execution import execute, prepare

        if type(self._lm).forward is not dspy.LM.forward:
            return _plain(self._lm.forward(messages=messages, **arguments))
        result = execute(self._lm, prepare(self._lm, None, messages, arguments, direct=True))
        reply = _plain(result.provider_response())
        # What dspy makes of a reply of its own engines says "stop" whatever happened.
        for choice, response in zip(reply["choices"], result.responses, strict=False):
            choice["finish_reason"] = _FINISHED.get(response.finish_reason, response.finish_reason)
        return reply


def _shapes_replies(name: str) -> bool:
    """Whether a parameter that stays with the dspy.LM may change what the model says."""
    if name in _SAMPLING or name in _CONNECTION or name in _DSPY_ONLY:
        return False
    return not any(word in name.lower() for word in _SECRET)


def _plain(response: Any) -> dict[str, JSON]:
    """A reply of dspy, litellm or a user's LM as the JSON of the protocol, without what is not JSON."""
    body = response.model_dump(mode="json") if hasattr(response, "model_dump") else dict(response)
    usage = body.get("usage") or {}
    counts = {name: usage[name] for name in ("prompt_tokens", "completion_tokens") if usage.get(name) is not None}
    choices = [
        {
            "index": choice.get("index", place),
            "finish_reason": choice.get("finish_reason"),
            "message": {"role": "assistant", "content": (choice.get("message") or {}).get("content")},
            **({"logprobs": choice["logprobs"]} if choice.get("logprobs") else {}),
        }
        for place, choice in enumerate(body.get("choices") or [])
    ]
    return {"model": body.get("model"), "choices": choices, **({"usage": counts} if counts else {})}


def _failure(error: Any) -> AttemptFailure:
    import dspy

    words = str(error)
    if isinstance(error, dspy.ContextWindowExceededError):
        return ContextOverflow(words, status=error.status)
    if isinstance(error, dspy.LMTimeoutError):
        return MaybeBilled(words, error.retry_after, error.status, timed_out=True)
    status = error.status or (429 if isinstance(error, dspy.LMRateLimitError) else None)
    if status is not None:
        failure = failure_of(status, words.encode("utf-8", "replace"), {})
        failure.retry_after = error.retry_after
        return failure
    if isinstance(error, dspy.LMTransportError):
        refused = isinstance(_first_cause(error), ConnectionRefusedError)
        return Unbilled(words) if refused else MaybeBilled(words, timed_out="timed out" in words)
    if isinstance(error, dspy.LMServerError):
        return MaybeBilled(words)
    return Permanent(words)


def _first_cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None or error.__context__ is not None:
        error = cast(BaseException, error.__cause__ or error.__context__)
    return error
