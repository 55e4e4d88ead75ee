"""LM: a model, how to reach it, its sampling defaults and its price. It builds requests; the `Client` sends them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...signatures.calls import Spend
from ...signatures.canonical import JSON
from ...signatures.errors import LMError
from .connection import Connection, connect
from .endpoints import OPENAI_URL
from .parameters import check_names
from .prices import Price, price_of
from .request import Reply, Request, build_body

DEFAULTS: Mapping[str, JSON] = {"temperature": 0, "max_tokens": 1000}
_NO_SAMPLING = frozenset(
    {
        *("model", "messages", "prompt", "input", "stream", "stream_options", "headers", "extra_headers"),
        *("default_headers", "api_base", "api_version", "organization", "project", "extra_query"),
        *("max_retries", "num_retries", "cache"),
    }
)
BYTES_OVERHEAD = 64  # special tokens and the system text that some chat templates add
MESSAGE_OVERHEAD = 16  # role names and separators of one message


class LM:
    """A language model behind the OpenAI protocol: OpenAI, vLLM, llama.cpp, Ollama, a gateway, or a local file.

    model: the name the server knows; "local/NAME" or "local/FILE.gguf" runs a model inside this process.
    base_url, api_key: as OpenAI's SDK takes them; without them OPENAI_BASE_URL and OPENAI_API_KEY are read. The key is
        read when the first request is made and is never stored, printed or part of an identity.
    price: dollars per million tokens; by default the list price where the endpoint is OpenAI's own.
    client: an `openai.OpenAI`, `AsyncOpenAI` or `AzureOpenAI` to send through, instead of base_url and api_key.
    timeout: seconds for one attempt. max_concurrency: most attempts in flight at this server.
    params: sampling defaults of every request: temperature (0.0), max_tokens (1000), top_p, stop, seed, n, logprobs,
        top_logprobs, response_format, ...; `extra_body` is merged into the body. None leaves a parameter out.
    Raises LMError when the model cannot be reached as described (an unknown local model, a missing extra), and for a
    parameter that is nearly called like a common one: max_token=.
    """

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        price: Price | None = None,
        client: object | None = None,
        timeout: float = 120.0,
        max_concurrency: int | None = None,
        **params: Any,
    ) -> None:
        if not isinstance(model, str) or not model:
            raise LMError(f"LM({model!r}): the model is a name such as 'gpt-4o-mini' or 'local/smollm2-135m-instruct'.")
        _check_sampling(params)
        check_names(params)
        self.connection: Connection = connect(model, base_url, api_key, client, timeout)
        self.model = self.connection.model
        self.params: dict[str, JSON] = params
        self.max_concurrency = _smallest(max_concurrency, self.connection.max_concurrency)
        self.price = price or self.connection.price or (price_of(self.model) if self.endpoint == OPENAI_URL else None)

    @property
    def endpoint(self) -> str:
        """Identity of who answers: the normalised base URL, or "local:<sha256 of the file>". Never holds a key."""
        return self.connection.endpoint

    @property
    def has_price(self) -> bool:
        return self.price is not None

    def identity(self) -> dict[str, JSON]:
        """For provenance and the frozen file: model, sampling defaults, and a local model's digest and settings.

        Holds no host, key or path.
        """
        return {"model": self.model, "params": {**DEFAULTS, **self.params}, **self.connection.identity()}

    # requests

    def chat(
        self,
        messages: Sequence[Mapping[str, JSON]],
        *,
        index: int = 0,
        schema: Mapping[str, JSON] | None = None,
        **overrides: JSON,
    ) -> Request:
        """A chat request. schema: JSON Schema that the reply must follow, sent as a strict `response_format`."""
        if schema is not None:
            shape = {"name": "reply", "strict": True, "schema": schema}
            overrides = {"response_format": {"type": "json_schema", "json_schema": shape}, **overrides}
        content = {"messages": [dict(message) for message in messages]}
        return Request("chat", self.endpoint, build_body("chat", self.model, content, self._sampling(overrides)), index)

    def completion(self, prompt: str | Sequence[int], *, index: int = 0, **overrides: JSON) -> Request:
        """A legacy completion request: text (or token ids) in, its continuation out."""
        content = {"prompt": prompt if isinstance(prompt, str) else list(prompt)}
        body = build_body("completion", self.model, content, self._sampling(overrides))
        return Request("completion", self.endpoint, body, index)

    def embedding(self, texts: Sequence[str], **overrides: JSON) -> Request:
        """An embedding request for a batch of texts: one call. Only `dimensions` and `extra_body` apply."""
        extra = self.params.get("extra_body") or {}
        params = {"dimensions": self.params.get("dimensions"), **extra, **overrides}
        # Servers refuse an empty text, and a batch with one in it.
        content = {"input": [text if text.strip() else "-" for text in texts]}
        return Request("embedding", self.endpoint, build_body("embedding", self.model, content, params))

    def _sampling(self, overrides: Mapping[str, JSON]) -> dict[str, JSON]:
        _check_sampling(overrides)
        params = {**DEFAULTS, **self.params, **overrides}
        if params.get("max_completion_tokens") is not None:
            params.pop("max_tokens")  # two names for one limit: servers refuse both at once
        extra = params.pop("extra_body", None) or {}
        return {**params, **extra}

    # money

    def bound(self, request: Request) -> Spend:
        """The worst case of one attempt: 1 call; a token for each byte sent, overheads, the longest reply allowed."""
        prompt, completion = _most_tokens(request)
        return self._priced(prompt, completion)

    def spend(self, request: Request, reply: Reply) -> Spend:
        """What the reply cost by the server's own count; the bound where it did not count."""
        usage = reply.usage
        prompt, completion = usage.prompt_tokens, usage.completion_tokens
        if completion is None and request.kind == "embedding":
            completion = 0
        if prompt is None or completion is None:
            return self.bound(request)
        return self._priced(prompt, completion)

    def _priced(self, prompt: int, completion: int) -> Spend:
        usd = self.price.usd(prompt, completion) if self.price else 0.0
        return Spend(1, prompt + completion, usd)

    # convenience

    def __call__(self, messages: str | Sequence[Mapping[str, JSON]], **overrides: JSON) -> str:
        """The text of one reply, through the user's reply cache and outside any budget."""
        from .client import default_client

        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        return default_client().send(self, self.chat(messages, **overrides)).text

    def __repr__(self) -> str:
        given = "".join(f", {name}={value!r}" for name, value in self.params.items())
        return f"{type(self).__name__}({self.model!r}{given})"


