"""Every way to a model gives the same replies, and the same meaning to what goes wrong."""

from __future__ import annotations

import asyncio
import json
import warnings

import pytest

from burnish.compiler.lm import LM, Client, ContentRefused, ContextOverflow, ReplyCache, as_lm
from burnish.compiler.lm.failures import MaybeBilled, Permanent, Unbilled
from burnish.compiler.lm.wire import failure_of, reply_of, retry_after
from burnish.signatures.errors import LMError
from burnish.testing import Faults, ScriptedServer, ScriptedStatus

WAYS = ["aiohttp", "openai", "async openai", "dspy", "dspy over litellm"]


def reach(way: str, base_url: str, timeout: float = 20.0) -> LM:
    """An LM for the server, reached in one of the ways there are."""
    if way == "aiohttp":
        return LM("model", base_url=base_url, api_key="key", timeout=timeout)
    if way in ("openai", "async openai"):
        import openai

        kind = openai.OpenAI if way == "openai" else openai.AsyncOpenAI
        return LM("model", client=kind(base_url=base_url, api_key="key", max_retries=5), timeout=timeout)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import dspy

        engine = "litellm" if "litellm" in way else "lm15"
        return as_lm(dspy.LM("openai/model", api_base=base_url, api_key="key", engine=engine, timeout=timeout))


@pytest.fixture(autouse=True)
def _no_price_download(monkeypatch):
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")


async def one(lm: LM, request):
    transport = lm.connection.open()
    try:
        return await transport.attempt(request)
    finally:
        await transport.close()


def attempt(lm: LM, **overrides):
    return asyncio.run(one(lm, lm.chat([{"role": "user", "content": "say it"}], **overrides)))


def echo(messages, body):
    return messages[-1]["content"].upper()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.filterwarnings("ignore")
def test_a_reply_comes_whole_with_usage_and_how_it_finished(way):
    with ScriptedServer(echo) as server:
        lm = reach(way, server.base_url)
        reply = attempt(lm, temperature=0.5, seed=3)
        assert (reply.text, reply.finish_reasons) == ("SAY IT", ["stop"])
        assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (2, 2)
        cut = attempt(lm, max_tokens=1)
        assert (cut.text, cut.finish_reasons) == ("SAY", ["length"])
        sent = server.bodies[0]
        assert (sent["model"], sent["temperature"], sent["seed"]) == ("model", 0.5, 3)
        assert server.requests == server.billable == 2


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("status", "error", "failure"),
    [
        (429, {"message": "slow down"}, Unbilled),
        (503, {"message": "Loading model"}, Unbilled),
        (500, {"message": "boom"}, MaybeBilled),
        (401, {"message": "wrong key"}, Permanent),
        (404, {"message": "no such model"}, Permanent),
        (
            400,
            {"message": "too long", "type": "exceed_context_size_error", "code": "context_length_exceeded"},
            ContextOverflow,
        ),
        (400, {"message": "content_filter: refused", "code": "content_filter"}, ContentRefused),
    ],
)
def test_a_status_means_the_same_whatever_the_way_and_costs_one_request(way, status, error, failure):
    def respond(messages, body):
        raise ScriptedStatus(status, {"error": error}, {"Retry-After": "7"})

    with ScriptedServer(respond) as server:
        with pytest.raises(failure) as raised:
            attempt(reach(way, server.base_url))
        assert type(raised.value) is failure
        assert server.requests == 1
        if failure is Unbilled and "litellm" not in way:
            assert raised.value.retry_after == 7


@pytest.mark.parametrize("way", ["aiohttp", "openai", "async openai", "dspy"])
@pytest.mark.filterwarnings("ignore")
def test_a_dropped_connection_or_a_broken_body_may_have_been_billed(way):
    for faults in (Faults(reset=1), Faults(garbage=1)):
        with ScriptedServer(echo, faults=faults) as server:
            with pytest.raises((MaybeBilled, Permanent)) as raised:
                attempt(reach(way, server.base_url))
            assert type(raised.value) is MaybeBilled
            assert server.requests == 1


@pytest.mark.parametrize("way", ["aiohttp", "openai", "async openai", "dspy"])
@pytest.mark.filterwarnings("ignore")
def test_a_server_that_hangs_is_left_after_the_timeout_and_may_have_billed(way):
    with ScriptedServer(echo, faults=Faults(hang=1)) as server:
        with pytest.raises(MaybeBilled) as raised:
            attempt(reach(way, server.base_url, timeout=0.3))
        assert raised.value.timed_out
        assert server.requests == 1


@pytest.mark.parametrize("way", ["aiohttp", "openai", "async openai", "dspy"])
@pytest.mark.filterwarnings("ignore")
def test_a_server_that_is_not_there_has_billed_nothing(way):
    with ScriptedServer(echo) as server:
        gone = server.base_url
    with pytest.raises(Unbilled):
        attempt(reach(way, gone))


@pytest.mark.parametrize("way", ["aiohttp", "openai", "async openai"])
def test_a_model_that_wants_the_limit_under_its_other_name_gets_it_within_the_attempt(way):
    def respond(messages, body):
        if "max_tokens" in body:
            words = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
            raise ScriptedStatus(400, {"error": {"message": words}})
        return "ok"

    async def twice(lm):
        transport = lm.connection.open()
        replies = [await transport.attempt(lm.chat([{"role": "user", "content": text}])) for text in "ab"]
        await transport.close()
        return replies

    with ScriptedServer(respond) as server:
        assert [reply.text for reply in asyncio.run(twice(reach(way, server.base_url)))] == ["ok", "ok"]
        assert server.requests == 3  # learnt once
        assert server.bodies[0]["max_completion_tokens"] == 1000


