"""Journal: outcomes of executions, durable in the run folder before they count."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ..signatures.canonical import JSON
from ..teleprompters.base import Outcome, Spend, Step

if TYPE_CHECKING:
    from .lm.store import JSONStore

Requests: TypeAlias = Sequence[tuple[str, Spend]]


class Journal:
    """Outcome and requests of each execution, by candidate, example, and the identity of program and metric.

    folder: in the run folder. identity: digest of all else that an outcome depends on.
    Outcomes that were put together lie in one row of the store, numbered from 0; in memory is only where each one is.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        from .lm.store import JSONStore

        self._store: JSONStore = JSONStore(folder)
        self._identity = identity
        self._writing = threading.Lock()
        self._places: dict[bytes, tuple[str, int]] = {}
        self._rows = 0
        self._read: tuple[str, list[JSON]] = ("", [])
        for name in sorted(self._store.keys(), key=int):
            self._rows = int(name) + 1
            for index, (mark, _) in enumerate(self._row(name)):
                self._places[bytes.fromhex(mark)] = (name, index)

    def get(self, candidate: str, example: str, purpose: str) -> tuple[Outcome, Requests, Spend] | None:
        """The outcome, its requests with what each cost, and the worst case of all of them."""
        place = self._places.get(self._mark(candidate, example, purpose)) if self._places else None
        if place is None:
            return None
        name, index = place
        row = self._row(name)
        if index >= len(row):
            return None  # the row was damaged; its executions are done again, on replies from the cache
        _, data = row[index]
        return _outcome(data), [(key, Spend(*cost)) for key, *cost in data["requests"]], Spend(*data["bound"])

    def put(self, done: Sequence[tuple[str, str, str, Outcome, Requests, Spend]]) -> None:
        """Writes (candidate, example, purpose, outcome, requests, worst case), all in one row. Durable on return."""
        if not done:
            return
        marks = [self._mark(candidate, example, purpose) for candidate, example, purpose, *_ in done]
        with self._writing:
            name = str(self._rows)
            self._rows += 1
        rows = zip(marks, done, strict=True)
        self._store.set(name, [[mark.hex(), _data(one[3], one[4], one[5])] for mark, one in rows])
        self._places.update((mark, (name, index)) for index, mark in enumerate(marks))

    def close(self) -> None:
        self._store.close()

    def _row(self, name: str) -> list[JSON]:
        # Replays ask for the outcomes of a row one after the other.
        known, row = self._read
        if known != name:
            row = self._store.get(name) or []
            self._read = (name, row)
        return row

    def _mark(self, candidate: str, example: str, purpose: str) -> bytes:
        return hashlib.sha256(f"{self._identity} {candidate} {example} {purpose}".encode()).digest()[:16]


def _data(outcome: Outcome, requests: Requests, bound: Spend) -> dict[str, JSON]:
    return {
        "score": outcome.score,
        "outputs": dict(outcome.outputs),
        "feedback": outcome.feedback,
        "trace": [[s.path, dict(s.inputs), dict(s.outputs), s.reply] for s in outcome.trace],
        "failure": outcome.failure,
        "reason": outcome.reason,
        "requests": [[key, spend.calls, spend.tokens, spend.usd] for key, spend in requests],
        "bound": [bound.calls, bound.tokens, bound.usd],
    }


def _outcome(data: dict[str, JSON]) -> Outcome:
    return Outcome(
        score=data["score"],
        outputs=data["outputs"],
        feedback=data["feedback"],
        trace=tuple(Step(*step) for step in data["trace"]),
        failure=data["failure"],
        reason=data["reason"],
        spend=sum((Spend(*cost) for _, *cost in data["requests"]), Spend()),
    )