def _check_sampling(params: Mapping[str, JSON]) -> None:
    """Parameters are part of every request, of its key and of frozen files: no place for headers, keys or contents."""
    if _NO_SAMPLING.isdisjoint(params):
        return
    name = sorted(_NO_SAMPLING.intersection(params))[0]
    raise LMError(
        f"LM({name}=...): {name!r} is not a sampling parameter. base_url= and api_key= say where requests go; "
        "for headers, proxies and the like pass client=openai.OpenAI(...), which keeps them to itself."
    )


def _smallest(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _most_tokens(request: Request) -> tuple[int, int]:
    body = request.body
    if request.kind == "embedding":
        return sum(_bytes(text) + MESSAGE_OVERHEAD for text in body["input"]), 0
    if request.kind == "chat":
        prompt = sum(_bytes(message.get("content")) + MESSAGE_OVERHEAD for message in body["messages"])
    else:
        prompt = _bytes(body["prompt"])
    prompt += BYTES_OVERHEAD + sum(
        _bytes(value)  # JSON Schemas and tools are written into the prompt by some servers
        for name, value in body.items()
        if name not in ("messages", "prompt") and isinstance(value, dict | list)
    )
    longest = body.get("max_completion_tokens") or body.get("max_tokens") or 0
    return prompt, longest * max(body.get("n") or 1, body.get("best_of") or 1)


def _bytes(value: JSON) -> int:
    """At least as many as the tokens of the value: no tokenizer makes more tokens than there are UTF-8 bytes."""
    if value is None:
        return 0
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, list) and all(isinstance(item, int) for item in value):
        return len(value)
    return len(repr(value).encode("utf-8", "surrogatepass"))
