"""One request on its way through the server, and the guard around all of them: token, id, log, count, no traceback."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect
from starlette.responses import Response

from ...signatures.canonical import JSON
from .bodies import leaves_much_unread
from .logs import places
from .metrics import HUNG_UP, Metrics, Tally
from .problems import Problem, said

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("burnish.serve")

RUN = "/run"
PROBES = ("/healthz", "/readyz")  # open to everyone, and not worth a line in the log
_QUIET = (*PROBES, "/metrics")
_ID = re.compile(r"[\w.:-]{1,80}", re.ASCII)
_READABLE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


@dataclass
class Exchange:
    """A request and what became of it. inputs: None until the whole body has been read and fits."""

    request_id: str
    status: int = 0
    body_has_come: bool = False
    problem: Problem | None = None
    tally: Tally = field(default_factory=Tally)
    inputs: Mapping[str, JSON] | None = None
    outputs: Mapping[str, JSON] | None = None

    def answer(self, problem: Problem) -> Response:
        self.problem = problem
        return json_response(problem.body(self.request_id), problem.status, problem.headers)


def json_response(value: JSON, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    try:
        content = _READABLE.encode(value).encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair in what the model said: JSON can spell it, UTF-8 cannot
        content = json.dumps(value, allow_nan=False).encode("ascii")
    return Response(content, status, headers, media_type="application/json")


class Guard:
    """An ASGI app around another one.

    tokens: any of them lets a request in; where there are none everyone may come.
    Every response has an `X-Request-ID`: the client's own, where it sent one.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics, tokens: Sequence[str], with_inputs: bool) -> None:
        self._app = app
        self._metrics = metrics
        self._tokens = [_hash(token.encode("utf-8")) for token in tokens]
        self._with_inputs = with_inputs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        exchange = Exchange(_request_id(headers.get(b"x-request-id", b"")))
        scope["burnish.exchange"] = exchange
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        begin = time.perf_counter()

        async def receiving() -> Message:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body", False):
                exchange.body_has_come = True
            return message

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                added = [(b"x-request-id", exchange.request_id.encode("ascii"))]
                is_http_1 = scope.get("http_version", "1.1").startswith("1")
                if is_http_1 and not exchange.body_has_come and leaves_much_unread(headers):
                    added.append((b"connection", b"close"))  # or the server would go on reading, for nothing
                message["headers"] = [*message["headers"], *added]
            await send(message)

        try:
            if path in PROBES or self._may_enter(headers):
                await self._app(scope, receiving, sending)
            else:
                refused = Problem("unauthorized", headers={"WWW-Authenticate": "Bearer"})
                await exchange.answer(refused)(scope, receive, sending)
        except ClientDisconnect:
            exchange.status = HUNG_UP
        except asyncio.CancelledError:
            if not exchange.status:
                await exchange.answer(Problem("stopping"))(scope, receive, sending)
            raise
        except Exception as error:  # noqa: BLE001 (whatever it is, the client gets no traceback, and others go on)
            problem = Problem("internal", cause=error)
            if not exchange.status:
                await exchange.answer(problem)(scope, receive, sending)
            exchange.problem = problem
        finally:
            seconds = time.perf_counter() - begin
            if path == RUN:
                self._metrics.request_ended(exchange.status, seconds)
            if path not in _QUIET:
                self._log(exchange, scope["method"], path, seconds)

    def _may_enter(self, headers: Mapping[bytes, bytes]) -> bool:
        if not self._tokens:
            return True
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        hashed = _hash(given.strip())
        # All are compared, each in constant time: how long this takes tells nothing.
        fitting = [hmac.compare_digest(hashed, token) for token in self._tokens]
        return scheme.lower() == b"bearer" and any(fitting)

    def _log(self, exchange: Exchange, method: str, path: str, seconds: float) -> None:
        problem, tally = exchange.problem, exchange.tally
        is_ours = problem is not None and problem.status >= 500
        level = logging.ERROR if is_ours else logging.INFO
        if not log.isEnabledFor(level):
            return
        fields: dict[str, JSON] = {
            "event": "request",
            "request_id": exchange.request_id,
            "method": method,
            "path": path[:200],
            "status": exchange.status,
            "seconds": round(seconds, 6),
        }
        if path == RUN:
            fields["calls"] = len(tally.ended)
            fields["prompt_tokens"], fields["completion_tokens"] = tally.prompt_tokens, tally.completion_tokens
        if problem is not None:
            fields["kind"] = problem.kind
            if problem.cause is not None:
                fields["error"] = said(problem.cause, self._with_inputs)
            if problem.kind == "internal" and problem.cause is not None:
                fields["raised_at"] = places(problem.cause)
        if self._with_inputs:
            fields["inputs"], fields["outputs"] = exchange.inputs, exchange.outputs
        log.log(level, "%s %s %d", method, path[:200], exchange.status, extra={"burnish": fields})


def _hash(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def _request_id(given: bytes) -> str:
    text = given.decode("latin-1")
    return text if _ID.fullmatch(text) else secrets.token_hex(8)
