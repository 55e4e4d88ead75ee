"""ScriptedLM: a language model that says what a test tells it to, in process."""

from __future__ import annotations

import inspect
import json
import re
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, Union

from ..compiler.lm.lm import LM
from ..compiler.lm.prices import Price
from ..compiler.lm.request import Reply, Request, Transport
from ..signatures.canonical import JSON, canonical, digest
from ..signatures.errors import LMError

Answer: TypeAlias = str | Sequence[str] | Mapping[str, JSON] | BaseException
Respond: TypeAlias = Callable[[list[dict[str, JSON]], dict[str, JSON]], Answer | Awaitable[Answer]]
Table: TypeAlias = Mapping[Union[str, "re.Pattern[str]"], Answer]

_WORD = re.compile(r"\S+")


class ScriptedLM(LM):
    """An LM whose replies are scripted. It behaves as a server does: usage, finish reasons, `n`, `max_tokens`.

    respond: what it says, one of
        a function of (messages, body) that returns the text, a list of `n` texts, a whole reply body (a dict), or an
            exception to raise (see `burnish.compiler.lm.failures`); it may be `async`;
        a list of such answers, used in order, one a request;
        a table from text (found in any message) or compiled regular expression (searched in them) to answers, first
            match first.
    tokens: counts the tokens of a text; by default words between spaces, and a reply is cut at `max_tokens` of them.
    log_probability: (prompt, continuation) -> one log-probability for each token of the continuation.
    embed: the vector of a text; by default a few numbers derived from its digest.
    calls: the body of every request that reached it, in order of arrival; a sample with an index above 0 carries the
        `seed` it was sent with.
    """

    def __init__(
        self,
        respond: Respond | Sequence[Answer] | Table,
        *,
        model: str = "scripted",
        price: Price | None = None,
        tokens: Callable[[str], int] | None = None,
        log_probability: Callable[[str, str], list[float]] | None = None,
        embed: Callable[[str], list[float]] | None = None,
        max_concurrency: int | None = None,
        **params: Any,
    ) -> None:
        self.script = Script(respond, model, tokens, log_probability, embed)
        super().__init__(model, price=price, client=self.script, max_concurrency=max_concurrency, **params)

    @property
    def calls(self) -> list[dict[str, JSON]]:
        return self.script.calls


class Script:
    """The connection and the transport of a ScriptedLM."""

    price = None
    max_concurrency = None

    def __init__(
        self,
        respond: Respond | Sequence[Answer] | Table,
        model: str,
        tokens: Callable[[str], int] | None,
        log_probability: Callable[[str, str], list[float]] | None,
        embed: Callable[[str], list[float]] | None,
    ) -> None:
        self.model = model
        self.endpoint = f"scripted:{model}"
        self.calls: list[dict[str, JSON]] = []
        self.log_probability = log_probability
        self._respond = _responder(respond)
        self._tokens = tokens
        self._embed = embed or _numbers
        self._lock = threading.Lock()

    def identity(self) -> dict[str, JSON]:
        return {}

    def open(self) -> Transport:
        return self

    async def close(self) -> None:
        """There is nothing to free."""

    async def attempt(self, request: Request) -> Reply:
        body = dict(request.wire)
        with self._lock:
            self.calls.append(body)
        if request.kind == "embedding":
            return self._embedded(body)
        if "continuation" in body:
            return self._scored(body)
        messages = body["messages"] if request.kind == "chat" else [{"role": "user", "content": body["prompt"]}]
        answer = self._respond(messages, body)
        if inspect.isawaitable(answer):
            answer = await answer
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, Mapping):
            return Reply(canonical(answer))
        texts = [answer] * int(body.get("n") or 1) if isinstance(answer, str) else list(answer)
        return self._reply(request, body, messages, texts)

    def _reply(
        self, request: Request, body: Mapping[str, JSON], messages: list[dict[str, JSON]], texts: list[str]
    ) -> Reply:
        choices: list[JSON] = []
        completion = 0
        for place, text in enumerate(texts):
            text, count, finish = self._limited(text, body.get("max_completion_tokens") or body.get("max_tokens"))
            completion += count
            said = {"message": {"role": "assistant", "content": text}} if request.kind == "chat" else {"text": text}
            choices.append({"index": place, "finish_reason": finish, **said})
        prompt = sum(self._count(str(message.get("content"))) for message in messages)
        usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
        kind = "chat.completion" if request.kind == "chat" else "text_completion"
        return Reply(json.dumps({"object": kind, "model": self.model, "choices": choices, "usage": usage}))

    def _limited(self, text: str, most: int | None) -> tuple[str, int, str]:
        count = self._count(text)
        if most is None or count <= most:
            return text, count, "stop"
        if self._tokens is None:
            words = list(_WORD.finditer(text))
            text = text[: words[most - 1].end()]
        return text, most, "length"

    def _count(self, text: str) -> int:
        return self._tokens(text) if self._tokens else len(_WORD.findall(text))

    def _embedded(self, body: Mapping[str, JSON]) -> Reply:
        rows = [{"index": place, "embedding": self._embed(text)} for place, text in enumerate(body["input"])]
        count = sum(self._count(text) for text in body["input"])
        usage = {"prompt_tokens": count, "total_tokens": count}
        return Reply(json.dumps({"object": "list", "model": self.model, "data": rows, "usage": usage}))

    def _scored(self, body: Mapping[str, JSON]) -> Reply:
        if self.log_probability is None:
            raise LMError("This ScriptedLM tells no log-probabilities: pass ScriptedLM(..., log_probability=function).")
        values = self.log_probability(body["prompt"], body["continuation"])
        choice = {"text": body["continuation"], "finish_reason": "stop", "logprobs": {"token_logprobs": values}}
        usage = {"prompt_tokens": self._count(body["prompt"]), "completion_tokens": len(values)}
        return Reply(json.dumps({"object": "text_completion", "choices": [choice], "usage": usage}))


def _responder(respond: Respond | Sequence[Answer] | Table) -> Respond:
    if callable(respond):
        return respond
    if isinstance(respond, Mapping):
        return _from_table(respond)
    if isinstance(respond, str) or not isinstance(respond, Sequence):
        raise LMError(f"ScriptedLM({respond!r}): give a function of (messages, body), a list of replies, or a table.")
    return _from_list(respond)


def _from_list(answers: Sequence[Answer]) -> Respond:
    left: Iterator[Answer] = iter(answers)
    lock = threading.Lock()

    def respond(messages: list[dict[str, JSON]], body: dict[str, JSON]) -> Answer:
        with lock:
            for answer in left:
                return answer
        raise LMError(f"ScriptedLM was given {len(answers)} replies, and this is one request more. Give it more.")

    return respond


def _from_table(table: Table) -> Respond:
    def respond(messages: list[dict[str, JSON]], body: dict[str, JSON]) -> Answer:
        said = [str(message.get("content")) for message in messages]
        for sought, answer in table.items():
            if any(sought in text if isinstance(sought, str) else sought.search(text) for text in reversed(said)):
                return answer
        raise LMError(f"ScriptedLM has no reply in its table to {said[-1][:200]!r}. Add a text of it to the table.")

    return respond


def _numbers(text: str) -> list[float]:
    hexadecimal = digest(text)
    return [int(hexadecimal[start : start + 4], 16) / 0xFFFF - 0.5 for start in range(0, 32, 4)]
