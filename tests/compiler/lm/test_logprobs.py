"""Log-probabilities of a given text come from servers that can tell them; others say what to use instead."""

from __future__ import annotations

import pytest

from burnish.compiler.lm import LM, Client, ReplyCache
from burnish.compiler.lm.failures import ContentRefused, ContextOverflow
from burnish.compiler.lm.logprobs import continuation_logprobs, text_logprobs
from burnish.signatures.errors import CacheError, LMError, NoLogprobs
from burnish.testing import ScriptedLM, ScriptedServer, ScriptedStatus

QUESTION = [{"role": "user", "content": "best film?"}]


@pytest.fixture
def client(tmp_path):
    with Client(ReplyCache(tmp_path / "cache")) as opened:
        yield opened


def llama(body: dict) -> dict:
    """What a llama.cpp server says to a completion whose grammar leaves one way to go on."""
    tokens = [
        int(token) for token in body["grammar"].removeprefix("root ::= ").replace("<[", "").replace("]>", "").split()
    ]
    rows = [{"id": token, "logprob": -token / 100} for token in tokens]
    return {"choices": [{"text": "x", "finish_reason": "length", "logprobs": {"content": rows}}]}


class Llama(ScriptedServer):
    """A server with llama.cpp's helpers: a token is a byte."""

    helped = 0

    async def help(self, path, body):
        self.helped += 1
        if path == "/tokenize":
            text = body["content"].encode()
            return {"tokens": list(text.replace(b"<end>", b"\0") if body.get("parse_special", True) else text)}
        if path == "/apply-template":
            return {"prompt": "<user>" + body["messages"][0]["content"]}
        return None


def test_llama_cpp_is_made_to_decode_exactly_the_text(client):
    with Llama(lambda messages, body: llama(body)) as server:
        lm = LM("m", base_url=server.base_url)
        assert continuation_logprobs(client, lm, "ab", "AB") == [-0.65, -0.66]
        assert server.bodies[-1]["prompt"] == list(b"ab")
        assert server.bodies[-1]["max_tokens"] == 2
        continuation_logprobs(client, lm, QUESTION, "AB")
        assert bytes(server.bodies[-1]["prompt"]) == b"<user>best film?"
        assert continuation_logprobs(client, lm, "ab", "") == []


class MarkedLlama(Llama):
    """One whose model begins every text with a mark."""

    async def help(self, path, body):
        answer = await super().help(path, body)
        return {"tokens": [1, *answer["tokens"]]} if body.get("add_special") else answer


def test_a_whole_text_is_decoded_after_the_mark_of_its_start_or_else_after_its_first_token(client):
    for kind, first in ((Llama, b"A"), (MarkedLlama, bytes([1]))):
        with kind(lambda messages, body: llama(body)) as server:
            lm = LM("m", base_url=server.base_url)
            whole = [-0.65, -0.66, -0.67]
            assert text_logprobs(client, lm, "ABC") == (whole[1:] if kind is Llama else whole)
            assert bytes(server.bodies[-1]["prompt"]) == first
            assert text_logprobs(client, lm, "") == []


def test_a_text_that_spells_a_special_token_is_decoded_letter_by_letter(client):
    with Llama(lambda messages, body: llama(body)) as server:
        assert len(continuation_logprobs(client, LM("m", base_url=server.base_url), "ab", "A<end>")) == 6
        assert len(text_logprobs(client, LM("m", base_url=server.base_url), "A<end>")) == 5


def test_a_text_that_the_context_cuts_off_is_too_long_and_no_sign_of_a_server_that_cannot(client):
    def cut(messages, body):
        whole = llama(body)
        del whole["choices"][0]["logprobs"]["content"][1:]
        return whole

    with Llama(cut) as server, pytest.raises(ContextOverflow, match="1 of"):
        continuation_logprobs(client, LM("m", base_url=server.base_url), "ab", "AB")


def test_what_an_lm_does_to_replies_by_default_does_not_cut_a_given_text(client):
    with Llama(lambda messages, body: llama(body)) as server:
        lm = LM("m", base_url=server.base_url, stop=["A"], n=3, max_completion_tokens=1, top_p=0.5)
        assert continuation_logprobs(client, lm, "ab", "AB") == [-0.65, -0.66]
        assert {"stop", "n", "max_completion_tokens"}.isdisjoint(server.bodies[-1])


