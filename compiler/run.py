"""Run: the folder of one compile. What it is a run of, who works in it, and where its files are."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path

from ..signatures.canonical import JSON, canonical, digest
from ..signatures.errors import RunError

RUNS = Path(".burnish") / "runs"

_log = logging.getLogger("burnish")


class Run:
    """A run folder, locked for this process.

    identity: everything that decides where the run goes. A folder that belongs to another identity is refused, naming
    the difference; a folder of the same identity is resumed. folder: None picks one by the identity under RUNS.
    Raises RunError when another process works in the folder.
    """

    def __init__(self, identity: Mapping[str, JSON], folder: Path | None) -> None:
        self.identity = json.loads(canonical(dict(identity)))
        self.digest = digest(self.identity)
        self.folder = folder if folder is not None else RUNS / self.digest[:12]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise RunError(
                f"The run folder {str(self.folder)!r} cannot be used: {error}. Pass another run_dir."
            ) from None
        try:
            self._claim_lock()
        except OSError:
            os.close(self._lock)
            raise RunError(
                f"Another process is compiling in {str(self.folder)!r}. Wait for it, or pass another run_dir."
            ) from None
        self.is_resumed = self._claim()
        self._started = time.monotonic()
        self._before = self._earlier_seconds()
        self._has_warned = False

    def _claim_lock(self) -> None:
        """`burnish runs` holds a lock for an instant to see whether anybody works here; a compile holds it for long."""
        for patience in (0.05, 0.2, None):
            try:
                return fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if patience is None:
                    raise
                time.sleep(patience)

    def path(self, name: str) -> Path:
        return self.folder / name

    @property
    def earlier_seconds(self) -> float:
        """Wall time that earlier processes spent on this run."""
        return self._before

    def beat(self) -> None:
        """Notes how long the run has taken, so that a limit in seconds holds over a kill.

        A disk that does not take the note is warned of, once, and does not end the run.
        """
        written = self.path("seconds.new")
        try:
            written.write_text(f"{self._before + time.monotonic() - self._started:.3f}\n")
            written.replace(self.path("seconds"))
        except OSError as error:
            if not self._has_warned:
                _log.warning(
                    "The time that the run takes cannot be noted in %r: %s. The run goes on; if it is killed and "
                    "resumed, a limit in seconds counts from the last note.",
                    str(self.folder),
                    error,
                )
            self._has_warned = True

    def close(self) -> None:
        os.close(self._lock)  # the kernel frees the lock with it, also after a kill

    def _claim(self) -> bool:
        path = self.path("identity.json")
        if not path.exists():
            written = self.path("identity.json.new")
            written.write_text(json.dumps(self.identity, indent=1) + "\n", encoding="utf-8")
            written.replace(path)
            return False
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            self.close()
            raise RunError(f"{str(path)!r} is damaged. Pass another run_dir; paid replies are in the cache.") from None
        if known != self.identity:
            self.close()
            raise RunError(
                f"The run folder {str(self.folder)!r} belongs to other inputs: {difference(known, self.identity)}. "
                "Pass another run_dir, or the inputs that it was started with. Nothing was spent."
            )
        return True

    def _earlier_seconds(self) -> float:
        try:
            return float(self.path("seconds").read_text())
        except (OSError, ValueError):
            return 0.0


def difference(known: JSON, given: JSON, place: str = "") -> str:
    """The first place where two JSON values differ, in words."""
    if isinstance(known, dict) and isinstance(given, dict):
        for name in sorted({*known, *given}):
            if known.get(name) != given.get(name):
                return difference(known.get(name), given.get(name), f"{place}.{name}" if place else str(name))
    if isinstance(known, list) and isinstance(given, list) and len(known) == len(given):
        for index, (old, new) in enumerate(zip(known, given, strict=True)):
            if old != new:
                return difference(old, new, f"{place}[{index}]")
    return f"{place or 'the whole'} was {_short(known)}, is now {_short(given)}"


def _short(value: JSON) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else text[:117] + "..."
