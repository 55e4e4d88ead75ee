"""What users may rely on: a run's folder knows how long the run took, and a full disk there ends nothing."""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path

import pytest

import burnish as b
from burnish.compiler.run import Run, differences
from burnish.teleprompters.base import Forecast


@pytest.fixture
def full_disk(monkeypatch):
    """From here on a file that is opened for writing is emptied, and then takes nothing, as on a full disk."""

    def fill():
        def refuse(path, *_, **__):
            path.open("w").close()
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_text", refuse)

    return fill


def test_the_time_that_earlier_processes_took_is_known_to_the_next(tmp_path):
    (tmp_path / "seconds").write_text("12.5")
    run = Run({"seed": 0}, tmp_path)
    run.beat()
    run.close()
    again = Run({"seed": 0}, tmp_path)
    assert 12.5 <= again.earlier_seconds < 60
    again.close()


def test_a_full_disk_does_not_end_a_run_is_warned_of_once_and_keeps_the_time_noted_before(tmp_path, full_disk, caplog):
    (tmp_path / "seconds").write_text("12.5")
    run = Run({"seed": 0}, tmp_path)
    full_disk()
    with caplog.at_level(logging.WARNING, logger="burnish"):
        run.beat()
        run.beat()
    run.close()
    assert [record.name for record in caplog.records] == ["burnish"]
    assert "No space left" in caplog.text
    assert "The run goes on" in caplog.text
    again = Run({"seed": 0}, tmp_path)
    assert again.earlier_seconds == 12.5
    again.close()


def test_what_a_teleprompter_keeps_on_itself_while_it_searches_is_no_part_of_the_run(program, reviews, reviewer):
    class Forgetful(b.Teleprompter):
        def __init__(self):
            self.rounds = 2

        def search(self, bench):
            self.state = object()
            yield from ()

        def forecast(self, sizes):
            return Forecast(0, 0, "nothing")

    compiled = b.compile(
        program,
        trainset=reviews(60),
        metric=b.exact_match("label"),
        lm=reviewer(lambda prompt: 0.7),
        teleprompter=Forgetful(),
        budget=b.Budget(calls=60),
        progress=False,
    )
    assert compiled.provenance["teleprompter"] == {"name": "Forgetful", "rounds": 2}


def test_a_compile_is_not_refused_while_somebody_looks_whether_the_folder_is_at_work(tmp_path, monkeypatch):
    Run({"seed": 0}, tmp_path).close()
    looking = os.open(tmp_path / "lock", os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    monkeypatch.setattr("burnish.compiler.run.time.sleep", lambda seconds: fcntl.flock(looking, fcntl.LOCK_UN))
    Run({"seed": 0}, tmp_path).close()
    os.close(looking)


def run_of(task, judge=None, **others):
    """The identity of a run; what nobody named is the task's LM."""
    return {"lms": {"judge": judge or task, "optimizer": task, "task": task}, **others}


def test_what_differs_between_runs_begins_with_the_task_lm_and_does_not_say_it_again_for_roles_that_nobody_named():
    old = run_of({"model": "small", "params": {"max_tokens": 16}}, budget={"calls": 100}, seed=0)
    new = run_of({"model": "large", "params": {"max_tokens": 40}}, budget={"calls": 200}, seed=0)
    assert differences(old, new) == [
        'lms.task.model was "small", is now "large"',
        "lms.task.params.max_tokens was 16, is now 40",
        "budget.calls was 100, is now 200",
    ]
    assert differences(run_of({"model": "small"}), run_of({"model": "small"}, judge={"model": "large"})) == [
        'lms.judge.model was "small", is now "large"'
    ]


def test_a_folder_of_other_inputs_is_refused_with_ten_differences_and_how_many_more_there_are(tmp_path):
    Run({"settings": dict.fromkeys("abcdefghijklm", 0), "data": "0123456789abcdef" * 4}, tmp_path).close()
    with pytest.raises(b.RunError) as raised:
        Run({"settings": dict.fromkeys("abcdefghijklm", 1), "data": "fedcba9876543210" * 4}, tmp_path)
    said = str(raised.value)
    assert 'data was "0123456789ab...", is now "fedcba987654..."; settings.a was 0, is now 1; ' in said
    assert "settings.i was 0, is now 1; and 4 more. Pass another run_dir" in said


def test_a_folder_whose_identity_is_no_object_is_refused_as_one_of_other_inputs(tmp_path):
    (tmp_path / "identity.json").write_text("[]")
    with pytest.raises(b.RunError, match=r"belongs to other inputs: the whole was \[\]"):
        Run({"seed": 0}, tmp_path)


def test_what_one_run_lacks_is_not_the_null_of_another(tmp_path):
    assert differences({"a": None}, {}) == ["a was null, is now not there"]
    assert differences({}, {"a": None}) == ["a was not there, is now null"]
    Run({"a": None}, tmp_path).close()
    with pytest.raises(b.RunError, match="other inputs: a was null, is now not there"):
        Run({}, tmp_path)


@pytest.mark.parametrize("name", ["extra_body", "extra_headers", "api_key", "auth_token", "client-secret", "password"])
def test_of_what_may_be_a_secret_it_is_said_only_that_it_differs(name):
    one, other = ({"lms": {"task": {"params": {name: {"x": value}}}}} for value in ("SEKRET", "SEKRET2"))
    assert differences(one, other) == [f"lms.task.params.{name}.x differs"]
    assert "SEKRET" not in str(differences({"lms": {}}, one) + differences([one], one))
    assert differences({"budget": {"tokens": 1}}, {"budget": {"tokens": 2}}) == ["budget.tokens was 1, is now 2"]
