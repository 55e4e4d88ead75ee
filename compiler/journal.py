"""Journal: outcomes of executions, durable in the run folder before they count."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..signatures.canonical import JSON
from ..teleprompters.base import Outcome, Spend, Step

if TYPE_CHECKING:
    from .lm.store import JSONStore

Requests = Sequence[tuple[str, Spend]]


class Journal:
    """Outcome and requests of each execution, by candidate, example, and the identity of program and metric.

    folder: in the run folder. identity: digest of all else that an outcome depends on.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        from .lm.store import JSONStore

        self._store: JSONStore = JSONStore(folder)
        self._identity = identity

    def get(self, candidate: str, example: str, purpose: str) -> tuple[Outcome, Requests] | None:
        row = self._store.get(self._key(candidate, example, purpose))
        return None if row is None else (_outcome(row), [(key, Spend(*cost)) for key, *cost in row["requests"]])

    def put(self, rows: Sequence[tuple[str, str, str, Outcome, Requests]]) -> None:
        """Writes (candidate, example, purpose, outcome, requests), all in one transaction."""
        self._store.set_many([(self._key(c, e, p), _row(outcome, requests)) for c, e, p, outcome, requests in rows])

    def close(self) -> None:
        self._store.close()

    def _key(self, candidate: str, example: str, purpose: str) -> str:
        return hashlib.sha256(f"{self._identity} {candidate} {example} {purpose}".encode()).hexdigest()


def _row(outcome: Outcome, requests: Requests) -> dict[str, JSON]:
    return {
        "score": outcome.score,
        "outputs": dict(outcome.outputs),
        "feedback": outcome.feedback,
        "trace": [[s.path, dict(s.inputs), dict(s.outputs), s.reply] for s in outcome.trace],
        "failure": outcome.failure,
        "reason": outcome.reason,
        "requests": [[key, spend.calls, spend.tokens, spend.usd] for key, spend in requests],
    }


def _outcome(row: dict[str, JSON]) -> Outcome:
    return Outcome(
        score=row["score"],
        outputs=row["outputs"],
        feedback=row["feedback"],
        trace=tuple(Step(*step) for step in row["trace"]),
        failure=row["failure"],
        reason=row["reason"],
        spend=sum((Spend(*cost) for _, *cost in row["requests"]), Spend()),
    )
