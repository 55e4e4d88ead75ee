"""The model that the file names: how its server is reached, and what each of its answers means."""

from __future__ import annotations

import http.server
import json
import threading

import pytest

import burnish
from burnish import FrozenError, LMError, ReplyError
from burnish.testing import ScriptedLM


class Stub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        server.seen.append((self.path, dict(self.headers), body))
        server.peers.add(self.client_address)
        status, headers, content = server.answers.pop(0) if server.answers else (200, {}, reply("positive"))
        if status is None:
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Tests print nothing."""


def reply(text):
    return json.dumps({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}).encode()


@pytest.fixture
def stub(monkeypatch):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    server.seen, server.answers, server.peers = [], [], set()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{server.server_address[1]}/v1")
    monkeypatch.setattr("burnish.compiler.runtime.answering.WAITS", (0.0, 0.0))
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_model_of_the_file_is_reached_as_the_environment_says(stub, compiled_program, saved, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    compiled = compiled_program(format="plain")
    assert burnish.load(saved(compiled))(review="Größe").label == "positive"
    path, headers, body = stub.seen[0]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer sk-test"
    messages = compiled.to_messages(review="Größe")
    assert body == {"model": "small", "messages": messages, "temperature": 0, "max_tokens": 100}


def test_calls_share_a_connection(stub, compiled_program, saved):
    classify = burnish.load(saved(compiled_program(format="plain")))
    for _ in range(5):
        classify(review="x")
    assert len(stub.peers) == 1


def test_a_connection_that_the_server_closed_is_replaced(stub, compiled_program, saved):
    stub.answers = [(200, {"Connection": "close"}, reply("positive")), (None, {}, b""), (200, {}, reply("negative"))]
    classify = burnish.load(saved(compiled_program(format="plain")))
    assert [classify(review="x").label for _ in range(2)] == ["positive", "negative"]


@pytest.mark.parametrize("status", [429, 500, 503, 408])
def test_a_busy_or_failing_server_is_asked_twice_more(status, stub, compiled_program, saved):
    stub.answers = [(status, {"Retry-After": "0"}, b"busy"), (status, {}, b"busy"), (200, {}, reply("negative"))]
    assert burnish.load(saved(compiled_program(format="plain")))(review="x").label == "negative"
    assert len({json.dumps(body) for _, _, body in stub.seen}) == 1
    stub.answers = [(status, {}, b"busy")] * 3
    with pytest.raises(LMError, match=f"HTTP {status}: .*busy.* That was attempt 3"):
        burnish.load(saved(compiled_program(format="plain")))(review="x")


def test_a_server_that_asks_for_a_long_wait_is_not_waited_for(stub, compiled_program, saved):
    stub.answers = [(429, {"Retry-After": "60"}, b"later")]
    with pytest.raises(LMError, match="asks to wait 60 seconds"):
        burnish.load(saved(compiled_program(format="plain")))(review="x")
    assert len(stub.seen) == 1


@pytest.mark.parametrize(
    ("status", "content", "error", "message"),
    [
        (401, b"bad key", LMError, "check OPENAI_API_KEY"),
        (404, b"no model", LMError, "check the model's name and base_url"),
        (400, b'{"error": {"code": "context_length_exceeded"}}', ReplyError, "does not fit the model's context"),
        (400, b'{"error": {"code": "content_filter"}}', ReplyError, "content filter refused"),
        (400, b"temperature?", LMError, "HTTP 400: 'temperature"),
    ],
)
def test_what_trying_again_cannot_mend_is_said_at_once(status, content, error, message, stub, compiled_program, saved):
    stub.answers = [(status, {}, content)]
    with pytest.raises(error, match=message):
        burnish.load(saved(compiled_program(format="plain")))(review="x")
    assert len(stub.seen) == 1


@pytest.mark.parametrize("content", [b"<html>", b"[]", b"{}", b'{"choices": []}', b'{"choices": [{}]}', b"\xff"])
def test_a_broken_reply_is_never_an_answer(content, stub, compiled_program, saved):
    stub.answers = [(200, {}, content)] * 2 + [(200, {}, reply("negative"))]
    assert burnish.load(saved(compiled_program(format="plain")))(review="x").label == "negative"


def test_a_proxy_that_the_environment_names_is_used(stub, compiled_program, saved, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://user:pass%21@127.0.0.1:{stub.server_address[1]}")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://models.invalid/v1")
    assert burnish.load(saved(compiled_program(format="plain")))(review="x").label == "positive"
    path, headers, _ = stub.seen[0]
    assert path == "http://models.invalid/v1/chat/completions"
    assert headers["Proxy-Authorization"] == "Basic dXNlcjpwYXNzIQ=="
    assert headers["Host"] == "models.invalid"


def test_a_model_that_calls_its_limit_otherwise_is_asked_its_way(stub, compiled_program, saved):
    refusal = b'{"error": {"message": "Use max_completion_tokens instead of max_tokens."}}'
    stub.answers = [(400, {}, refusal)]
    classify = burnish.load(saved(compiled_program(format="plain")))
    assert [classify(review="x").label for _ in range(2)] == ["positive"] * 2
    limits = [[name for name in body if name.startswith("max_")] for _, _, body in stub.seen]
    assert limits == [["max_tokens"], ["max_completion_tokens"], ["max_completion_tokens"]]


def test_a_server_that_is_not_there_is_named(compiled_program, saved, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setattr("burnish.compiler.runtime.answering.WAITS", (0.0, 0.0))
    with pytest.raises(LMError, match=r"small: http://127\.0\.0\.1:9/v1 cannot be reached"):
        burnish.load(saved(compiled_program()))(review="x")


def test_another_model_file_of_the_same_name_is_not_taken_for_the_compiled_one(compiled_program, saved, monkeypatch):
    served = ScriptedLM(["positive"], model="local/small")
    monkeypatch.setattr(served.script, "identity", lambda: {"local": {"sha256": "22"}})
    monkeypatch.setattr("burnish.compiler.runtime.answering.LM", lambda *_, **options: served)
    lm = {"model": "local/small", "local": {"sha256": "11"}}
    with pytest.raises(FrozenError, match="with the sha256 11, and the one here has 22"):
        burnish.load(saved(compiled_program(lm=lm)))(review="x")
    assert served.calls == []


def test_loading_and_rendering_need_no_key_and_calling_says_that_one_is_missing(compiled_program, saved):
    classify = burnish.load(saved(compiled_program()))
    assert classify.to_messages(review="x")
    with pytest.raises(LMError, match="Set OPENAI_API_KEY"):
        classify(review="x")


def test_an_openai_client_can_answer(stub, compiled_program, saved):
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(api_key="sk-client", base_url=f"http://127.0.0.1:{stub.server_address[1]}/v1")
    assert burnish.load(saved(compiled_program(format="plain")), lm=client)(review="x").label == "positive"
    assert stub.seen[0][1]["Authorization"] == "Bearer sk-client"
    assert stub.seen[0][2]["model"] == "small"
    client.close()


def test_what_is_no_language_model_is_refused_when_loading(compiled_program, saved):
    with pytest.raises(LMError, match="42 is not a language model"):
        burnish.load(saved(compiled_program()), lm=42)
