"""How many requests are in flight at once."""

from __future__ import annotations

import asyncio

from burnish.compiler.lm import LM, Client, ReplyCache
from burnish.compiler.lm.failures import Unbilled
from burnish.testing import ScriptedLM

from .client_world import Meter, ask


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