@pytest.mark.parametrize("way", ["aiohttp", "openai", "async openai"])
def test_several_choices_completions_and_embeddings_go_every_way(way):
    with ScriptedServer(lambda messages, body: ["a", "b"] if body.get("n") else "text") as server:
        lm = reach(way, server.base_url)
        assert attempt(lm, n=2).texts == ["a", "b"]
        assert asyncio.run(one(lm, lm.completion("once"))).text == "text"
        assert len(asyncio.run(one(lm, lm.embedding(["x", "y"]))).embeddings) == 2
        assert server.billable == 3


@pytest.mark.filterwarnings("ignore")
def test_a_dspy_lm_is_copied_and_its_parameters_and_limits_are_ours():
    import dspy

    original = dspy.LM(
        "openai/gpt-4o-mini", temperature=0.4, max_tokens=9, api_key="sk-secret", cache=True, num_retries=3
    )
    lm = as_lm(original)
    assert (original.cache, original.num_retries) == (True, 3)
    assert lm.params == {"temperature": 0.4, "max_tokens": 9}
    assert lm.endpoint == "dspy:openai"
    assert lm.price == LM("gpt-4o-mini").price
    assert "sk-secret" not in repr([lm.identity(), lm.endpoint, lm.chat([]).body_json])


@pytest.mark.filterwarnings("ignore")
def test_dspy_lms_that_differ_in_what_no_request_shows_do_not_share_replies():
    import dspy

    plain, other = dspy.LM("openai/m"), dspy.LM("openai/m", extra_body={"mode": "other"})
    assert as_lm(plain).endpoint != as_lm(other).endpoint
    assert as_lm(other).endpoint == as_lm(dspy.LM("openai/m", extra_body={"mode": "other"}, api_key="k")).endpoint


@pytest.mark.filterwarnings("ignore")
def test_a_dspy_lm_that_retries_inside_is_refused():
    import dspy

    class Engine:
        max_retries = 2

        def complete(self, request):
            raise AssertionError

    for refused in (dspy.LM("openai/m", max_retries=2), dspy.LM("openai/m", engine=Engine())):
        with pytest.raises(LMError, match="retries inside its engine"):
            as_lm(refused)


@pytest.mark.filterwarnings("ignore")
def test_a_dspy_lm_that_would_send_n_requests_for_one_call_is_not_asked_to():
    with ScriptedServer(echo) as server:
        with pytest.raises(LMError, match=r"burnish\.LM"):
            attempt(reach("dspy", server.base_url), n=2)
        assert server.requests == 0


def test_our_retries_go_on_where_those_of_the_sdk_are_off(tmp_path):
    with ScriptedServer(echo, faults=Faults(refuse=0.3, reset=0.1, garbage=0.1, retry_after=0)) as server:
        lm = reach("aiohttp", server.base_url)
        jobs = [(lm, lm.chat([{"role": "user", "content": str(number)}])) for number in range(40)]

        async def no_sleep(seconds: float) -> None:
            await asyncio.sleep(0)

        with Client(ReplyCache(tmp_path), sleep=no_sleep) as client:
            assert [reply.text for reply in client.send_many(jobs)] == [str(number) for number in range(40)]
        assert client.stats.sent == server.requests
        assert client.stats.paid + client.stats.maybe == server.billable


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "not json",
        '{"choices": []}',
        '{"choices": [{"message": {"content": "x"}, "finish_reason": null}]}',
        '{"choices": [{"message": {"content": 3}, "finish_reason": "stop"}]}',
        '{"choices": [null]}',
        "[" * 100_000,
    ],
)
def test_a_body_that_is_not_a_whole_reply_may_have_been_billed_and_is_never_kept(body):
    request = LM("m", base_url="http://h/v1").chat([])
    with pytest.raises(MaybeBilled):
        reply_of(request, body.encode())


def test_a_reply_cut_by_a_content_filter_is_a_whole_reply():
    request = LM("m", base_url="http://h/v1").chat([])
    body = {"choices": [{"message": {"content": None}, "finish_reason": "content_filter"}]}
    assert reply_of(request, json.dumps(body).encode()).text == ""


def test_what_a_server_asks_to_wait_is_understood_in_every_spelling():
    assert retry_after({"Retry-After": "3"}) == 3
    assert retry_after({"retry-after-ms": "1500", "Retry-After": "9"}) == 1.5
    assert retry_after({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert retry_after({"Retry-After": "soon"}) is None
    assert retry_after({"Retry-After": "-1"}) is None
    assert retry_after({}) is None


def test_no_credit_left_is_not_a_reason_to_wait():
    body = json.dumps({"error": {"code": "insufficient_quota", "message": "You exceeded your current quota"}}).encode()
    assert type(failure_of(429, body, {})) is Permanent


def test_a_redirect_names_the_address_to_use():
    assert "http://elsewhere/v1" in str(failure_of(308, b"", {"Location": "http://elsewhere/v1"}))


def test_the_proxy_of_the_environment_is_used_for_other_hosts(monkeypatch):
    from burnish.compiler.lm.aiohttp_transport import AiohttpTransport

    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "localhost")
    assert AiohttpTransport("https://h/v1", {}, 1.0)._proxy == "http://proxy:3128"
    assert AiohttpTransport("https://localhost/v1", {}, 1.0)._proxy is None
