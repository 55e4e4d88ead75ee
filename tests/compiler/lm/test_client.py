"""The client sends each request once, counts it once, retries within limits, and keeps what was paid for."""

from __future__ import annotations

import asyncio
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from burnish.compiler.budget import Budget, Ledger
from burnish.compiler.lm import LM, Client, ContentRefused, ContextOverflow, ReplyCache
from burnish.compiler.lm.failures import MaybeBilled, Permanent, Unbilled
from burnish.signatures.errors import BudgetError, CacheError, LMError, RunError
from burnish.testing import ScriptedLM


def ask(lm: LM, text: str = "hello", index: int = 0):
    return lm, lm.chat([{"role": "user", "content": text}], index=index)


class Naps:
    """Stands for the clock: remembers how long it was asked to sleep, and does not."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


class Meter:
    """Counts what it is told."""

    def __init__(self, limit: int = 1_000_000) -> None:
        self.charges: list[tuple[str, bool]] = []
        self.attempts: list[str] = []
        self.in_flight = self.most = 0
        self.limit = limit

    def charge(self, key, spend, *, paid):
        self.charges.append((key, paid))

    def begin(self, key, bound):
        self.attempts.append("begin")
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)

    def end(self, key, how, bound):
        self.attempts.append(how)
        self.in_flight -= 1

    def flight_limit(self, bound):
        return self.limit


@pytest.fixture
def naps():
    return Naps()


@pytest.fixture
def meter():
    return Meter()


@pytest.fixture
def client(tmp_path, naps, meter):
    cache = ReplyCache(tmp_path / "cache")
    with Client(cache, meter, sleep=naps, random_source=random.Random(0)) as opened:
        yield opened


def failing(*failures: BaseException, then: str = "ok") -> ScriptedLM:
    """Fails with each of these in turn, then answers."""
    left = list(failures)
    return ScriptedLM(lambda messages, body: left.pop(0) if left else then)


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


def gated(parties: int):
    """An LM whose first reply waits until `open()`; so that others can ask the same meanwhile."""
    opened = threading.Event()

    async def respond(messages, body):
        while not opened.is_set():
            await asyncio.sleep(0)
        return "one"

    return ScriptedLM(respond), opened


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


# retries


def test_retries_keep_every_parameter(client):
    lm = failing(MaybeBilled("broken"), Unbilled("busy", status=429))
    request = lm.chat([{"role": "user", "content": "x"}], temperature=0.3, top_p=0.5, stop=["a"], seed=7, index=2)
    client.send(lm, request)
    assert lm.calls == [request.wire] * 3


def test_waits_grow_with_jitter_up_to_a_cap(client, naps):
    lm = failing(*[Unbilled("busy", status=429)] * 12)
    client.send(*ask(lm))
    caps = [min(20.0, 0.5 * 2**n) for n in range(12)]
    assert all(0 <= nap <= cap for nap, cap in zip(naps.seconds, caps, strict=True))
    assert len(set(naps.seconds)) == 12
    assert max(naps.seconds) > 5


def test_the_wait_a_server_asks_for_is_honoured_up_to_a_minute(client, naps):
    client.send(*ask(failing(Unbilled("busy", 42.0, 429))))
    assert naps.seconds[0] >= 42
    with pytest.raises(LMError, match=r"wait 61 seconds.*run again later"):
        client.send(*ask(failing(Unbilled("busy", 61.0, 429)), "other"))


def test_attempts_that_may_have_been_billed_are_made_eight_times_at_most(client, meter):
    lm = ScriptedLM({"": MaybeBilled("broken")})
    with pytest.raises(LMError, match="attempt 8"):
        client.send(*ask(lm))
    assert len(lm.calls) == 8
    assert meter.attempts.count("maybe") == 8


def test_a_server_that_is_not_there_is_tried_eight_times(client):
    lm = ScriptedLM({"": Unbilled("refused")})
    with pytest.raises(LMError, match="base_url="):
        client.send(*ask(lm))
    assert len(lm.calls) == 8


def test_a_busy_server_is_waited_for_five_minutes_in_all(client, naps):
    lm = ScriptedLM({"": Unbilled("Loading model", status=503)})
    with pytest.raises(LMError, match="refused work"):
        client.send(*ask(lm))
    assert 300 <= sum(naps.seconds) < 320
    assert len(lm.calls) > 20


@pytest.mark.parametrize(
    ("status", "remedy"), [(401, "OPENAI_API_KEY"), (404, "base_url="), (400, "no such parameter")]
)
def test_an_error_that_trying_again_cannot_mend_surfaces_at_once_with_what_to_do(client, meter, status, remedy):
    lm = ScriptedLM({"": Permanent("no such parameter", status=status)})
    with pytest.raises(LMError, match=remedy):
        client.send(*ask(lm))
    assert len(lm.calls) == 1
    assert meter.attempts == ["begin", "unbilled"]


def test_a_refused_or_too_long_request_fails_alone(client):
    lm = ScriptedLM({"long": ContextOverflow("too long"), "bad": ContentRefused("refused"), "": "ok"})
    long, good, bad = client.send_many([ask(lm, "long"), ask(lm, "good"), ask(lm, "bad")])
    assert isinstance(long, ContextOverflow)
    assert good.text == "ok"
    assert isinstance(bad, ContentRefused)
    with pytest.raises(ContextOverflow):
        client.send(*ask(lm, "long"))


# stopping


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


# pace


def test_never_more_are_in_flight_than_the_user_the_lm_and_the_meter_allow(tmp_path):
    async def respond(messages, body):
        for _ in range(5):
            await asyncio.sleep(0)
        return "ok"

    for concurrency, of_lm, of_meter, most in ((3, None, 99, 3), (64, 2, 99, 2), (64, None, 5, 5), (1, None, 99, 1)):
        meter = Meter(of_meter)
        lm = ScriptedLM(respond, max_concurrency=of_lm, model=f"m{concurrency}{of_lm}{of_meter}")
        with Client(ReplyCache(tmp_path), meter, concurrency=concurrency) as client:
            client.send_many([ask(lm, str(number)) for number in range(60)])
        assert meter.most == most


def test_of_two_lms_at_one_server_the_one_that_allows_less_decides(tmp_path):
    async def respond(messages, body):
        for _ in range(5):
            await asyncio.sleep(0)
        return "ok"

    wide = ScriptedLM(respond)
    narrow = LM("scripted", client=wide.connection, max_concurrency=2)
    meter = Meter(99)
    with Client(ReplyCache(tmp_path), meter) as client:
        client.send_many([ask(wide, f"alone {number}") for number in range(30)])
        assert meter.most > 2
        meter.most = 0
        client.send(*ask(narrow, "first"))
        client.send_many([ask((wide, narrow)[number % 2], str(number)) for number in range(60)])
    assert meter.most == 2


def test_a_server_that_keeps_up_gets_more_at_once_and_one_that_does_not_gets_less(tmp_path, naps):
    busy_above = 1000

    in_flight = most = 0

    async def respond(messages, body):
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        try:
            for _ in range(3):
                await asyncio.sleep(0)
            return Unbilled("busy", status=429) if in_flight > busy_above else "ok"
        finally:
            in_flight -= 1

    events: list[str] = []
    lm = ScriptedLM(respond)
    with Client(ReplyCache(tmp_path), sleep=naps, on_event=lambda name, detail: events.append(name)) as client:
        client.send_many([ask(lm, f"easy {number}") for number in range(300)])
        assert most == 64
        assert not events
        busy_above, most = 10, 0
        client.send_many([ask(lm, f"hard {number}") for number in range(300)])
        refused = client.stats.refused
        assert "slower" in events
        most = 0
        client.send_many([ask(lm, f"steady {number}") for number in range(100)])
        assert most < 25
        assert client.stats.refused - refused < 60


def test_refusals_of_one_window_halve_the_pace_once():
    from burnish.compiler.lm.pace import Lane

    lane = Lane(64)
    lane.limit = 40.0
    started = lane.cuts
    assert [lane.pushed_back(started) for _ in range(40)].count(True) == 1
    assert lane.limit == 20
    for _ in range(10):
        lane.pushed_back(lane.cuts)
    assert lane.limit == 1
