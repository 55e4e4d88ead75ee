"""What an LM sends, what it costs, and what it is known by."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.compiler.lm import LM, Client, Price, Reply, ReplyCache, as_lm, price_of
from burnish.compiler.lm.endpoints import normalized
from burnish.signatures.errors import LMError
from burnish.teleprompters.base import Spend
from burnish.testing import ScriptedLM, ScriptedServer

HELLO = [{"role": "user", "content": "hello"}]


def test_temperature_and_the_longest_reply_are_always_sent():
    assert LM("m", base_url="http://h/v1").chat(HELLO).body == {
        "model": "m",
        "messages": HELLO,
        "temperature": 0,
        "max_tokens": 1000,
    }


def test_parameters_of_a_request_win_over_those_of_the_lm_and_none_leaves_one_out():
    lm = LM("m", base_url="http://h/v1", temperature=0.7, top_p=0.5, extra_body={"min_p": 0.1})
    body = lm.chat(HELLO, temperature=None, top_p=0.9, max_completion_tokens=5).body
    assert body == {"model": "m", "messages": HELLO, "top_p": 0.9, "min_p": 0.1, "max_completion_tokens": 5}


def test_zero_and_zero_point_zero_are_one_request():
    lm = LM("m", base_url="http://h/v1")
    assert lm.chat(HELLO, temperature=0).key == lm.chat(HELLO, temperature=0.0).key


def test_two_servers_with_one_model_name_never_share_replies():
    assert LM("m", base_url="http://a/v1").chat(HELLO).key != LM("m", base_url="http://b/v1").chat(HELLO).key


def test_spellings_of_one_address_are_one_server():
    same = ["http://Host:80/v1", "http://host/v1/", "host/v1", "http://user:password@host/v1?key=1"]
    assert {normalized(url) for url in same} == {"http://host/v1"}
    assert normalized("https://host:8443/v1") == "https://host:8443/v1"


def test_samples_differ_on_the_wire_by_a_seed_that_depends_on_the_index_alone():
    request = LM("m", base_url="http://h/v1", seed=3).chat(HELLO)
    assert request.wire["seed"] == 3
    seeds = [request.at(index).wire["seed"] for index in (1, 2, 1)]
    assert seeds[0] == seeds[2] != seeds[1]
    assert len({request.key, request.at(1).key, request.at(2).key}) == 3


def test_the_key_of_the_user_is_nowhere_in_what_is_kept(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    for lm in (LM("gpt-4o-mini"), LM("gpt-4o-mini", api_key="sk-argument")):
        request = lm.chat(HELLO)
        kept = repr([lm, lm.connection, lm.endpoint, lm.identity(), request.body_json, request.endpoint])
        assert "sk-" not in kept


def test_the_environment_names_server_key_organization_and_project(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://there:8000/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    monkeypatch.setenv("OPENAI_ORG_ID", "organization")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project")
    connection = LM("m").connection
    assert connection.endpoint == "http://there:8000/v1"
    headers = connection.headers()
    assert headers["Authorization"] == "Bearer key"
    assert headers["OpenAI-Organization"] == "organization"
    assert headers["OpenAI-Project"] == "project"


def test_openai_without_a_key_says_what_to_do_before_anything_is_sent(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    lm = LM("gpt-4o-mini")
    with Client(ReplyCache(tmp_path)) as client, pytest.raises(LMError, match=r"OPENAI_API_KEY.*Nothing was sent"):
        client.send(lm, lm.chat(HELLO))
    assert client.stats.sent == 0


def test_a_provider_before_the_name_is_dropped_for_openai_kept_elsewhere_and_refused_when_it_is_another():
    assert LM("openai/gpt-4o-mini").model == "gpt-4o-mini"
    assert LM("openai/gpt-oss-20b", base_url="http://h/v1").model == "openai/gpt-oss-20b"
    with pytest.raises(LMError, match="base_url="):
        LM("anthropic/claude")


def test_the_price_of_openai_models_is_known_and_that_of_others_is_what_the_user_says():
    assert LM("gpt-4o-mini").price == price_of("gpt-4o-mini") == Price(0.15, 0.6)
    assert not LM("gpt-4o-mini", base_url="http://h/v1").has_price
    assert LM("m", base_url="http://h/v1", price=Price(1, 2)).price == Price(1, 2)
    assert price_of("no such model") is None
    with pytest.raises(LMError, match="dollars"):
        Price(-1, 0)


def test_reading_a_price_imports_and_downloads_nothing():
    code = "import sys; from burnish.compiler.lm import price_of; price_of('gpt-4o'); print('litellm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_building_requests_imports_nothing_heavy():
    heavy = ["dspy", "openai", "aiohttp", "diskcache", "numpy", "pydantic", "asyncio"]
    code = (
        "import sys; from burnish.compiler.lm import LM; LM('m', base_url='http://h/v1').chat([]).key;"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_schema_becomes_a_strict_response_format():
    schema = {"type": "object", "properties": {"label": {"type": "string"}}}
    shape = LM("m", base_url="http://h/v1").chat(HELLO, schema=schema).body["response_format"]
    assert shape == {"type": "json_schema", "json_schema": {"name": "reply", "strict": True, "schema": schema}}


@settings(deadline=None, max_examples=100)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=4), st.integers(1, 50), st.integers(1, 4))
def test_no_reply_ever_costs_more_than_its_bound(texts, longest, n):
    # One token for each UTF-8 byte of prompt, and replies as long as they may be: the worst that a server can count.
    lm = ScriptedLM(
        lambda messages, body: ["x" * 200] * n,
        price=Price(3, 5),
        tokens=lambda text: len(text.encode("utf-8", "surrogatepass")),
        max_tokens=longest,
    )
    request = lm.chat([{"role": "user", "content": text} for text in texts], n=n)
    reply = asyncio.run(lm.script.attempt(request))
    spent, bound = lm.spend(request, reply), lm.bound(request)
    assert spent.calls == bound.calls == 1
    assert spent.tokens <= bound.tokens
    assert spent.usd <= bound.usd


def test_a_reply_without_usage_is_charged_at_its_bound():
    lm = LM("m", base_url="http://h/v1", price=Price(1, 1))
    request = lm.chat(HELLO, max_tokens=10)
    reply = Reply(json.dumps({"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}))
    assert lm.spend(request, reply) == lm.bound(request)
    assert lm.bound(request).tokens == len("hello") + 16 + 64 + 10


def test_an_embedding_batch_is_one_call_without_completion_tokens():
    lm = ScriptedLM([], embed=lambda text: [float(len(text))])
    request = lm.embedding(["a b", "c"])
    assert lm.bound(request) == Spend(1, 3 + 16 + 1 + 16, 0.0)
    assert "temperature" not in request.body


def test_anything_that_is_no_lm_is_refused_with_what_would_be():
    with pytest.raises(LMError, match=r"dspy\.LM"):
        as_lm(3)
    with pytest.raises(LMError, match=r"openai\.OpenAI"):
        LM("m", client=object())
    with pytest.raises(LMError, match="not both"):
        LM("m", base_url="http://h/v1", client=object())
    with pytest.raises(LMError, match="not an http"):
        LM("m", base_url="ftp://h")


def test_headers_keys_and_contents_are_no_sampling_parameters():
    for name in ("extra_headers", "api_base", "stream", "messages"):
        with pytest.raises(LMError, match=f"{name}.*is not a sampling parameter"):
            LM("m", base_url="http://h/v1", **{name: "x"})
    with pytest.raises(LMError, match="is not a sampling parameter"):
        LM("m", base_url="http://h/v1").chat(HELLO, stream=True)


def test_an_lm_called_with_a_text_answers_with_a_text_from_the_users_cache():
    with ScriptedServer(lambda messages, body: messages[-1]["content"].upper()) as server:
        lm = LM("m", base_url=server.base_url)
        assert lm("hello") == lm("hello") == "HELLO"
        assert server.billable == 1


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("max_token", "max_tokens"),
        ("maxtokens", "max_tokens"),
        ("max-tokens", "max_tokens"),
        ("temprature", "temperature"),
        ("topp", "top_p"),
        ("stops", "stop"),
        ("base_uri", "base_url"),
        ("apikey", "api_key"),
        ("max_concurency", "max_concurrency"),
    ],
)
def test_a_misspelt_parameter_is_refused_with_the_nearest_name(misspelt, meant):
    with pytest.raises(LMError, match=f"{misspelt}=.*Write {meant}=;.*extra_body"):
        LM("m", **{misspelt: 5})


@pytest.mark.parametrize(
    "name",
    [
        *("min_tokens", "stop_token_ids", "ignore_eos", "guided_choice", "guided_regex", "skip_special_tokens"),
        *("structured_outputs", "prompt_logprobs", "allowed_token_ids", "length_penalty", "use_beam_search"),
        *(
            "best_of",
            "chat_template_kwargs",
            "include_stop_str_in_output",
            "bad_words",
            "priority",
            "truncate_prompt_tokens",
        ),
        *("n_predict", "mirostat", "mirostat_tau", "typical_p", "repeat_penalty", "repeat_last_n", "cache_prompt"),
        *("grammar", "json_schema", "n_probs", "dry_multiplier", "xtc_threshold", "top_n_sigma", "dynatemp_range"),
        *("options", "keep_alive", "num_ctx", "format", "think", "provider", "models", "route", "top_a", "reasoning"),
        *("service_tier", "store", "metadata", "user", "verbosity", "prediction", "tools", "tool_choice", "dimensions"),
        *("random_seed", "safe_prompt", "max_new_tokens", "max_output_tokens", "echo", "suffix", "modalities", "audio"),
        *("parallel_tool_calls", "thinking", "enable_thinking", "prompt_cache_key", "safety_identifier", "truncate"),
    ],
)
def test_parameters_that_only_some_servers_know_are_let_through(name):
    assert LM("m", base_url="http://h/v1", **{name: 5}).chat(HELLO).body[name] == 5
