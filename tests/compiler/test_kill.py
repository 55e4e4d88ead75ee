"""What users may rely on: a killed compile goes on where it was, within its budget, and ends with the same file."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from burnish.testing import Faults, ScriptedServer

CHILD = Path(__file__).with_name("compile_child.py")
MODULE_CHILD = Path(__file__).with_name("compile_module_child.py")
CALLS = 900


class World:
    """A counting server that answers about reviews, the rows as a file, and children that compile them."""

    def __init__(self, folder, reviews, respond, child=CHILD):
        self.folder = folder
        self.child = child
        self.rows = folder / "reviews.jsonl"
        self.rows.write_text("".join(json.dumps(row) + "\n" for row in reviews(100)))
        self.respond = respond

    def server(self, **faults):
        return ScriptedServer(self.respond, faults=Faults(**faults))

    def start(self, server, name, cache, concurrency=8, calls=CALLS):
        command = [sys.executable, str(self.child), str(self.rows), server.base_url]
        command += [str(self.folder / f"run-{name}"), str(self.folder / f"{name}.json"), str(calls), str(concurrency)]
        environment = {**os.environ, "BURNISH_CACHE_DIR": str(self.folder / f"cache-{cache}")}
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, cwd=self.folder)

    def finish(self, *arguments, **options):
        child = self.start(*arguments, **options)
        _, error = child.communicate(timeout=200)
        assert child.returncode == 0, error.decode()

    def kill(self, server, name, after):
        """Starts a compile and kills it when the server has seen that many requests of it, if it is not done before."""
        wanted = server.requests + after
        child = self.start(server, name, name)
        watcher = threading.Event()
        while server.requests < wanted and child.poll() is None:
            watcher.wait(0.002)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stderr.close()

    def executions(self, name):
        return len((self.folder / f"{name}.json.executions").read_text().splitlines())

    def sha256(self, name):
        return hashlib.sha256((self.folder / f"{name}.json").read_bytes()).hexdigest()


@pytest.fixture
def world(tmp_path, reviews, review_replies):
    respond = review_replies(lambda prompt: 0.5 + 0.4 * (int(hashlib.sha256(prompt[:80].encode()).hexdigest(), 16) % 2))
    return World(tmp_path, reviews, respond)


def replies_with_doubts(review_replies):
    """Doubts, labels that are better with demonstrations, and a judge who knows the labels."""
    classify = review_replies(lambda prompt: 0.9 if prompt.count("Review number") > 2 else 0.5)
    known = review_replies(lambda prompt: 1.0)

    def respond(messages, body):
        asked = str(messages[-1]["content"])
        if body["model"] == "judge":
            return "yes" if f"Is {known(messages, body)} right" in asked else "no"
        if "`[[ ## doubt ## ]]`" in asked:
            return f"[[ ## doubt ## ]]\nnone in {len(asked)} letters\n\n[[ ## completed ## ]]"
        return classify(messages, body)

    return respond


@pytest.mark.slow
def test_a_compile_killed_ten_times_resumes_to_the_same_file_within_its_budget(world):
    with world.server() as server:
        world.finish(server, "whole", "whole")
        alone = server.billable
    draw = random.Random(7)
    with world.server(latency=0.002) as server:
        for _ in range(10):
            world.kill(server, "killed", draw.randint(1, alone // 8))
        world.finish(server, "killed", "killed")
        counts = server.counts()
    assert world.sha256("killed") == world.sha256("whole")
    assert counts["distinct"] == alone
    assert counts["billable"] <= CALLS
    assert counts["billable"] - counts["distinct"] <= 10 * 8, "no more than the calls in flight are paid for again"


@pytest.mark.slow
def test_a_killed_compile_of_a_module_with_a_judge_resumes_and_executes_nothing_again_but_what_was_in_flight(
    tmp_path, reviews, review_replies
):
    world = World(tmp_path, reviews, replies_with_doubts(review_replies), MODULE_CHILD)
    with world.server() as server:
        world.finish(server, "whole", "whole")
        alone = server.billable
    draw = random.Random(11)
    with world.server(latency=0.002) as server:
        for _ in range(3):
            world.kill(server, "killed", draw.randint(alone // 8, alone // 4))
        world.finish(server, "killed", "killed")
        counts = server.counts()
    assert world.sha256("killed") == world.sha256("whole")
    assert counts["distinct"] == alone
    assert counts["billable"] <= CALLS
    assert counts["billable"] - counts["distinct"] <= 3 * 8
    assert world.executions("killed") - world.executions("whole") <= 3 * 8


@pytest.mark.slow
def test_the_file_is_the_same_with_a_warm_cache_no_cache_any_concurrency_and_429s(world):
    with world.server() as server:
        world.finish(server, "first", "first")
        paid = server.billable
        world.finish(server, "warm", "first")
        assert server.billable == paid, "a warm cache pays for nothing"
        world.finish(server, "one", "one", concurrency=1)
        world.finish(server, "many", "many", concurrency=64)
    with world.server(refuse=0.05, retry_after=0) as server:
        world.finish(server, "refused", "refused")
        assert server.billable == paid
        assert server.requests > paid
    assert len({world.sha256(name) for name in ("first", "warm", "one", "many", "refused")}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("concurrency", [1, 8, 64])
def test_a_counting_server_sees_no_call_beyond_the_budget(world, concurrency):
    for calls in (1, 7, 50, 300, 2000):
        with world.server() as server:
            world.finish(server, f"{calls}", f"{calls}", concurrency=concurrency, calls=calls)
            assert server.billable <= calls
