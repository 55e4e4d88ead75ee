"""Replies of models, recorded in a file: a benchmark that took an hour is then rebuilt in seconds without a model."""

from __future__ import annotations

import json
import lzma
import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from burnish.compiler.frozen.document import read_document
from burnish.compiler.frozen.scoring import Scored, score_document
from burnish.compiler.lm import LM, Client, ReplyCache
from burnish.compiler.lm.request import Request
from burnish.compiler.lm.store import JSONStore
from burnish.compiler.metrics import Metric
from burnish.signatures.examples import Examples

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Recording:
    """What a benchmark keeps in `recorded/` under its name: replies, and how many minutes they took."""

    name: str

    @property
    def replies(self) -> Path:
        return HERE / "recorded" / f"{self.name}.jsonl.xz"

    @property
    def minutes(self) -> dict[str, float]:
        """By what was run, as far as it was noted."""
        return dict(json.loads(self._minutes.read_text("utf-8"))) if self._minutes.exists() else {}

    def note(self, what: str, minutes: float) -> None:
        """What was recorded before takes no time when a recording goes on, so the longest time is kept."""
        earlier = self.minutes
        kept = {**earlier, what: max(round(minutes, 1), earlier.get(what, 0.0))}
        self._minutes.parent.mkdir(parents=True, exist_ok=True)
        self._minutes.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")

    @contextmanager
    def cache(self, recording: bool) -> Iterator[Path]:
        """The reply cache to work with, which is also that of `burnish`.

        One that is recorded stays, so that a recording can be stopped and gone on with; one that is replayed asks
        nobody.
        """
        if recording:
            cache = Path(".burnish") / self.name
            os.environ["BURNISH_CACHE_DIR"] = str(cache)
            yield cache
            return
        with tempfile.TemporaryDirectory() as folder:
            play(self.replies, Path(folder))
            os.environ["BURNISH_OFFLINE"] = "1"
            os.environ["BURNISH_CACHE_DIR"] = folder
            yield Path(folder)

    @property
    def _minutes(self) -> Path:
        return HERE / "recorded" / f"{self.name}_minutes.json"


def play(recorded: Path, cache: Path) -> int:
    """Puts recorded replies into a reply cache; returns how many."""
    store = JSONStore(cache)
    rows = {}
    with lzma.open(recorded, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            rows[row.pop("key") if "key" in row else _key(row["request"])] = row
    store.set_many(rows.items())
    store.close()
    return len(rows)


def record(cache: Path, recorded: Path) -> int:
    """Writes every reply of a cache to a file, in an order that depends on the requests alone; returns how many."""
    store = JSONStore(cache)
    rows: dict[str, Any] = {key: store.get(key) for key in sorted(store.keys())}
    store.close()
    recorded.parent.mkdir(parents=True, exist_ok=True)
    with lzma.open(recorded, "wt", encoding="utf-8", preset=9) as lines:
        for key, row in rows.items():
            # The tokens of a text are kept without a request that tells their key.
            kept = row if "request" in row else {**row, "key": key}
            lines.write(json.dumps(kept, ensure_ascii=False) + "\n")
    return len(rows)


def score_file(path: Path, rows: Examples, metric: Metric, lm: LM) -> Scored:
    """The scores of a frozen file on all rows, one at a time, through the reply cache that is worked with."""
    offline = bool(os.environ.get("BURNISH_OFFLINE"))
    with closing(ReplyCache()) as cache, Client(cache, concurrency=1, offline=offline) as client:
        return score_document(read_document(str(path)), rows, metric, client, lm)


def _key(asked: dict[str, Any]) -> str:
    return Request(asked["kind"], asked["endpoint"], asked["body"], asked["index"]).key
