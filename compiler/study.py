"""The Optuna view of a compile: every scored candidate is a trial, mirrored where optuna-dashboard can open it.

The mirror is never read to decide anything. A run that resumes records the same candidates again; each is compared with
what the mirror holds, and the mirror is written anew from the first difference on.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..signatures.canonical import JSON, canonical

if TYPE_CHECKING:
    import optuna
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial


class Study:
    """A mirror of the scored candidates, one trial each, in a journal file or any storage that Optuna knows.

    path_or_url: a file, or a storage URL ("sqlite:///runs.db"). name: of the study in it. seed: kept as an attribute.
    differences: one sentence where a resumed run recorded anything else than an earlier one had; empty otherwise.
    failure: why the mirror is no longer written, or "". A mirror that fails costs a warning, never the run.
    """

    def __init__(self, path_or_url: str | os.PathLike[str], *, name: str, seed: int) -> None:
        self.differences: tuple[str, ...] = ()
        self.failure = ""
        self._where = os.fspath(path_or_url)
        self._name, self._seed = name, seed
        self._recorded = 0
        self._storage: BaseStorage | None = None
        self._mirror: optuna.Study | None = None  # None when it cannot be written
        self._held: list[FrozenTrial] = []  # by an earlier process of the same run
        with self._guarded():
            self._open()

    def record(self, number: int, digest: str, value: float, attributes: Mapping[str, JSON]) -> None:
        """Candidate `number` (counted from 0, in order) with its score; attributes: JSON shown beside the trial.

        Raises ValueError when a number is left out or comes twice.
        """
        if number != self._recorded:
            raise ValueError(f"candidate {number} was recorded where candidate {self._recorded} was due")
        self._recorded += 1
        if self._mirror is None:
            return
        shown = {**attributes, "digest": digest}
        with self._guarded():
            if number < len(self._held):
                held = self._held[number]
                if canonical([held.value, held.user_attrs]) == canonical([value, shown]):
                    return
                self._rewrite_from(number)
            self._mirror.add_trial(_frozen(value, shown))

    def close(self) -> None:
        """Lets go of the storage. Nothing is written here: each trial was durable when it was recorded."""
        self._mirror = None
        if self._storage is not None:
            self._storage.remove_session()

    def _open(self) -> None:
        import optuna

        self._storage = storage = _storage(self._where)
        names = [summary.study_name for summary in optuna.get_all_study_summaries(storage, include_best_trial=False)]
        if self._name in names:
            self._mirror = optuna.load_study(study_name=self._name, storage=storage)
            self._held = self._mirror.get_trials(deepcopy=False)
        else:
            self._mirror = self._new()

    def _new(self) -> optuna.Study:
        import optuna

        study = optuna.create_study(storage=self._storage, study_name=self._name, direction="maximize")
        study.set_user_attr("seed", self._seed)
        return study

    def _rewrite_from(self, number: int) -> None:
        import optuna

        assert self._storage is not None
        self.differences = (
            f"candidate {number} is not the one that study {self._name!r} in {self._where} held from an earlier run; "
            "the study was written anew from there on",
        )
        kept, self._held = self._held[:number], []
        optuna.delete_study(study_name=self._name, storage=self._storage)
        self._mirror = self._new()
        for trial in kept:
            self._mirror.add_trial(trial)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Keeps Optuna quiet, and a mirror that cannot be written from stopping the run."""
        try:
            with _quiet():
                yield
        except Exception as error:  # noqa: BLE001 - each storage has errors of its own, and none may cost the run
            self._mirror = None
            self.failure = f"{type(error).__name__}: {error}"
            warnings.warn(
                f"The Optuna mirror of this run in {self._where} cannot be written ({self.failure}). The run goes on "
                "without it and loses nothing else. Mend the cause and run again with the same run_dir to complete the "
                "mirror; a damaged file may be deleted.",
                stacklevel=4,
            )


def _storage(where: str) -> BaseStorage:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    if "://" in where:
        return optuna.storages.RDBStorage(where)
    path = Path(where)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = KernelLock(path)
    lock.acquire()
    try:
        _mend_tail(path)
    finally:
        lock.release()
    return optuna.storages.JournalStorage(JournalFileBackend(where, lock_obj=lock))  # type: ignore[arg-type]


def _frozen(value: float, attributes: Mapping[str, JSON]) -> FrozenTrial:
    import optuna

    return optuna.trial.create_trial(value=value, user_attrs=dict(attributes))


def _mend_tail(path: Path) -> None:
    """Cuts a journal after its last whole line. A half line (full disk, power cut) would bar every later opening."""
    if not path.exists():
        return
    with path.open("r+b") as journal:
        content = journal.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            journal.truncate(whole)


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna says at level INFO that it creates a study; here that is no news."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


class KernelLock:
    """A lock for Optuna's journal that the kernel frees when its holder dies, however it dies.

    Optuna's own locks are files that a killed process leaves behind; the next one waits 30 seconds for each.
    """

    def __init__(self, path: Path) -> None:
        self._path = f"{path}.flock"
        self._within = threading.Lock()
        self._file = -1

    def acquire(self) -> bool:
        self._within.acquire()
        try:
            self._file = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except BaseException:
            self._within.release()
            raise
        return True

    def release(self) -> None:
        file, self._file = self._file, -1
        os.close(file)
        self._within.release()
