"""JSONStore: values in diskcache that are JSON and can be nothing else. Nothing read from it is ever executed."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import diskcache

from ...signatures.canonical import JSON
from ...signatures.errors import CacheError

_RAW = 1  # diskcache's mode for a value that stands in its row as it is
_SETTINGS = {
    "eviction_policy": "none",  # the default drops what was paid for, in silence, at 1 GB
    "size_limit": 2**50,
    "cull_limit": 0,
    "statistics": 0,
    "tag_index": 0,
}


class _Unreadable(ValueError):
    """A row that this store did not write, or that is damaged."""


class _JSONDisk(diskcache.Disk):  # type: ignore[misc]
    """Stores compressed JSON under text keys. diskcache's own classes fall back to unpickling; this one refuses."""

    def put(self, key: object) -> tuple[str, bool]:
        if not isinstance(key, str):
            raise TypeError(f"a key of this store is text, got {key!r}")
        return key, True

    def get(self, key: object, raw: object) -> str | None:
        return key if raw and isinstance(key, str) else None

    def store(self, value: JSON, read: bool, key: object = None) -> tuple[int, int, None, memoryview]:
        packed = zlib.compress(json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii"), 1)
        return len(packed), _RAW, None, sqlite3.Binary(packed)

    def fetch(self, mode: object, filename: object, value: object, read: bool) -> JSON:
        if mode != _RAW or filename is not None or not isinstance(value, bytes):
            raise _Unreadable(f"a row of mode {mode!r}")
        try:
            return json.loads(zlib.decompress(value))
        except (zlib.error, ValueError, RecursionError) as error:
            raise _Unreadable(str(error)) from error

    def remove(self, file_path: object) -> None:
        """Values never lie in files of their own, so a row that names one must not have it deleted."""


class _Cache(diskcache.Cache):  # type: ignore[misc]
    """A cache that closes a thread's connection when the thread ends.

    Connections of sqlite3 hold themselves until the garbage collector comes by, two open files each: a program that
    starts a thread a row would have opened thousands by then.
    """

    @property
    def _con(self) -> sqlite3.Connection:
        connection: sqlite3.Connection = super()._con
        kept = getattr(self._local, "kept", None)
        if kept is None or kept.connection is not connection:
            self._local.kept = _UntilTheThreadEnds(connection)
        return connection


class _UntilTheThreadEnds:
    """A connection for as long as its thread lives: among a thread's own values, which go when it ends."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def __del__(self) -> None:
        with suppress(Exception):  # the cache may go before the thread, and another one may not close it
            self.connection.close()


class JSONStore:
    """A durable map from text keys to JSON values in a folder, shared by threads and processes.

    What `set` and `set_many` have returned from survives a kill of the process. A damaged row is dropped, counted in
    `dropped`, and reads as missing. A folder that cannot be written is opened for reading (`read_only` says why).
    timeout: seconds to wait for another process that holds the database.
    Raises CacheError, which says what to do, when the store cannot be opened, read or written.
    """

    def __init__(self, folder: Path | str, timeout: float = 60.0) -> None:
        self.folder = Path(folder)
        self.dropped = 0
        self.read_only = ""
        self._writing = threading.Lock()  # sqlite's own waiting sleeps; threads of one process need not
        self._reader: _Reader | None = None
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _held(self.folder / "creation.lock"):
                self._cache = _Cache(str(self.folder), timeout=timeout, disk=_JSONDisk, **_SETTINGS)
        except (OSError, sqlite3.Error) as error:
            self._reader = self._open_for_reading(error)
            self.read_only = str(error)

    def _open_for_reading(self, error: Exception) -> _Reader:
        path = self.folder / "cache.db"
        # Only what stops writing may lead to reading alone; a damaged database is an error for both.
        if isinstance(error, OSError | sqlite3.OperationalError) and path.exists():
            try:
                return _Reader(path)
            except sqlite3.Error as second:
                error = second
        raise self._error("opened", error) from error

    def get(self, key: str) -> JSON | None:
        try:
            return self._reader.get(key) if self._reader else self._cache.get(key)
        except _Unreadable:
            self.drop(key)
            return None
        except sqlite3.Error as error:
            raise self._error("read", error) from error

    def set(self, key: str, value: JSON) -> None:
        self.set_many([(key, value)])

    def set_many(self, pairs: Iterable[tuple[str, JSON]]) -> None:
        """Stores all pairs in one transaction, or none of them."""
        if self._reader:
            raise CacheError(_advice(self.folder, "written", self.read_only))
        try:
            with self._writing, self._cache.transact():
                for key, value in pairs:
                    self._cache.set(key, value)
        except (OSError, sqlite3.Error, diskcache.Timeout) as error:
            raise self._error("written", error) from error

    def drop(self, key: str) -> None:
        """Forgets a key whose value turned out to be of no use, and counts it."""
        self.dropped += 1
        if self._reader:
            return
        try:
            with self._writing:
                self._cache.delete(key)
        except (OSError, sqlite3.Error, diskcache.Timeout) as error:
            raise self._error("written", error) from error

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None

    def keys(self) -> Iterator[str]:
        try:
            for key in self._reader.keys() if self._reader else self._cache.iterkeys():
                if key is not None:
                    yield key
        except sqlite3.Error as error:
            raise self._error("read", error) from error

    def size(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self.folder.glob("cache.db*"))

    def clear(self) -> int:
        """Removes everything; returns how many rows there were."""
        if self._reader:
            raise CacheError(_advice(self.folder, "emptied", self.read_only))
        try:
            with self._writing:
                removed: int = self._cache.clear()
        except (OSError, sqlite3.Error, diskcache.Timeout) as error:
            raise self._error("emptied", error) from error
        return removed

    def close(self) -> None:
        """Closes the connection of the calling thread; those of others close when they end."""
        if self._reader:
            self._reader.close()
        else:
            self._cache.close()

    def _error(self, action: str, error: Exception) -> CacheError:
        if isinstance(error, diskcache.Timeout):
            return CacheError(_advice(self.folder, action, "database is locked"))
        return CacheError(_advice(self.folder, action, str(error)))


class _Reader:
    """Reads the rows of a store whose folder cannot be written, on a connection that asks for nothing else."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._disk = _JSONDisk(str(path.parent))
        try:
            self._connection = self._connect(path, "mode=ro")
        except sqlite3.OperationalError:
            # The write-ahead index cannot be made in a folder that cannot be written; nobody else writes either.
            self._connection = self._connect(path, "immutable=1")

    @staticmethod
    def _connect(path: Path, how: str) -> sqlite3.Connection:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, check_same_thread=False)
        connection.execute("SELECT count(*) FROM (SELECT 1 FROM Cache LIMIT 1)").fetchall()
        return connection

    def get(self, key: str) -> JSON | None:
        query = "SELECT mode, filename, value FROM Cache WHERE key = ? AND raw = 1"
        with self._lock:
            rows = self._connection.execute(query, (key,)).fetchall()
        if not rows:
            return None
        mode, filename, value = rows[0]
        return self._disk.fetch(mode, filename, value, False)

    def keys(self) -> list[str]:
        with self._lock:
            rows = self._connection.execute("SELECT key FROM Cache WHERE raw = 1").fetchall()
        return [key for (key,) in rows if isinstance(key, str)]

    def close(self) -> None:
        self._connection.close()


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Two processes that create one database at once trip over each other; the kernel frees this lock on any end."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _advice(folder: Path, action: str, reason: str) -> str:
    words = reason.lower()
    if "full" in words or "no space" in words:
        remedy = "Free some space there, or set BURNISH_CACHE_DIR to a folder on another disk."
    elif "locked" in words:
        remedy = (
            "Another process has held it for too long: end that process, or set BURNISH_CACHE_DIR to another folder."
        )
    elif "malformed" in words or "not a database" in words:
        remedy = "The file is damaged: move it away, and what it held is fetched anew; or restore it from a copy."
    else:
        remedy = "Make the folder writable, or set BURNISH_CACHE_DIR to another one."
    return f"The store in {folder} cannot be {action}: {reason}. {remedy}"