def test_asking_again_costs_nothing_and_needs_no_server(client, tmp_path):
    with Llama(lambda messages, body: llama(body)) as server:
        lm = LM("m", base_url=server.base_url)
        first = continuation_logprobs(client, lm, QUESTION, "AB")
    with Client(ReplyCache(tmp_path / "cache"), offline=True) as offline:
        assert continuation_logprobs(offline, lm, QUESTION, "AB") == first
    assert server.billable == 1


def test_a_server_that_echoes_the_prompt_is_asked_that_way(client):
    def respond(messages, body):
        assert body["echo"]
        given = {"token_logprobs": [None, -1.0, -2.0, -3.0], "text_offset": [0, 2, 4, 6]}
        return {"choices": [{"text": body["prompt"] + "!", "finish_reason": "length", "logprobs": given}]}

    with ScriptedServer(respond) as server:
        lm = LM("m", base_url=server.base_url)
        assert continuation_logprobs(client, lm, "ab", "cdef") == [-1.0, -2.0]
        with pytest.raises(LMError, match="execution accuracy"):
            continuation_logprobs(client, lm, QUESTION, "cdef")


def refusing(status, **error):
    def respond(messages, body):
        raise ScriptedStatus(status, {"error": {"message": "no such thing", **error}})

    return ScriptedServer(respond)


@pytest.mark.parametrize("status", [400, 404, 405, 422])
def test_a_server_without_such_completions_tells_nothing_and_offline_the_same(client, tmp_path, status):
    with refusing(status) as server, Client(ReplyCache(tmp_path / "cache"), offline=True) as offline:
        lm = LM("m", base_url=server.base_url)
        for opened in (client, offline):
            with pytest.raises(NoLogprobs, match="execution accuracy"):
                text_logprobs(opened, lm, "a text")
            with pytest.raises(NoLogprobs):
                continuation_logprobs(opened, lm, "a text", "goes on")
        with pytest.raises(CacheError):
            text_logprobs(offline, lm, "never asked for")


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (401, "key", LMError),
        (403, "key", LMError),
        (400, "context_length_exceeded", ContextOverflow),
        (400, "content_filter", ContentRefused),
    ],
)
def test_other_refusals_of_an_echo_stay_what_they_are(client, status, code, expected):
    with refusing(status, code=code) as server, pytest.raises(expected) as raised:
        text_logprobs(client, LM("m", base_url=server.base_url), "a text")
    assert not isinstance(raised.value, NoLogprobs)


def test_an_empty_text_is_not_asked_for(client):
    with ScriptedServer(lambda messages, body: "x") as server:
        assert text_logprobs(client, LM("m", base_url=server.base_url), "") == []
        assert server.billable == 0


def test_the_first_token_of_an_echoed_text_has_no_probability(client):
    given = {"token_logprobs": [None, -1.0, -9.0], "text_offset": [0, 2, 4]}
    reply = {"choices": [{"text": "abcd!", "finish_reason": "length", "logprobs": given}]}
    with ScriptedServer(lambda messages, body: reply) as server:
        assert text_logprobs(client, LM("m", base_url=server.base_url), "abcd") == [-1.0]


def test_a_scripted_lm_without_the_hook_is_one_that_tells_nothing(client):
    with pytest.raises(NoLogprobs, match="samples"):
        continuation_logprobs(client, ScriptedLM([]), "ab", "cd")


def test_a_server_that_ignores_what_it_was_asked_is_not_believed(client):
    def generated_only(messages, body):
        given = {"token_logprobs": [-1.0], "text_offset": [6]}
        return {"choices": [{"text": "!", "finish_reason": "length", "logprobs": given}]}

    for respond in (generated_only, lambda messages, body: "plain text"):
        with ScriptedServer(respond) as server, pytest.raises(LMError, match="execution accuracy"):
            continuation_logprobs(client, LM("m", base_url=server.base_url), "ab", "cdef")


def test_a_scripted_lm_tells_what_its_hook_says_metered_and_cached_as_any_request(client):
    lm = ScriptedLM([], log_probability=lambda prompt, text: [-float(len(prompt)), -float(len(text))])
    assert continuation_logprobs(client, lm, "abc", "de") == [-3.0, -2.0]
    assert continuation_logprobs(client, lm, "abc", "de") == [-3.0, -2.0]
    assert continuation_logprobs(client, lm, QUESTION, "de") == [-10.0, -2.0]
    assert len(lm.calls) == 2
    assert client.stats.paid == 2
