"""What a run writes down: scored candidates with where they came from, and events."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from ..signatures.canonical import JSON
from ..teleprompters.base import Origin, Round, Score, Spend
from .callbacks import BlockEnded, Callbacks, CandidateRejected, CandidateScored, RoundEnded

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
    replay repeats the events.

    callbacks: are told as well. run: the name of this compile in what they are told.
    """

    def __init__(self, path: Path | None, callbacks: Callbacks | None = None, run: str = "") -> None:
        self.counts: Counter[str] = Counter()
        self.callbacks = callbacks or Callbacks()
        self.run = run
        self._file = None if path is None else path.open("w", encoding="utf-8", buffering=1)

    def write(self, event: str, **detail: JSON) -> None:
        self.counts[event] += 1
        self._line({"event": event, **detail})

    def recorded(self, record: Record) -> None:
        self.write("recorded", **record.to_json())
        score, origin = record.score, f"{record.origin.teleprompter}: {record.origin.move}"
        told = CandidateScored(
            self.run, record.number, score.candidate.digest, score.values, score.mean, record.is_whole, origin
        )
        self.callbacks.tell("on_candidate_scored", told)

    def rejected(self, reason: str, sentence: str, **detail: JSON) -> None:
        self.write("rejected", reason=reason, sentence=sentence, **detail)
        self.callbacks.tell("on_candidate_rejected", CandidateRejected(self.run, reason, sentence))

    def round(self, done: Round) -> None:
        proposed = [candidate.digest for candidate in done.proposed]
        self.write("round", name=done.name, proposed=proposed)
        self.callbacks.tell("on_round_ended", RoundEnded(self.run, self.counts["round"], done.name, proposed))

    def block(self, done: BlockEnded) -> None:
        """Not counted: how often it happens is no part of what the search did."""
        self._line({"event": "block", "phase": done.phase, "total": asdict(done.total), "paid": asdict(done.paid)})
        self.callbacks.tell("on_block_ended", done)

    def _line(self, said: dict[str, JSON]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(said, ensure_ascii=True, default=repr) + "\n")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
