"""The log holds no inputs and no keys unless asked, whoever writes: libraries, warnings, threads, a model's engine."""

from __future__ import annotations

import json
import logging
import os
import socketserver
import subprocess
import sys
import threading
from http.client import IncompleteRead, RemoteDisconnected
from pathlib import Path

import pytest

import burnish
from burnish.compiler.lm.failures import MaybeBilled
from burnish.compiler.serve.problems import said

TALKATIVE = """
import logging, sys, threading, warnings
from burnish.compiler.serve.logs import log_as_json

log_as_json(with_inputs={with_inputs})
foreign = logging.getLogger("LiteLLM")
foreign.addHandler(logging.StreamHandler())  # as such libraries do, also after the server has begun
foreign.setLevel(logging.DEBUG)
foreign.debug("POST %s", "private-1")
try:
    raise ValueError("private-2")
except ValueError:
    foreign.exception("failed: private-3")
    logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    logging.getLogger("burnish").warning("our own words", exc_info=True)
warnings.warn("private-4")

def fail():
    raise KeyError("private-5")

thread = threading.Thread(target=fail)
thread.start()
thread.join()

class Lost:
    def __del__(self):
        raise KeyError("private-6")

Lost()
"""


MADE_BY_HAND = """
import logging
from burnish.compiler.serve.logs import log_as_json

log_as_json(with_inputs={with_inputs})
foreign = logging.getLogger("LiteLLM")
foreign.addHandler(logging.StreamHandler())
made = {{"name": "LiteLLM", "msg": "private-1", "levelno": 40, "levelname": "ERROR", "exc_text": "private-2"}}
foreign.handle(logging.makeLogRecord(made))
logging.getLogger().handlers[0].handle(logging.makeLogRecord(made))  # as a QueueListener does
logging.getLogger("burnish").handle(logging.makeLogRecord({{**made, "name": "burnish", "msg": "our own words"}}))
logging.getLogger().handlers[0].handle(logging.makeLogRecord({{}}))
for raised in (True, 1):
    foreign.handle(logging.makeLogRecord({{**made, "exc_info": raised}}))
"""
BEFORE = """
import logging
from burnish.compiler.serve.logs import log_as_json

for name in ("dspy", "library"):
    early = logging.getLogger(name)
    early.addHandler(logging.StreamHandler())
    early.propagate = False
log_as_json(with_inputs={with_inputs})
logging.getLogger("dspy.primitives").warning("private-1")
logging.getLogger("library").warning("private-2")
"""
EXTRAS = """
import logging
from burnish.compiler.serve.logs import log_as_json

log_as_json(with_inputs={with_inputs})
try:
    raise ValueError("private-1")
except ValueError:
    logging.getLogger("mine").exception("private-2", extra={{"raised": "private-3"}})
logging.getLogger("mine").error("private-4", extra={{"raised": ["private-5"]}})
"""


