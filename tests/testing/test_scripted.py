"""A scripted LM behaves as a server does, and says exactly what the test says."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import urllib.request

import pytest

from burnish.compiler.lm import LM, Client, ReplyCache
from burnish.signatures.errors import LMError
from burnish.testing import Faults, ScriptedLM, ScriptedServer


def say(lm: ScriptedLM, text: str = "hello", **overrides):
    return asyncio.run(lm.script.attempt(lm.chat([{"role": "user", "content": text}], **overrides)))


def test_a_function_sees_messages_and_body():
    lm = ScriptedLM(lambda messages, body: f"{messages[-1]['content']} {body['temperature']}", temperature=0.5)
    assert say(lm).text == "hello 0.5"
    assert lm.calls[0]["model"] == "scripted"


def test_a_list_is_used_in_order_and_says_when_it_is_empty():
    lm = ScriptedLM(["one", "two"])
    assert [say(lm).text, say(lm).text] == ["one", "two"]
    with pytest.raises(LMError, match="one request more"):
        say(lm)


def test_a_table_is_searched_by_text_and_by_regular_expression_first_match_first():
    lm = ScriptedLM({"2 + 2": "four", re.compile(r"^hell."): "regex", "": "else"})
    assert [say(lm, text).text for text in ("what is 2 + 2?", "hello", "bye")] == ["four", "regex", "else"]
    with pytest.raises(LMError, match="no reply in its table"):
        say(ScriptedLM({"other": "x"}))


def test_n_choices_usage_and_the_limit_on_the_reply_are_those_of_a_server():
    lm = ScriptedLM(lambda messages, body: ["a b c", "d"] if body.get("n") else "one two three")
    assert say(lm, n=2).texts == ["a b c", "d"]
    cut = say(lm, max_tokens=2)
    assert (cut.text, cut.finish_reasons, cut.usage.completion_tokens) == ("one two", ["length"], 2)
    assert say(ScriptedLM({"": "same"}), n=3).texts == ["same"] * 3


def test_exceptions_are_raised_whether_returned_or_raised():
    with pytest.raises(ZeroDivisionError):
        say(ScriptedLM([ZeroDivisionError()]))
    with pytest.raises(ZeroDivisionError):
        say(ScriptedLM(lambda messages, body: 1 / 0))


def test_what_cannot_be_a_script_is_refused():
    with pytest.raises(LMError, match="a function of"):
        ScriptedLM("just a text")


def test_the_server_counts_what_it_has_generated_delivered_or_not(tmp_path):
    with ScriptedServer({"": "ok"}, faults=Faults(reset=1)) as server:
        lm = LM("m", base_url=server.base_url, timeout=5)

        async def no_sleep(seconds):
            await asyncio.sleep(0)

        with Client(ReplyCache(tmp_path), sleep=no_sleep) as client, pytest.raises(LMError, match="attempt 8"):
            client.send(lm, lm.chat([{"role": "user", "content": "x"}]))
        assert server.counts() == {"requests": 8, "billable": 8, "distinct": 1}


def test_the_server_runs_in_a_process_of_its_own_until_its_input_closes():
    command = [sys.executable, "-m", "burnish.testing.servers", "--reply", "from afar", "--refuse", "0"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    url = process.stdout.readline().strip()
    assert LM("m", base_url=url)("hello") == "from afar"
    with urllib.request.urlopen(f"{url}/counts") as answer:
        assert json.load(answer) == {"requests": 1, "billable": 1, "distinct": 1}
    process.stdin.close()
    assert process.wait(20) == 0
