"""Run: the folder of one compile. What it is a run of, who works in it, and where its files are."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..signatures.canonical import JSON, canonical, digest
from ..signatures.errors import RunError
from .report.command_line import sounds_secret

RUNS = Path(".burnish") / "runs"
MOST_SHOWN = 10  # differences between two runs
ABSENT: JSON = object()  # what one identity lacks, which is not the null of another
DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")

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
            found = "; ".join(first_of(differences(known, self.identity)))
            raise RunError(
                f"The run folder {str(self.folder)!r} belongs to other inputs: {found}. "
                "Pass another run_dir, or the inputs that it was started with. Nothing was spent."
            )
        return True

    def _earlier_seconds(self) -> float:
        try:
            return float(self.path("seconds").read_text())
        except (OSError, ValueError):
            return 0.0


def differences(known: JSON, given: JSON) -> list[str]:
    """In words, every place where the identities of two runs differ, the task LM's first.

    An LM that is the task's own in both, such as a judge that nobody named, is not said again. Of what may be a secret
    it is said only that it differs.
    """
    if isinstance(known, dict) and isinstance(given, dict):
        known, given = _without_repeated_lms(known, given)
    found = sorted(_differing(known, given), key=lambda difference: not difference[0].startswith("lms.task"))
    return [_said(*difference) for difference in found]


def first_of(lines: Sequence[str]) -> list[str]:
    """As many as a person reads, and how many more there are."""
    left = len(lines) - MOST_SHOWN
    return [*lines[:MOST_SHOWN], *([f"and {left} more"] if left > 0 else [])]


def _without_repeated_lms(*identities: Mapping[str, JSON]) -> list[JSON]:
    sides = [identity.get("lms", {}) for identity in identities]
    repeated = {
        role
        for lms in sides
        for role in lms
        if role != "task" and all(lms.get(role, {}) == lms.get("task") for lms in sides)
    }
    kept = [{role: lm for role, lm in lms.items() if role not in repeated} for lms in sides]
    return [{**identity, "lms": lms} for identity, lms in zip(identities, kept, strict=True)]


def _differing(known: JSON, given: JSON, place: str = "") -> Iterator[tuple[str, JSON, JSON]]:
    """Where two JSON values differ, as deep as both have the same shape: the place, and what stands there in each."""
    if known == given:
        return
    if isinstance(known, dict) and isinstance(given, dict):
        for name in sorted({*known, *given}):
            old, new = (side.get(name, ABSENT) for side in (known, given))
            yield from _differing(old, new, f"{place}.{name}" if place else str(name))
    elif isinstance(known, list) and isinstance(given, list) and len(known) == len(given):
        for index, (old, new) in enumerate(zip(known, given, strict=True)):
            yield from _differing(old, new, f"{place}[{index}]")
    else:
        yield place or "the whole", known, given


def _said(place: str, old: JSON, new: JSON) -> str:
    if any(sounds_secret(name) for name in place.split(".")):
        return f"{place} differs"
    return f"{place} was {_short(old)}, is now {_short(new)}"


def _short(value: JSON) -> str:
    if value is ABSENT:
        return "not there"
    text = DIGEST.sub(r"\1...", json.dumps(_without_secrets(value)))
    return text if len(text) <= 120 else text[:117] + "..."


def _without_secrets(value: JSON) -> JSON:
    if isinstance(value, dict):
        return {name: "..." if sounds_secret(name) else _without_secrets(inner) for name, inner in value.items()}
    return [_without_secrets(inner) for inner in value] if isinstance(value, list) else value
