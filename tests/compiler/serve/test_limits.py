"""Under pressure: how much is read, how many run, and what a flood, a slow sender or a crooked body gets."""

from __future__ import annotations

import asyncio
import json
import threading
import time

import pytest

import burnish
from burnish.compiler.lm import LM
from burnish.compiler.lm.request import Reply
from burnish.compiler.lm.threads import ThreadedTransport
from burnish.compiler.runtime.threads import OWN
from burnish.compiler.serve.bodies import Bodies
from burnish.compiler.serve.metrics import TALLY
from burnish.compiler.serve.problems import Problem

FINE = b'{"review": "Fine."}'
JSON = [(b"content-type", b"application/json")]


@pytest.fixture
def app(compiled_program, tmp_path):
    """The app of the sentiment program. answer: who answers."""

    def build(answer, **options):
        path = compiled_program(format="plain").save(tmp_path / "program.json")
        return burnish.asgi(burnish.load(path, lm=answer), **options)

    return build


async def post(app, receive=None, headers=JSON):
    """Status, headers and JSON of the answer to a POST /run whose body `receive` gives."""
    sent = []
    pieces = iter([{"type": "http.request", "body": FINE}])

    async def whole():
        message = next(pieces, None)
        if message is None:
            await asyncio.sleep(3600)  # the client stays
        return message

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/run", "headers": headers, "query_string": b"", "root_path": ""}
    await app(scope, receive or whole, send)
    return sent[0]["status"], dict(sent[0]["headers"]), json.loads(sent[1]["body"])


async def unread():
    raise AssertionError("the body was read")


class Occupied:
    """A function that answers when it is told to. inside: it was called."""

    def __init__(self):
        self.inside, self.go_on = threading.Event(), threading.Event()

    def __call__(self, messages, params):
        self.inside.set()
        assert self.go_on.wait(60)
        return "positive"


def test_a_full_server_refuses_without_reading_the_body_and_closes_the_connection_of_a_large_one(app):
    answer = Occupied()
    served = app(answer, concurrency=1)

    async def flood():
        first = asyncio.ensure_future(post(served))
        await asyncio.to_thread(answer.inside.wait, 60)
        large = await post(served, unread, [*JSON, (b"content-length", b"1000000")])
        small = await post(served, unread, [*JSON, (b"content-length", b"19")])
        answer.go_on.set()
        return large, small, await first

    large, small, first = asyncio.run(flood())
    assert (large[0], large[2]["error"]["kind"], large[1][b"retry-after"]) == (429, "busy", b"1")
    assert large[1][b"connection"] == b"close"
    assert small[0] == 429
    assert b"connection" not in small[1]  # what little comes is not worth another connection
    assert first[0] == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([*JSON, (b"content-length", b"1000000")], 401),
        ([*JSON, (b"authorization", b"Bearer t"), (b"content-length", b"2000000")], 413),
        ([(b"authorization", b"Bearer t"), (b"content-length", b"1000000")], 415),
        ([*JSON, (b"transfer-encoding", b"chunked")], 401),
    ],
)
def test_what_the_head_of_a_request_gives_away_is_answered_before_the_body_is_read(app, headers, status):
    told, given, _ = asyncio.run(post(app(Occupied(), token="t"), unread, headers))
    assert told == status
    assert given[b"connection"] == b"close"


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [(0, [200, 200]), (900, [200, 200]), (990, [429, 200])],
    ids=["nothing", "what leaves room", "what leaves none"],
)
def test_a_body_on_its_way_takes_no_place_but_what_has_come_of_it_takes_room_until_it_is_given_up(app, sent, statuses):
    served = app(lambda messages, params: "positive", concurrency=1, max_bytes=1000)

    async def both():
        stalled = asyncio.Event()
        pieces = iter([{"type": "http.request", "body": b" " * sent, "more_body": True}])

        async def slowly():
            if (message := next(pieces, None)) is None:
                stalled.set()
                await asyncio.sleep(3600)
            return message

        slow = asyncio.ensure_future(post(served, slowly))
        await stalled.wait()
        during, *_ = await post(served)
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
        after, *_ = await post(served)
        return [during, after]

    assert asyncio.run(both()) == statuses


def test_a_task_that_awaits_the_app_is_left_as_it_was(app):
    served = app(lambda messages, params: "positive")

    async def awaiting():
        before = OWN.get(), TALLY.get()
        status, *_ = await post(served)
        return status, before == (OWN.get(), TALLY.get())

    assert asyncio.run(awaiting()) == (200, True)


def test_bodies_on_their_way_hold_no_more_memory_together_than_there_is_room_for():
    bodies = Bodies(most=100, room=150)

    class Sending:
        def __init__(self, *pieces):
            self.pieces, self.at = list(pieces), asyncio.Event()

        async def receive(self):
            if self.pieces:
                return {"type": "http.request", "body": self.pieces.pop(0), "more_body": True}
            self.at.set()
            await asyncio.sleep(3600)

    async def three():
        first = Sending(b"x" * 100)
        reading = asyncio.ensure_future(bodies.read(first))
        await first.at.wait()
        with pytest.raises(Problem, match="busy"):
            await bodies.read(Sending(b"x" * 60))
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        assert bodies.held == 0

    asyncio.run(three())