def told(with_inputs, code=TALKATIVE):
    environment = {**os.environ, "PYTHONPATH": str(Path(burnish.__file__).parents[1])}
    command = [sys.executable, "-c", code.format(with_inputs=with_inputs)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stderr


def test_words_of_others_are_kept_out_whatever_handlers_they_have_and_what_happened_is_not():
    lines = told(with_inputs=False).splitlines()
    assert "private" not in str(lines)
    said = [json.loads(line) for line in lines if line.startswith("{")]
    assert [line["logger"] for line in said] == ["LiteLLM"] * 2 + ["uvicorn.error", "burnish"] + ["burnish.serve"] * 3
    assert said[1]["error"] == "ValueError"
    assert "<module>" in said[1]["raised_at"][0]
    assert said[2]["message"] == "Exception in ASGI application"
    assert said[3]["message"] == "our own words"
    assert "UserWarning" in said[4]["message"]
    assert [line["error"] for line in said[5:]] == ["KeyError"] * 2


def test_records_that_others_make_by_hand_are_logged_without_their_words():
    lines = told(False, MADE_BY_HAND).splitlines()
    assert "private" not in str(lines)
    said = [json.loads(line) for line in lines if line.startswith("{")]
    assert [line["logger"] for line in said] == ["LiteLLM", "LiteLLM", "burnish", None, "LiteLLM", "LiteLLM"]
    assert said[2]["message"] == "our own words"


def test_records_that_others_make_by_hand_are_logged_with_their_words_when_asked():
    lines = told(True, MADE_BY_HAND).splitlines()
    assert not [line for line in lines if "TypeError" in line]
    said = [json.loads(line) for line in lines if line.startswith("{")]
    assert [line["message"] for line in said[-2:]] == ["private-1"] * 2


@pytest.mark.parametrize("with_inputs", [True, False])
def test_loggers_that_wrote_lines_of_their_own_before_the_server_began_write_json(with_inputs):
    lines = [json.loads(line) for line in told(with_inputs, BEFORE).splitlines()]
    assert [line["logger"] for line in lines] == ["dspy.primitives", "library"]
    assert ("private" in str(lines)) is with_inputs


@pytest.mark.parametrize("with_inputs", [True, False])
def test_any_name_may_be_used_for_the_extras_of_a_record(with_inputs):
    lines = [json.loads(line) for line in told(with_inputs, EXTRAS).splitlines()]
    assert [line["logger"] for line in lines] == ["mine", "mine"]
    assert ("private" in str(lines)) is with_inputs


def test_words_of_others_are_logged_when_asked():
    text = told(with_inputs=True)
    assert [f"private-{n}" in text for n in range(1, 7)] == [True] * 6


def test_what_an_engine_of_dspy_says_stays_out_of_the_log_of_a_request(client, compiled_program, caplog, monkeypatch):
    dspy = pytest.importorskip("dspy")
    monkeypatch.setattr("burnish.compiler.runtime.answering.WAITS", (0.0, 0.0))

    class Failing(dspy.LM):
        def forward(self, prompt=None, messages=None, **kwargs):
            raise dspy.LMTransportError(f"sk-private, while sending {messages}")

    caplog.set_level(logging.INFO)
    served = client(compiled_program(format="plain"), Failing("openai/small"))
    response = served.post("/run", json={"review": "private words"})
    assert (response.status_code, response.json()["error"]["kind"]) == (503, "model_unreachable")
    (line,) = [record.burnish for record in caplog.records if record.name == "burnish.serve"]
    assert line["error"] == "LMError: its words are logged with --log-inputs only, as they may repeat inputs"
    assert "private" not in response.text + str(line)


def test_what_a_models_server_says_in_place_of_http_stays_out_of_the_log(client, compiled_program, caplog, monkeypatch):
    class Talking(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(65536)
            self.request.sendall(b"private words\r\n\r\n")

    monkeypatch.setattr("burnish.compiler.runtime.answering.WAITS", (0.0, 0.0))
    caplog.set_level(logging.INFO)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Talking) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            lm = burnish.LM("small", base_url=f"http://127.0.0.1:{server.server_address[1]}/v1")
            response = client(compiled_program(format="plain"), lm).post("/run", json={"review": "Fine."})
        finally:
            server.shutdown()
            serving.join()
    assert response.json()["error"]["kind"] == "model_unreachable"
    (line,) = [record.burnish for record in caplog.records if record.name == "burnish.serve"]
    assert line["error"].startswith("LMError: ")
    assert "private" not in response.text + str(line)


@pytest.mark.parametrize("cause", [RemoteDisconnected("gone"), IncompleteRead(b"private")])
def test_that_a_models_server_hung_up_is_logged_with_its_address(cause):
    try:
        raise MaybeBilled(f"The connection to http://models:8000/v1 broke: {cause}.") from cause
    except MaybeBilled as failure:
        text = said(failure, with_inputs=False)
    assert "http://models:8000/v1" in text
    assert "private" not in text


def test_what_our_own_connections_say_is_logged_and_what_others_made_of_it_is_not():
    def failed(cause):
        try:
            raise MaybeBilled("The connection to http://models:8000/v1 broke.") from cause
        except MaybeBilled as failure:
            return burnish.LMError(f"small: {failure}"), failure

    error, error.__cause__ = failed(ConnectionResetError("reset"))
    assert "http://models:8000/v1" in said(error, with_inputs=False)
    foreign = type("APIError", (Exception,), {"__module__": "litellm.exceptions"})("private")
    error, error.__cause__ = failed(foreign)
    assert "models:8000" not in said(error, with_inputs=False)
    assert "models:8000" in said(error, with_inputs=True)
