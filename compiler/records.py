"""What a run writes down: scored candidates with where they came from, and events."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ..signatures.canonical import JSON
from ..teleprompters.base import Origin, Score, Spend

STUDENT = Origin("student", "as given")


@dataclass(frozen=True)
class Record:
    """A candidate scored on all of dev (or on a part, then it cannot become the finalist), and where it came from."""

    number: int
    score: Score
    origin: Origin
    parents: tuple[str, ...]
    spent: Spend
    is_whole: bool
    rejected: str = ""

    def to_json(self) -> dict[str, JSON]:
        return {
            "number": self.number,
            "candidate": self.score.candidate.digest,
            "mean": self.score.mean,
            "rows": len(self.score.values),
            "failures": self.score.failures,
            "teleprompter": self.origin.teleprompter,
            "move": self.origin.move,
            "detail": dict(self.origin.detail),
            "parents": list(self.parents),
            "spent": {"calls": self.spent.calls, "tokens": self.spent.tokens, "usd": self.spent.usd},
            **({"rejected": self.rejected} if self.rejected else {}),
        }


class EventLog:
    """One JSON line an event in the run folder, and how often each event happened. Written anew by every process: a
    replay repeats the events."""

    def __init__(self, path: Path | None) -> None:
        self.counts: Counter[str] = Counter()
        self._file = None if path is None else path.open("w", encoding="utf-8", buffering=1)

    def write(self, event: str, **detail: JSON) -> None:
        self.counts[event] += 1
        if self._file is not None:
            self._file.write(json.dumps({"event": event, **detail}, ensure_ascii=True, default=repr) + "\n")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
