"""Key locks: at most one process sends a given request at a time. The kernel frees them when their holder dies."""

from __future__ import annotations

import fcntl
import os
import struct
import sys
from pathlib import Path
from typing import Protocol


class KeyLocks(Protocol):
    """Locks by request key, of one holder. `acquire` never waits. Locks of two holders exclude each other anywhere."""

    def acquire(self, key: str) -> bool: ...
    def release(self, key: str) -> None: ...
    def close(self) -> None: ...


def open_key_locks(folder: Path) -> KeyLocks:
    """The locks in a folder. Where it cannot be written no replies are shared either, and every lock is granted."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        return RangeLocks(folder) if sys.platform == "linux" else FileLocks(folder)
    except OSError:
        return NoLocks()


class RangeLocks:
    """One byte of one file for each key: a lock costs a few microseconds. Open file description locks, Linux only."""

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder / "keys", os.O_CREAT | os.O_RDWR, 0o600)

    def acquire(self, key: str) -> bool:
        try:
            self._set(fcntl.F_WRLCK, key)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def release(self, key: str) -> None:
        self._set(fcntl.F_UNLCK, key)

    def close(self) -> None:
        os.close(self._descriptor)

    def _set(self, kind: int, key: str) -> None:
        # struct flock: type, whence, start, length, process (0 as the kernel demands here). 56 bits of the key.
        fcntl.fcntl(self._descriptor, _SET_LOCK, struct.pack("hhqqi", kind, os.SEEK_SET, int(key[:14], 16), 1, 0))


class FileLocks:
    """A file of its own for each key that is locked, for systems without the other kind."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, int] = {}

    def acquire(self, key: str) -> bool:
        while True:
            descriptor = os.open(self._folder / key, os.O_CREAT | os.O_RDWR, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(descriptor)
                return False
            if os.fstat(descriptor).st_nlink:
                self._held[key] = descriptor
                return True
            os.close(descriptor)  # its holder removed the file between our opening and our locking it

    def release(self, key: str) -> None:
        descriptor = self._held.pop(key)
        # Removed while it is still held: whoever has opened it meanwhile sees that it has no name any more.
        (self._folder / key).unlink(missing_ok=True)
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)

    def close(self) -> None:
        for key in list(self._held):
            self.release(key)


class NoLocks:
    """Grants every lock."""

    def acquire(self, key: str) -> bool:
        return True

    def release(self, key: str) -> None:
        """There is nothing to free."""

    def close(self) -> None:
        """There is nothing to free."""


_SET_LOCK = getattr(fcntl, "F_OFD_SETLK", 0)
