"""KeyLock: at most one process sends a given request at a time. The kernel frees it when its holder dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class KeyLock:
    """A locked file for one key. `acquire` never waits; in a folder that cannot be written it always succeeds."""

    def __init__(self, folder: Path, key: str) -> None:
        self._path = folder / key
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        while True:
            try:
                descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
            except OSError:
                return True  # no replies can be shared through this folder either
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(descriptor)
                return False
            if os.fstat(descriptor).st_nlink:
                self._descriptor = descriptor
                return True
            os.close(descriptor)  # its holder removed the file between our opening and our locking it

    def release(self) -> None:
        if self._descriptor is None:
            return
        # Removed while it is still held: whoever has opened it meanwhile sees that it has no name any more.
        self._path.unlink(missing_ok=True)
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        os.close(self._descriptor)
        self._descriptor = None
