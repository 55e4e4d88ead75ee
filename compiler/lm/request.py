"""Request and Reply: what goes over the wire to an LM and what comes back, as values with a digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from ...signatures.canonical import JSON, canonical, digest

Kind: TypeAlias = Literal["chat", "completion", "embedding"]
PATHS: Mapping[Kind, str] = {"chat": "chat/completions", "completion": "completions", "embedding": "embeddings"}


@dataclass(frozen=True)
class Request:
    """One billable request: the body as it is sent, who answers it, and which sample of it this is.

    endpoint: identity of who answers ("https://host/v1", "local:<sha256 of the model file>"); part of the key, so two
        servers with one model name never share replies.
    body_json: canonical JSON text of the wire body, with explicit `max_tokens`, without the seed of the sample.
    index: sample index. Index 0 is sent as it stands; a higher index carries a derived `seed`, so that samples differ
        on the wire.
    """

    kind: Kind
    endpoint: str
    body_json: str
    index: int = 0

    @cached_property
    def body(self) -> dict[str, JSON]:
        """The body, parsed. Not to be changed."""
        loaded: dict[str, JSON] = json.loads(self.body_json)
        return loaded

    @cached_property
    def key(self) -> str:
        """sha256, 64 hexadecimal digits: equal keys are the same request and are paid for once."""
        # The body is canonical already; none of the other parts can hold a line break.
        head = f"1\n{self.kind}\n{self.endpoint}\n{self.index}\n"
        return hashlib.sha256((head + self.body_json).encode("utf-8", "surrogatepass")).hexdigest()

    @cached_property
    def wire(self) -> dict[str, JSON]:
        """The body to send."""
        if not self.index:
            return self.body
        base = digest([self.body.get("seed"), self.index])
        return {**self.body, "seed": int(base[:8], 16) >> 1}  # 31 bits: what every server takes

    @property
    def wire_json(self) -> str:
        """The body to send, as JSON text."""
        return canonical(self.wire) if self.index else self.body_json

    def at(self, index: int) -> Request:
        return Request(self.kind, self.endpoint, self.body_json, index)


@dataclass(frozen=True)
class Usage:
    """Tokens as the server counted them; None where it did not say (the request then settles at its bound)."""

    prompt_tokens: int | None
    completion_tokens: int | None


@dataclass(frozen=True)
class Reply:
    """A whole reply: the server's body as it came."""

    body_json: str

    @cached_property
    def body(self) -> dict[str, JSON]:
        loaded: dict[str, JSON] = json.loads(self.body_json)
        return loaded

    @property
    def texts(self) -> list[str]:
        """The text of each choice, "" where a choice has none."""
        return [
            (choice["message"].get("content") or "") if "message" in choice else (choice.get("text") or "")
            for choice in self.body.get("choices", [])
        ]

    @property
    def text(self) -> str:
        return self.texts[0]

    @property
    def finish_reasons(self) -> list[str]:
        return [str(choice.get("finish_reason")) for choice in self.body.get("choices", [])]

    @property
    def usage(self) -> Usage:
        usage = self.body.get("usage")
        counts = usage if isinstance(usage, dict) else {}
        return Usage(_count(counts.get("prompt_tokens")), _count(counts.get("completion_tokens")))

    @property
    def embeddings(self) -> list[list[float]]:
        """The vectors in the order of the texts, which servers say but need not keep."""
        data = self.body.get("data", [])
        if all(isinstance(item.get("index"), int) for item in data):
            data = sorted(data, key=lambda item: item["index"])
        return [item["embedding"] for item in data]


def whole(request: Request, reply: Reply) -> bool:
    """Whether a reply holds all that was asked for and says how it finished. Anything less is never replayed."""
    body: JSON = reply.body
    if not isinstance(body, dict):
        return False
    if request.kind == "embedding":
        data = body.get("data")
        return isinstance(data, list) and len(data) == len(request.body["input"]) and all(map(_is_embedding, data))
    choices = body.get("choices")
    return isinstance(choices, list) and bool(choices) and all(_is_choice(choice) for choice in choices)


def _is_embedding(item: JSON) -> bool:
    return isinstance(item, dict) and isinstance(item.get("embedding"), list)


def _is_choice(choice: JSON) -> bool:
    if not isinstance(choice, dict) or not isinstance(choice.get("finish_reason"), str):
        return False
    message = choice.get("message", choice)
    text = message.get("content", message.get("text")) if isinstance(message, dict) else 0
    return text is None or isinstance(text, str)


def _count(value: JSON) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


class Transport(Protocol):
    """One attempt at a request. It never retries, never caches and never counts."""

    async def attempt(self, request: Request) -> Reply:
        """The whole reply. Raises one of the failures of `failures.py`, nothing else that is not a bug."""
        ...

    async def close(self) -> None: ...


@runtime_checkable
class Helping(Protocol):
    """A transport that also reaches a server's helpers beside the protocol. Paths are relative to the base URL."""

    async def post(self, path: str, body: str) -> tuple[int, bytes, Mapping[str, str]]: ...


def build_body(kind: Kind, model: str, content: Mapping[str, JSON], params: Mapping[str, JSON]) -> str:
    """The canonical body: model, content ({"messages": ...}, "prompt" or "input"), parameters that are not None."""
    return canonical({"model": model, **content, **{k: v for k, v in params.items() if v is not None}})
