"""The client sends each request once, counts it once, and keeps what was paid for."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from burnish.compiler.budget import Budget, Ledger
from burnish.compiler.lm import Client, ReplyCache
from burnish.compiler.lm.failures import MaybeBilled, Unbilled
from burnish.signatures.errors import BudgetError
from burnish.testing import ScriptedLM

from .client_world import Meter, ask, failing, gated

# order, and one call for one request


def test_replies_come_in_the_order_of_the_jobs_whatever_order_they_arrive_in(client):
    async def slow_first(messages, body):
        for _ in range(20 - int(messages[-1]["content"])):
            await asyncio.sleep(0)
        return messages[-1]["content"]

    lm = ScriptedLM(slow_first)
    jobs = [ask(lm, str(number)) for number in range(20)]
    client.send_many(jobs[::3])  # some are cached already
    assert [reply.text for reply in client.send_many(jobs)] == [str(number) for number in range(20)]
    assert len(lm.calls) == 20


def test_thirty_two_threads_that_ask_one_thing_at_once_pay_for_one_call(client, meter):
    lm, opened = gated(32)
    with ThreadPoolExecutor(32) as threads:
        asked = [threads.submit(client.send, *ask(lm)) for _ in range(32)]
        while not lm.calls:
            threading.Event().wait(0.001)
        opened.set()
        assert {future.result().text for future in asked} == {"one"}
    assert len(lm.calls) == 1
    assert [paid for _, paid in meter.charges].count(True) == 1


def test_thirty_two_tasks_that_ask_one_thing_at_once_pay_for_one_call(client):
    lm, opened = gated(32)

    async def all_of_them():
        asked = [asyncio.ensure_future(client.asend(*ask(lm))) for _ in range(32)]
        await asyncio.sleep(0)
        opened.set()
        return await asyncio.gather(*asked)

    assert {reply.text for reply in asyncio.run(all_of_them())} == {"one"}
    assert len(lm.calls) == 1


def test_equal_requests_of_one_batch_are_one_call_and_other_samples_are_others(client):
    lm = ScriptedLM(lambda messages, body: str(body.get("seed")))
    replies = client.send_many([ask(lm), ask(lm), ask(lm, index=1), ask(lm, index=1), ask(lm, index=2)])
    assert len(lm.calls) == 3
    assert replies[0].text == replies[1].text == "None"
    assert replies[2].text == replies[3].text != replies[4].text


# counting


def test_a_reply_is_durable_before_it_is_charged(tmp_path):
    class Looking(Meter):
        def charge(self, key, spend, *, paid):
            super().charge(key, spend, paid=paid)
            assert ReplyCache(tmp_path).has(key)

    meter = Looking()
    with Client(ReplyCache(tmp_path), meter) as client:
        client.send_many([ask(ScriptedLM({"": "ok"}), str(number)) for number in range(5)])
    assert [paid for _, paid in meter.charges] == [True] * 5


def test_a_reply_of_the_cache_is_charged_as_unpaid_and_begins_no_attempt(client, meter):
    lm = ScriptedLM({"": "ok"})
    client.send(*ask(lm))
    client.send(*ask(lm))
    assert client.cached(*ask(lm)).text == "ok"
    assert client.cached(*ask(lm, "other")) is None
    assert [paid for _, paid in meter.charges] == [True, False, False]
    assert meter.attempts == ["begin", "reply"]
    assert (client.stats.paid, client.stats.hits) == (1, 2)


def test_each_attempt_is_begun_and_ended_as_what_it_was(client, meter):
    lm = failing(Unbilled("busy", status=429), MaybeBilled("broken"), Unbilled("busy", status=503))
    assert client.send(*ask(lm)).text == "ok"
    assert meter.attempts == ["begin", "unbilled", "begin", "maybe", "begin", "unbilled", "begin", "reply"]
    assert (client.stats.sent, client.stats.refused, client.stats.maybe, client.stats.retries) == (4, 2, 1, 3)


def test_the_ledger_of_a_budget_is_a_meter(tmp_path):
    ledger = Ledger(Budget(calls=100))
    lm = ScriptedLM({"": "ok"})
    with Client(ReplyCache(tmp_path), ledger) as client:
        jobs = [ask(lm, str(number % 4)) for number in range(12)]
        ledger.admit("search", [lm.bound(request) for _, request in jobs])
        client.send_many(jobs)
        ledger.settle("search")
    assert ledger.spent().calls == 4
    assert ledger.paid.calls == 4


def test_when_the_share_for_faults_is_used_up_the_run_stops_with_what_it_paid_for_kept(tmp_path, naps):
    ledger = Ledger(Budget(calls=20))  # two of them may go wrong
    lm = ScriptedLM({"good": "ok", "bad": MaybeBilled("broken")})
    cache = ReplyCache(tmp_path)
    with Client(cache, ledger, sleep=naps) as client:
        client.send(*ask(lm, "good"))
        with pytest.raises(BudgetError, match="set aside"):
            client.send(*ask(lm, "bad"))
    assert cache.has(ask(lm, "good")[1].key)
    assert ledger.faults.calls == 3
