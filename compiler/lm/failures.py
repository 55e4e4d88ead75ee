"""How an attempt can fail, by what it means for money and for trying again."""

from __future__ import annotations

from typing import TypeAlias


class AttemptFailure(Exception):
    """Base. `retry_after`: seconds the server asked to wait. `status`: the HTTP status, None without an answer."""

    def __init__(self, message: str, retry_after: float | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.status = status


class Unbilled(AttemptFailure):
    """Refused before any work: 429, 503, connection refused. Retried, reported, never charged."""


class MaybeBilled(AttemptFailure):
    """The server may have worked and charged: time-out, dropped connection, 408, 409, other 5xx, a broken body.

    Retried; charged as a fault. `timed_out`: the server took longer than the LM's time-out, a sign of overload.
    """

    def __init__(
        self, message: str, retry_after: float | None = None, status: int | None = None, *, timed_out: bool = False
    ) -> None:
        super().__init__(message, retry_after, status)
        self.timed_out = timed_out


class Permanent(AttemptFailure):
    """Trying again cannot help: 400, 401, 403, 404, 422. Surfaces at once with what to do."""


class ContextOverflow(Permanent):
    """The prompt does not fit the model's context. A property of the candidate, not of the run."""


class ContentRefused(Permanent):
    """A content filter refused the request (HTTP 400 with a filter code). The program's failure on that row."""


Failure: TypeAlias = ContextOverflow | ContentRefused  # what a single request may end in without stopping the run
