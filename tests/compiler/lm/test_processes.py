"""Several processes that share a cache pay for each request once, whoever of them dies."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from burnish.compiler.lm import LM, Client, ReplyCache
from burnish.compiler.lm.keylock import FileLocks, NoLocks, RangeLocks, open_key_locks
from burnish.testing import Faults, ScriptedServer

KEY, OTHER = "ab" * 32, "cd" * 32

ASK = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with it ignored
from burnish.compiler.lm import LM, Client, ReplyCache
folder, url, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
lm = LM("model", base_url=url)
with Client(ReplyCache(folder)) as client:
    print("ready", flush=True)
    sys.stdin.readline()
    jobs = [(lm, lm.chat([{"role": "user", "content": str(number)}])) for number in range(count)]
    assert [reply.text for reply in client.send_many(jobs)] == [str(number) for number in range(count)]
"""


def start(folder: Path, url: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", ASK, str(folder), url, str(count)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def test_four_processes_that_ask_the_same_at_once_pay_for_each_request_once(tmp_path):
    with ScriptedServer(lambda messages, body: messages[-1]["content"], faults=Faults(latency=0.02)) as server:
        processes = [start(tmp_path, server.base_url, 25) for _ in range(4)]
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        for process in processes:
            go(process)
        assert [process.wait(60) for process in processes] == [0] * 4
        assert server.counts() == {"requests": 25, "billable": 25, "distinct": 25}


def test_a_request_whose_sender_was_killed_is_taken_over(tmp_path):
    with ScriptedServer(lambda messages, body: messages[-1]["content"], faults=Faults(hang=1)) as server:
        doomed = start(tmp_path, server.base_url, 1)
        go(doomed)
        while not server.billable:
            assert doomed.poll() is None
        doomed.kill()
        doomed.wait()
        server.faults = Faults()
        lm = LM("model", base_url=server.base_url)
        with Client(ReplyCache(tmp_path)) as client:
            assert client.send(lm, lm.chat([{"role": "user", "content": "0"}])).text == "0"
        assert server.billable == 2  # the one in flight at the kill, and its repetition


def test_an_interrupted_process_keeps_the_replies_in_flight_and_sends_nothing_more(tmp_path):
    with ScriptedServer(lambda messages, body: messages[-1]["content"], faults=Faults(latency=0.3)) as server:
        process = start(tmp_path, server.base_url, 50)
        go(process)
        while not server.requests:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(60) != 0
        assert server.requests == server.billable == 8
        lm = LM("model", base_url=server.base_url)
        cache = ReplyCache(tmp_path)
        jobs = [lm.chat([{"role": "user", "content": str(number)}]) for number in range(50)]
        assert sum(cache.has(request.key) for request in jobs) == 8


@pytest.mark.parametrize("kind", [RangeLocks, FileLocks])
def test_a_key_is_locked_against_other_holders_and_no_other_key_is(tmp_path, kind):
    if kind is RangeLocks and sys.platform != "linux":
        pytest.skip("open file description locks are Linux's")
    mine, other = kind(tmp_path), kind(tmp_path)
    assert mine.acquire(KEY)
    assert not other.acquire(KEY)
    assert other.acquire(OTHER)
    mine.release(KEY)
    assert other.acquire(KEY)
    other.close()
    assert mine.acquire(KEY)
    mine.close()


def test_a_lock_file_removed_between_opening_and_locking_is_not_taken_for_the_lock(tmp_path, monkeypatch):
    mine, other = FileLocks(tmp_path), FileLocks(tmp_path)
    assert mine.acquire(KEY)
    from burnish.compiler.lm import keylock

    real = keylock.fcntl.flock

    def released_meanwhile(descriptor, how):
        if mine._held:
            mine.release(KEY)  # its file is gone; the descriptor being locked here has no name any more
        return real(descriptor, how)

    with monkeypatch.context() as patched:
        patched.setattr(keylock.fcntl, "flock", released_meanwhile)
        assert other.acquire(KEY)
    assert not FileLocks(tmp_path).acquire(KEY)
    other.close()


def test_no_files_are_left_by_locks_of_keys(tmp_path):
    locks = FileLocks(tmp_path)
    locks.acquire(KEY)
    locks.release(KEY)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_hold_locks_grants_them(tmp_path):
    (tmp_path / "file").write_text("")
    locks = open_key_locks(tmp_path / "file")
    assert isinstance(locks, NoLocks)
    assert locks.acquire(KEY)
    assert locks.acquire(KEY)
    locks.release(KEY)
    locks.close()
