from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest

from burnish.compiler.study import Study

ATTRIBUTES = {"origin": {"teleprompter": "APE", "move": "induction"}, "scores": [1, 0.5], "parents": []}


def record(study: Study, count: int, start: int = 0, shift: float = 0.0) -> None:
    for number in range(start, count):
        study.record(number, f"digest {number}", number / 100 + shift, ATTRIBUTES)


def mirrored(path: Path, name: str = "run") -> list[optuna.trial.FrozenTrial]:
    """What anyone who opens the file with plain Optuna sees, such as optuna-dashboard."""
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    return optuna.load_study(study_name=name, storage=storage).trials


def test_every_scored_candidate_is_a_trial_that_plain_optuna_opens(tmp_path: Path) -> None:
    study = Study(tmp_path / "run" / "study.log", name="run", seed=7)
    record(study, 3)
    study.close()
    trials = mirrored(tmp_path / "run" / "study.log")
    assert [trial.value for trial in trials] == [0.0, 0.01, 0.02]
    assert trials[2].user_attrs == {"digest": "digest 2", **ATTRIBUTES}
    assert all(trial.state == optuna.trial.TrialState.COMPLETE for trial in trials)


def test_the_mirror_goes_to_any_storage_url(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    for count in (2, 4):
        study = Study(url, name="run", seed=0)
        record(study, count)
        study.close()
        assert study.differences == ()
    assert len(optuna.load_study(study_name="run", storage=url).trials) == 4


def test_a_resumed_run_that_records_the_same_changes_nothing_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    first = Study(path, name="run", seed=0)
    record(first, 3)
    first.close()
    before = path.read_bytes()
    again = Study(path, name="run", seed=0)
    record(again, 3)
    assert path.read_bytes() == before
    record(again, 5, start=3)
    again.close()
    assert again.differences == ()
    assert len(mirrored(path)) == 5


def test_from_the_first_difference_on_the_mirror_is_written_anew_and_says_so_once(tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    first = Study(path, name="run", seed=0)
    record(first, 6)
    first.close()
    again = Study(path, name="run", seed=0)
    record(again, 2)
    record(again, 4, start=2, shift=0.5)
    again.close()
    assert len(again.differences) == 1
    assert "candidate 2 is not the one" in again.differences[0]
    assert [trial.value for trial in mirrored(path)] == [0.0, 0.01, 0.52, 0.53]


def test_several_runs_share_a_file_without_meeting(tmp_path: Path) -> None:
    for name in ("one", "two"):
        study = Study(tmp_path / "study.log", name=name, seed=0)
        record(study, 2)
        study.close()
    assert len(mirrored(tmp_path / "study.log", "one")) == len(mirrored(tmp_path / "study.log", "two")) == 2


def test_a_line_torn_by_a_full_disk_does_not_bar_the_file(tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    first = Study(path, name="run", seed=0)
    record(first, 3)
    first.close()
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code":4,"worker_id":"0d')
    again = Study(path, name="run", seed=0)
    record(again, 4)
    again.close()
    assert again.failure == ""
    assert len(mirrored(path)) == 4
    for line in path.read_bytes().splitlines():
        json.loads(line)


def test_a_process_killed_while_it_holds_the_lock_does_not_delay_the_next(tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    code = (
        "import sys, time, pathlib; from burnish.compiler.study import KernelLock;"
        "KernelLock(pathlib.Path(sys.argv[1])).acquire(); print('held', flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    # Optuna's own lock, left behind by a killed process, stalls the next one for 30 seconds.
    os.symlink(path, f"{path}.lock")
    started = time.monotonic()
    study = Study(path, name="run", seed=0)
    record(study, 2)
    study.close()
    assert time.monotonic() - started < 15
    assert len(mirrored(path)) == 2


def test_a_mirror_that_cannot_be_written_costs_a_warning_and_never_the_run(tmp_path: Path) -> None:
    study = Study(tmp_path / "study.log", name="run", seed=0)
    record(study, 2)

    def full(trial: object) -> None:
        raise OSError(28, "No space left on device")

    assert study._mirror is not None
    study._mirror.add_trial = full  # type: ignore[method-assign]
    with pytest.warns(UserWarning, match="No space left on device") as warned:
        record(study, 5, start=2)
    study.close()
    assert len(warned) == 1
    assert "No space left" in study.failure
    assert "same run_dir" in str(warned[0].message)
    assert len(mirrored(tmp_path / "study.log")) == 2


def test_a_damaged_journal_costs_a_warning_and_never_the_run(tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    path.write_bytes(b"not a journal\nat all\n")
    with pytest.warns(UserWarning, match="may be deleted"):
        study = Study(path, name="run", seed=0)
    record(study, 2)
    study.close()
    assert path.read_bytes() == b"not a journal\nat all\n"


def test_a_candidate_that_is_left_out_is_refused(tmp_path: Path) -> None:
    study = Study(tmp_path / "study.log", name="run", seed=0)
    with pytest.raises(ValueError, match="candidate 1 was recorded where candidate 0 was due"):
        record(study, 2, start=1)
    study.close()


def test_optunas_own_verbosity_is_left_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = optuna.logging.get_verbosity()
    study = Study(tmp_path / "study.log", name="run", seed=0)
    record(study, 1)
    study.close()
    assert optuna.logging.get_verbosity() == before
    assert capsys.readouterr().err == ""
