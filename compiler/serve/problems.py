"""What a client is told when a request fails: a status, a short kind for code, a sentence for people.

No words of the model, its server, its address or our code reach the client: those are for the log.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from http.client import IncompleteRead, RemoteDisconnected

from ...signatures.canonical import JSON
from ...signatures.errors import LMError, ReplyError
from ..execution import RowFailure
from ..lm.failures import AttemptFailure, MaybeBilled, Unbilled

# Where the errors come from that a connection's failure may be made of: they know its address and nothing of a request.
_OF_CONNECTIONS = ("builtins", "aiohttp", "asyncio", "concurrent", "socket", "ssl", __name__.partition(".")[0])
# Of those that tell of a response that is no HTTP, these alone do not quote it.
_WITHOUT_QUOTES = (RemoteDisconnected, IncompleteRead)
_QUOTING = "aiohttp.http_exceptions"
RETRY_SECONDS = 1  # what a client is asked to wait where the model's server says nothing

# kind -> (status, sentence)
KINDS: Mapping[str, tuple[int, str]] = {
    "not_json": (400, "The body is not JSON."),
    "unauthorized": (401, "Send the bearer token: 'Authorization: Bearer TOKEN'."),
    "not_found": (404, "There is nothing at this path. POST to /run; /openapi.json describes it."),
    "method_not_allowed": (405, "This path does not take this method."),
    "slow_body": (408, "The body did not arrive within the time limit."),
    "too_large": (413, "The body is larger than this server takes."),
    "overflow": (413, "The inputs do not fit the model's context."),
    "media_type": (415, "Send the body as 'Content-Type: application/json'."),
    "invalid": (422, "The inputs do not fit the program."),
    "refused": (422, "A content filter of the model refused the inputs or the reply."),
    "busy": (429, "As many requests as this server takes are in flight. Try again."),
    "internal": (500, "The program failed. The log has the reason under this request's id."),
    "unparsed": (502, "The model's reply does not hold the outputs."),
    "truncated": (502, "The model's reply was cut before it was whole."),
    "model_failed": (502, "The model's server refused the request. The log has the reason under this request's id."),
    "model_unreachable": (503, "The model cannot be reached or is busy. Try again."),
    "stopping": (503, "The server is shutting down."),
    "timeout": (504, "The program took longer than the time limit."),
    "model_timeout": (504, "The model took longer than its time limit."),
}


class Problem(Exception):
    """One of KINDS. detail: instead of its sentence. field: the input that is wrong. cause: for the log."""

    def __init__(
        self,
        kind: str,
        detail: str = "",
        *,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
        cause: BaseException | None = None,
    ) -> None:
        super().__init__(kind)
        self.kind = kind
        self.detail = detail
        self.field = field
        self.headers = headers or {}
        self.cause = cause

    @property
    def status(self) -> int:
        return KINDS[self.kind][0]

    def body(self, request_id: str) -> dict[str, JSON]:
        error: dict[str, JSON] = {"kind": self.kind, "message": self.detail or KINDS[self.kind][1]}
        if self.field is not None:
            error["field"] = self.field
        return {"error": {**error, "request_id": request_id}}


def problem_of(error: BaseException) -> Problem:
    """What an error of a call of the program means to the client."""
    failure = _inner(error, RowFailure)
    if isinstance(error, ReplyError):
        kind = failure.kind if isinstance(failure, RowFailure) and failure.kind in KINDS else "unparsed"
        return Problem(kind, cause=error)
    attempt = _inner(error, AttemptFailure)
    if isinstance(attempt, AttemptFailure):
        return _of_attempt(attempt, error)
    return Problem("model_failed" if isinstance(error, LMError) else "internal", cause=error)


def _of_attempt(failure: AttemptFailure, error: BaseException) -> Problem:
    if isinstance(failure, MaybeBilled) and failure.timed_out:
        return Problem("model_timeout", cause=error)
    if isinstance(failure, Unbilled) or (isinstance(failure, MaybeBilled) and failure.status is None):
        wait = max(RETRY_SECONDS, math.ceil(failure.retry_after or 0))
        return Problem("model_unreachable", headers={"Retry-After": str(wait)}, cause=error)
    return Problem("model_failed", cause=error)


def said(error: BaseException, with_inputs: bool) -> str:
    """An error for the log. Words of a model, a server or a program may repeat inputs: they need `with_inputs`."""
    name, failure = type(error).__name__, _inner(error, AttemptFailure)
    if with_inputs:
        return f"{name}: {error}"
    if isinstance(failure, AttemptFailure):
        if failure.status is not None:
            return f"{name}: the model's server answered HTTP {failure.status}"
        if all(_is_of_connections(link) for link in _chain(error)):
            return f"{name}: {error}"  # our own words: who could not be reached, and why
    return f"{name}: its words are logged with --log-inputs only, as they may repeat inputs"


def _is_of_connections(error: BaseException) -> bool:
    module = type(error).__module__
    known = module.partition(".")[0] in _OF_CONNECTIONS and module != _QUOTING
    return known or isinstance(error, _WITHOUT_QUOTES)


def _inner(error: BaseException, kind: type[BaseException]) -> BaseException | None:
    return next((link for link in _chain(error) if isinstance(link, kind)), None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised in the course of, even where it says `from None`."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__
