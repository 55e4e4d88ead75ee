from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.skipif(shutil.which("sh") is None or shutil.which("awk") is None, reason="no sh and awk here")


def run(script, *arguments, **environment):
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return subprocess.run(
        ["sh", "-s", *arguments],
        input=script.encode(),
        env={**kept, **environment},
        capture_output=True,
        check=False,
    )


def body(program, **values):
    done = run(program.export("curl"), *(f"{name}={value}" for name, value in values.items()), DRY_RUN="1")
    assert (done.returncode, done.stderr) == (0, b"")
    return json.loads(done.stdout.decode())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.sampled_from(["chat", "xml", "json"]))
def test_the_script_asks_with_the_messages_of_a_call(awkward, texts, tags, data, form):
    program = awkward(data.draw(texts), data.draw(texts), (tags,), format=form)
    review, listed = data.draw(texts), data.draw(st.lists(texts, max_size=2))
    asked = body(program, review=review, tags=json.dumps(listed, ensure_ascii=False))
    assert asked["messages"] == program.to_messages(review=review, tags=listed)


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
@pytest.mark.parametrize("form", ["chat", "json"])
def test_curl_sends_exactly_what_a_call_of_the_file_sends(awkward, sent, tmp_path, form):
    program = awkward('Don\'t `cat` "$HOME".', format=form, params={"top_k": 3})
    expected = sent(program.save(tmp_path / "p.json"), review='It\'s\n"good" \\ $(id) 🦊\n')
    where = {"OPENAI_BASE_URL": sent.server.base_url, "OPENAI_API_KEY": "no-key"}
    done = run(program.export("curl"), 'review=It\'s\n"good" \\ $(id) 🦊\n', **where)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["choices"]
    assert sent.server.bodies.pop() == expected


@pytest.mark.parametrize("arguments", [(), ("review=x", "other=y"), ("x",)])
def test_missing_and_unknown_values_end_with_the_usage_and_no_request(awkward, arguments):
    done = run(awkward().export("curl"), *arguments, DRY_RUN="1")
    assert done.returncode == 2
    assert done.stderr == b"usage: sh SCRIPT review=VALUE\n"
    assert done.stdout == b""


def test_a_missing_key_is_said_and_nothing_is_sent(awkward, sent):
    done = run(awkward().export("curl"), "review=x", OPENAI_BASE_URL=sent.server.base_url)
    assert done.returncode != 0
    assert b"set OPENAI_API_KEY" in done.stderr
    assert sent.server.requests == 0


def test_a_value_may_be_empty_and_hold_an_equals_sign(awkward):
    program = awkward()
    for review in ("", "a=b=c"):
        assert body(program, review=review)["messages"] == program.to_messages(review=review)