class Blocking(ThreadedTransport):
    """A way to a model that blocks its thread: a dspy.LM, a synchronous client."""

    model, endpoint, price, max_concurrency = "small", "blocking", None, None

    def __init__(self, say):
        super().__init__()
        self._say = say

    def identity(self):
        return {}

    def open(self):
        return self

    def send(self, request):
        choice = {"index": 0, "message": {"content": self._say([], {})}, "finish_reason": "stop"}
        return Reply(json.dumps({"choices": [choice]}))


@pytest.mark.parametrize("kind", ["function", "blocking client"])
def test_as_many_runs_as_the_limit_allows_go_on_at_once_however_many_these_are(app, kind):
    runs = 100
    together = threading.Barrier(runs, timeout=120)

    def answer(messages, params):
        together.wait()
        return "positive"

    served = app(answer if kind == "function" else LM("small", client=Blocking(answer)), concurrency=runs)

    async def all_at_once():
        return await asyncio.gather(*(post(served) for _ in range(runs)))

    assert [status for status, *_ in asyncio.run(all_at_once())] == [200] * runs


def test_a_run_that_nothing_can_end_keeps_its_place_until_it_ends(client, compiled_program):
    answer = Occupied()
    served = client(compiled_program(format="plain"), answer, seconds=0.2, concurrency=1)
    assert served.post("/run", json={"review": "1"}).status_code == 504
    refused = served.post("/run", json={"review": "2"})
    assert (refused.status_code, refused.json()["error"]["kind"]) == (429, "busy")
    assert "burnish_requests_in_flight 1.0" in served.get("/metrics").text
    answer.go_on.set()
    deadline = time.monotonic() + 60
    while served.post("/run", json={"review": "3"}).status_code != 200:
        assert time.monotonic() < deadline
    assert "burnish_requests_in_flight 0.0" in served.get("/metrics").text


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"review": ' + b"[" * 100 + b"]" * 100 + b"}", "The body is nested deeper than 100 levels."),
        (b'{"review": "a", "review": "b"}', "The body has 'review' twice in one object."),
        (b'{"review": {"a": 1, "b": 2, "a": 3}}', "The body has 'a' twice in one object."),
        (b'{"\\ud83d": 1, "\\ud83d": 2}', "The body has '\\ud83d' twice in one object."),
        (b"\xef\xbb\xbf{}", "The body is not JSON (line 1, column 1: Expecting value)."),
    ],
)
def test_a_body_that_readers_may_take_in_different_ways_or_that_goes_too_deep_is_a_400(
    client, compiled_program, body, message
):
    served = client(compiled_program(format="plain"), lambda messages, params: "positive")
    told = served.post("/run", content=body, headers={"Content-Type": "application/json"})
    assert (told.status_code, told.json()["error"]["message"]) == (400, message)


def test_anything_that_is_not_too_deep_goes_all_the_way_to_the_model(app, tmp_path):
    from burnish.compiler.frozen.compiled import freeze
    from burnish.signatures.candidate import Candidate, Part
    from burnish.signatures.prompt import Prompt
    from burnish.signatures.schema import Field, Schema

    class Kind:
        kind, spec, module = "predictor", None, None

    schema = Schema((Field("tree", "{}", type_name="Any"),), (Field("label", '{"type":"string"}', type_name="str"),))
    part = Part(Prompt(schema, "Name it.", format="plain"))
    verdict = {"decision": "keep"}
    compiled = freeze(
        Kind(), Candidate.of({"self": part}), lm={"model": "small"}, verdict=verdict, evidence={}, provenance={}
    )
    loaded = burnish.load(compiled.save(tmp_path / "tree.json"), lm=lambda messages, params: "oak")
    pieces = iter([b'{"tree": ' + b"[" * 99 + b"]" * 99 + b"}"])

    async def receive():
        if (body := next(pieces, None)) is None:
            await asyncio.sleep(3600)
        return {"type": "http.request", "body": body}

    status, _, told = asyncio.run(post(burnish.asgi(loaded), receive))
    assert (status, told) == (200, {"label": "oak"})


def test_head_and_options_are_answered_as_they_should_be_and_no_other_page_may_read(client, compiled_program):
    served = client(compiled_program(format="plain"), lambda messages, params: "positive")
    for path in ("/healthz", "/readyz", "/metrics"):
        assert served.head(path).status_code == 200
    for answer in (served.head("/run"), served.options("/run")):
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    asking = {"Origin": "https://page.example", "Access-Control-Request-Method": "POST"}
    assert not [name for name in served.options("/run", headers=asking).headers if name.startswith("access-control")]
    assert list(served.get("/openapi.json").json()["paths"]["/healthz"]) == ["get"]
