"""ReplyCache: every whole reply ever paid for, by request key."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...signatures.canonical import JSON
from ...signatures.errors import CacheError
from .folders import replies_folder
from .prices import price_of
from .request import Reply, Request, whole
from .store import JSONStore as JSONStore

UNSAVED_BYTES = 64 * 2**20  # replies kept in memory while the disk takes none

_log = logging.getLogger("burnish")


@dataclass(frozen=True)
class ModelStats:
    """What the cache holds of one model: calls (one an entry), tokens, and dollars where a list price is known."""

    endpoint: str
    model: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    usd: float | None


@dataclass(frozen=True)
class CacheStats:
    """entries: replies. bytes: size on disk. models: sorted by endpoint and model."""

    folder: Path
    entries: int
    bytes: int
    models: tuple[ModelStats, ...]


class ReplyCache:
    """Whole replies, durable, shared by threads and processes, and never evicted.

    folder: default BURNISH_CACHE_DIR or the user's cache folder.
    A reply that the disk does not take is kept in memory, a warning says what to do, and it is written with the next
    one that the disk takes; only when such replies pass 64 MB does `put` raise CacheError.
    Raises CacheError when the folder cannot be opened even for reading.
    """

    def __init__(self, folder: Path | str | None = None, timeout: float = 60.0) -> None:
        self.store = JSONStore(folder or replies_folder(), timeout)
        self.folder = self.store.folder
        self._unsaved: dict[str, JSON] = {}
        self._unsaved_bytes = 0
        self._lock = threading.Lock()

    @property
    def trouble(self) -> str:
        """Why replies lie in memory only, "" when none do."""
        return f"{len(self._unsaved)} replies are not on disk." if self._unsaved else ""

    @property
    def dropped(self) -> int:
        """How many damaged entries were met and dropped."""
        return self.store.dropped

    def get(self, key: str) -> Reply | None:
        """The reply, or None. An entry that is damaged, not whole, or not of this request is dropped."""
        row = self._unsaved.get(key) if self._unsaved else None
        if row is None:
            row = self.store.get(key)
            if row is None:
                return None
        entry = _entry(row)
        if entry is None or entry[0].key != key:
            self.store.drop(key)
            return None
        return entry[1]

    def has(self, key: str) -> bool:
        return self.get(key) is not None

    def put(self, request: Request, reply: Reply) -> None:
        self.put_many([(request, reply)])

    def put_many(self, entries: Sequence[tuple[Request, Reply]]) -> None:
        """Stores replies in one transaction. Returns when they are durable, or kept in memory with a warning."""
        rows = {request.key: _row(request, reply) for request, reply in entries}
        with self._lock:
            try:
                self.store.set_many({**self._unsaved, **rows}.items())
            except CacheError as error:
                self._keep(rows, error)
            else:
                self._unsaved, self._unsaved_bytes = {}, 0

    def _keep(self, rows: dict[str, JSON], error: CacheError) -> None:
        if not self._unsaved:
            _log.warning("%s Until then replies are kept in memory and are lost when this process ends.", error)
        self._unsaved = {**self._unsaved, **rows}
        self._unsaved_bytes += sum(len(row["request"]["body"]) + len(row["reply"]) for row in rows.values())
        if self._unsaved_bytes > UNSAVED_BYTES:
            raise CacheError(f"{error} {len(self._unsaved)} replies that were paid for are in memory only.") from error

    def stats(self) -> CacheStats:
        """Reads every entry: some 30 microseconds each."""
        totals: dict[tuple[str, str], list[int]] = {}
        for key in self.store.keys():  # noqa: SIM118
            entry = _entry(self.store.get(key))
            if entry is None:
                continue
            request, reply = entry
            total = totals.setdefault((request.endpoint, str(request.body.get("model"))), [0, 0, 0])
            total[0] += 1
            total[1] += reply.usage.prompt_tokens or 0
            total[2] += reply.usage.completion_tokens or 0
        models = tuple(_stats(*name, *total) for name, total in sorted(totals.items()))
        return CacheStats(self.folder, sum(model.calls for model in models), self.store.size(), models)

    def clear(self) -> int:
        """Removes every reply; returns how many there were."""
        return self.store.clear()

    def close(self) -> None:
        self.store.close()


def _row(request: Request, reply: Reply) -> JSON:
    shown = {"kind": request.kind, "endpoint": request.endpoint, "body": request.body_json, "index": request.index}
    return {"request": shown, "reply": reply.body_json}


def _entry(row: JSON) -> tuple[Request, Reply] | None:
    """The request and reply of a row, None when it is not both of them whole."""
    try:
        shown = row["request"]
        request = Request(shown["kind"], shown["endpoint"], shown["body"], shown["index"])
        reply = Reply(row["reply"])
        return (request, reply) if whole(request, reply) else None
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _stats(endpoint: str, model: str, calls: int, prompt: int, completion: int) -> ModelStats:
    price = price_of(model) if endpoint.startswith("https://api.openai.com") else None
    usd = price.usd(prompt, completion) if price else None
    return ModelStats(endpoint, model, calls, prompt, completion, usd)
