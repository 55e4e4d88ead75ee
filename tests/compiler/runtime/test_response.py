"""A model's server that sends without end, or drop by drop, is left in time and named."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from burnish.compiler.lm import LM
from burnish.compiler.lm.failures import MaybeBilled, Unbilled
from burnish.compiler.runtime.http_sender import HTTPSender
from burnish.compiler.runtime.response import MAX_HEAD

REPLY = b'{"choices": [{"message": {"content": "positive"}, "finish_reason": "stop"}]}'
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def talker():
    """A server that says what a test writes: `talker(pieces)` gives its base URL. Its connection ends with the test."""
    ended = threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))
    threads = []

    def start(pieces, wait=0.0):
        def serve():
            with contextlib.suppress(OSError):
                link, _ = listening.accept()
                with link:
                    link.recv(65536)
                    for piece in pieces():
                        link.sendall(piece)
                        if ended.wait(wait):
                            return
                    ended.wait(60)

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return f"http://127.0.0.1:{listening.getsockname()[1]}/v1"

    yield start
    ended.set()
    listening.close()
    for thread in threads:
        thread.join()


def ask(base_url, seconds=30.0):
    lm = LM("small", base_url=base_url)
    return HTTPSender(lm.connection).attempt(lm.chat([{"role": "user", "content": "x"}]), seconds)


def headers():
    yield OK
    while True:
        yield b"X-Some: " + b"y" * 50_000 + b"\r\n"


def interim():
    while True:
        yield b"HTTP/1.1 100 Continue\r\nX: " + b"y" * 1000 + b"\r\n\r\n"


@pytest.mark.parametrize("pieces", [headers, interim], ids=["headers", "interim responses"])
def test_headers_without_end_are_an_error_that_names_them(talker, pieces):
    base_url = talker(pieces)
    with pytest.raises(MaybeBilled) as raised:
        ask(base_url)
    assert f"its headers have more than {MAX_HEAD} bytes" in str(raised.value)
    assert base_url in str(raised.value)
    assert not raised.value.timed_out


def test_a_reply_under_many_headers_that_stay_within_the_bound_is_read(talker):
    def pieces():
        yield OK + b"".join(b"X-%d: " % n + b"y" * 1000 + b"\r\n" for n in range(60))
        yield b"Content-Length: %d\r\n\r\n" % len(REPLY)
        yield REPLY

    assert ask(talker(pieces)).text == "positive"


def dripping_head():
    yield OK
    while True:
        yield b"X: y\r\n"


def dripping_body():
    yield OK + b"Content-Length: 100000\r\n\r\n"
    while True:
        yield b" "


def dripping_trailers():
    yield OK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(REPLY) + REPLY + b"\r\n0\r\n"
    while True:
        yield b"X: y\r\n"


@pytest.mark.parametrize("pieces", [dripping_head, dripping_body, dripping_trailers])
def test_a_reply_that_comes_drop_by_drop_does_not_outlast_its_time(talker, pieces):
    with pytest.raises(MaybeBilled, match=r"no reply within 0\.5 seconds") as raised:
        ask(talker(pieces, wait=0.1), seconds=0.5)
    assert raised.value.timed_out


def test_a_proxy_that_sends_headers_without_end_is_an_error_too(talker, monkeypatch):
    monkeypatch.setenv("https_proxy", talker(headers).removesuffix("/v1"))
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(Unbilled, match=rf"models\.invalid/v1 cannot be reached: its headers have more than {MAX_HEAD}"):
        ask("https://models.invalid/v1")
