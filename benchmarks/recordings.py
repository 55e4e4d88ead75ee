"""Replies of models, recorded in a file: a benchmark that took an hour is then rebuilt in seconds without a model."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

from burnish.compiler.lm.request import Request
from burnish.compiler.lm.store import JSONStore


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
    rows = {key: store.get(key) for key in sorted(store.keys())}
    store.close()
    recorded.parent.mkdir(parents=True, exist_ok=True)
    with lzma.open(recorded, "wt", encoding="utf-8", preset=9) as lines:
        for key, row in rows.items():
            # The tokens of a text are kept without a request that tells their key.
            kept = row if "request" in row else {**row, "key": key}
            lines.write(json.dumps(kept, ensure_ascii=False) + "\n")
    return len(rows)


def _key(asked: dict[str, Any]) -> str:
    return Request(asked["kind"], asked["endpoint"], asked["body"], asked["index"]).key
