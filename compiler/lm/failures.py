"""How an attempt can fail, by what it means for money and for trying again."""

from __future__ import annotations


class AttemptFailure(Exception):
    """Base. `retry_after`: seconds the server asked to wait, or None."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unbilled(AttemptFailure):
    """Refused before any work: 429, 503, connection refused. Retried, reported, never charged."""


class MaybeBilled(AttemptFailure):
    """The server may have worked and charged: time-out, dropped connection, 408, 409, other 5xx, a broken body. Retried; charged as a fault."""


class Permanent(AttemptFailure):
    """Trying again cannot help: 400, 401, 403, 404, 422. Surfaces at once with what to do."""


class ContextOverflow(Permanent):
    """The prompt does not fit the model's context. A property of the candidate, not of the run."""


class ContentRefused(Permanent):
    """A content filter refused the request (HTTP 400 with a filter code). The program's failure on that row."""
