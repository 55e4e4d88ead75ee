"""A server whose answers a test writes byte by byte, and a file to ask it with."""

from __future__ import annotations

import http.server
import json
import threading

import pytest


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.bodies.append(body)
            self.server.peers.add(self.client_address)
            answer = self.server.answers.pop(0) if self.server.answers else self.server.default
        try:
            answer(self, body)
        except OSError:
            self.server.hung_up.set()
            self.close_connection = True

    def say(self, content, status=200, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def chunk(self, data):
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def begin_events(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def wait_for_hang_up(self):
        """Until the client is gone; then the test is told."""
        self.rfile.read(1)
        self.server.hung_up.set()
        self.close_connection = True

    def log_message(self, *_):
        """Tests print nothing."""


def whole(text, **more):
    """Answers with a whole reply."""
    choice = {"message": {"content": text}, "finish_reason": "stop"}
    content = json.dumps({"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 2}, **more}).encode()
    return lambda handler, body: handler.say(content)


def status(code, text="no"):
    return lambda handler, body: handler.say(text.encode(), code)


def event(text="", finish=None, **more):
    choices = [{"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}]
    return f"data: {json.dumps({'choices': choices, **more})}\n\n".encode()


USAGE = b'data: {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}\n\n'
DONE = b"data: [DONE]\n\n"


def events(*parts, ends=True):
    """Answers with a stream of these bytes, each in a chunk of its own. A callable among them is called in its turn."""

    def answer(handler, body):
        handler.begin_events()
        for part in parts:
            if callable(part):
                part()
            else:
                handler.chunk(part)
        if ends:
            handler.chunk(b"")
        else:
            handler.close_connection = True

    return answer


def streamed(*texts):
    return events(*(event(text) for text in texts), event(finish="stop"), USAGE, DONE)


@pytest.fixture
def server(monkeypatch):
    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128  # connections that come at once; more than it are reset

    built = Server(("127.0.0.1", 0), Handler)
    built.lock, built.bodies, built.peers, built.answers = threading.Lock(), [], set(), []
    built.default, built.hung_up = whole("positive"), threading.Event()
    built.url = f"http://127.0.0.1:{built.server_address[1]}/v1"
    thread = threading.Thread(target=built.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("OPENAI_BASE_URL", built.url)
    monkeypatch.setattr("burnish.compiler.runtime.answering.WAITS", (0.0, 0.0))
    yield built
    built.shutdown()
    thread.join()
    built.server_close()


@pytest.fixture
def saved(tmp_path):
    def save(compiled):
        return compiled.save(tmp_path / "program.json")

    return save


@pytest.fixture
def frozen(compiled_program, tmp_path):
    """The loaded sentiment program; options of `load` go in as `load={...}`, those of the program as they are."""
    import burnish

    def build(load=None, **options):
        path = compiled_program(**{"format": "plain", **options}).save(tmp_path / "program.json")
        return burnish.load(path, **(load or {}))

    return build


@pytest.fixture
def answers():
    """The ways a server may answer."""

    class Answers:
        pass

    for one in (whole, status, event, events, streamed):
        setattr(Answers, one.__name__, staticmethod(one))
    Answers.USAGE, Answers.DONE = USAGE, DONE
    return Answers
