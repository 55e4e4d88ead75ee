"""How a client stops, and what becomes of the requests in flight."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from burnish.compiler.lm import Client, ReplyCache
from burnish.compiler.lm.failures import Permanent
from burnish.signatures.errors import CacheError, LMError, RunError
from burnish.testing import ScriptedLM

from .client_world import ask, gated


def test_an_error_waits_for_what_is_in_flight_keeps_it_and_sends_nothing_more(tmp_path):
    failed = threading.Event()

    async def respond(messages, body):
        if messages[-1]["content"] == "0":
            failed.set()
            raise Permanent("no", status=401)
        while not failed.is_set():
            await asyncio.sleep(0)
        for _ in range(10):
            await asyncio.sleep(0)
        return "landed"

    lm = ScriptedLM(respond, max_concurrency=4)
    cache = ReplyCache(tmp_path)
    jobs = [ask(lm, str(number)) for number in range(20)]
    with Client(cache) as client:
        with pytest.raises(LMError, match="key was refused"):
            client.send_many(jobs)
        assert 1 < len(lm.calls) < 20
        assert sum(cache.has(request.key) for _, request in jobs) == len(lm.calls) - 1
        assert client.send(*ask(lm, "another batch")).text == "landed"


def test_a_stopped_client_lets_flights_land_and_sends_nothing_more(tmp_path, meter):
    lm, opened = gated(1)
    cache = ReplyCache(tmp_path)
    client = Client(cache, meter, concurrency=1)
    with ThreadPoolExecutor(2) as threads:
        batch = threads.submit(client.send_many, [ask(lm, "first"), ask(lm, "second")])
        while not lm.calls:
            threading.Event().wait(0.001)
        stopping = threads.submit(client.stop)
        while not client._stopped:
            threading.Event().wait(0.001)
        opened.set()
        stopping.result()
        with pytest.raises(RunError, match="nothing more is sent"):
            batch.result()
    with pytest.raises(RunError, match="Interrupted"):
        client.send(*ask(lm, "third"))
    client.close()
    assert len(lm.calls) == 1
    assert cache.has(ask(lm, "first")[1].key)
    assert meter.attempts == ["begin", "reply"]


def test_a_flight_that_does_not_land_in_time_counts_as_maybe_billed(tmp_path, meter):
    lm, _ = gated(1)
    client = Client(ReplyCache(tmp_path), meter)
    with ThreadPoolExecutor(1) as threads:
        batch = threads.submit(client.send, *ask(lm))
        while not lm.calls:
            threading.Event().wait(0.001)
        client.stop(grace=0)
        with pytest.raises(RunError):
            batch.result()
    client.close()
    assert meter.attempts == ["begin", "maybe"]


def test_a_client_can_be_closed_while_a_model_is_still_being_fetched(tmp_path):
    lm = ScriptedLM({"": "ok"})
    fetching, fetched = threading.Event(), threading.Event()

    def fetch():
        fetching.set()
        fetched.wait()
        return lm.script

    lm.script.open = fetch
    client = Client(ReplyCache(tmp_path))
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(client.send, *ask(lm))
        fetching.wait()
        client.close()
        with pytest.raises(RunError):
            asked.result()
    fetched.set()
    assert lm.calls == []


def test_a_model_that_could_not_be_opened_is_opened_anew_by_the_next_request(client):
    lm = ScriptedLM({"": "ok"})
    real, failures = lm.script.open, [LMError("no file")]

    def open_second_time():
        if failures:
            raise failures.pop()
        return real()

    lm.script.open = open_second_time
    with pytest.raises(LMError, match="no file"):
        client.send(*ask(lm))
    assert client.send(*ask(lm)).text == "ok"


def test_an_exception_of_the_scripted_model_itself_is_not_hidden(client, meter):
    lm = ScriptedLM({"": ZeroDivisionError("a bug")})
    with pytest.raises(ZeroDivisionError):
        client.send(*ask(lm))
    assert meter.attempts == ["begin", "maybe"]


def test_offline_the_cache_alone_answers_and_a_missing_request_is_named(tmp_path):
    lm = ScriptedLM({"": "ok"})
    with Client(ReplyCache(tmp_path)) as online:
        online.send(*ask(lm, "known"))
    with Client(ReplyCache(tmp_path), offline=True) as offline:
        assert offline.send(*ask(lm, "known")).text == "ok"
        with pytest.raises(CacheError, match=r"scripted.*'unknown.*Nothing was sent"):
            offline.send_many([ask(lm, "known"), ask(lm, "unknown " + "x" * 500)])
    assert len(lm.calls) == 1
