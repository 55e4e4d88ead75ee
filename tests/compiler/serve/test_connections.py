"""Connections as uvicorn alone would not end them: heads and trailers without end, and what does not come."""

from __future__ import annotations

import asyncio
import socket

import pytest

pytest.importorskip("uvicorn")

import uvicorn

from burnish.compiler.serve import protocol
from burnish.compiler.serve.protocol import MAX_HEAD, LimitedProtocol


async def answering(scope, receive, send):
    size = 0
    while True:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    told = f"{size} bytes".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(told))]})
    await send({"type": "http.response.body", "body": told})


async def refusing(scope, receive, send):
    """Answers before the body has come, as the guard does without a token."""
    await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"no"})


def talk(talking, app=answering):
    """Runs talking(reader, writer) against a server of LimitedProtocol."""

    async def run():
        config = uvicorn.Config(app, http=LimitedProtocol, ws="none", log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        listening = socket.create_server(("127.0.0.1", 0))
        serving = asyncio.ensure_future(server.serve(sockets=[listening]))
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        try:
            return await asyncio.wait_for(talking(reader, writer), 60)
        finally:
            writer.close()
            server.should_exit = True
            await serving

    return asyncio.run(run())


HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize("piece", [b"X: " + b"y" * 1000 + b"\r\n", b"y" * 1000], ids=["many headers", "a long one"])
def test_a_head_without_end_is_a_431_and_ends_the_connection(piece):
    async def talking(reader, writer):
        writer.write(HEAD + b"X: ")
        for _ in range(MAX_HEAD // 1000 + 2):
            writer.write(piece)
        return await reader.read()

    assert talk(talking).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("begun", [b"", HEAD], ids=["nothing", "half a head"])
def test_a_head_that_does_not_come_in_time_ends_the_connection(begun, monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.05)

    async def talking(reader, writer):
        writer.write(begun)
        return await reader.read()

    assert talk(talking) == b""


@pytest.mark.parametrize("more", [b"a", b"a" * 100 + b"POST"], ids=["a byte of it", "all of it and half a head"])
def test_what_is_left_of_a_body_that_was_answered_early_does_not_keep_its_connection(more, monkeypatch):
    async def talking(reader, writer):
        writer.write(HEAD + b"Content-Length: 100\r\n\r\n")
        answer = await reader.readuntil(b"no")
        monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.05)
        writer.write(more)
        assert await reader.read() == b""
        return answer

    assert talk(talking, refusing).startswith(b"HTTP/1.1 401 ")


def test_what_is_left_of_a_body_that_was_answered_early_may_come_and_another_request_after_it():
    async def talking(reader, writer):
        writer.write(HEAD + b"Content-Length: 100\r\n\r\n" + b"a" * 50)
        answers = [await reader.readuntil(b"no")]
        for piece in (b"a" * 10, b"a" * 40 + HEAD[:4], HEAD[4:] + b"Content-Length: 0\r\n\r\n"):
            writer.write(piece)
            await writer.drain()
        return [*answers, await reader.readuntil(b"no")]

    assert [answer[:12] for answer in talk(talking, refusing)] == [b"HTTP/1.1 401"] * 2


CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"


@pytest.mark.parametrize("piece", [b"X: " + b"y" * 1000 + b"\r\n", b"y" * 1000], ids=["many trailers", "a long one"])
def test_trailers_without_end_end_the_connection(piece):
    async def talking(reader, writer):
        writer.write(CHUNKED + b"0\r\n")
        await begun.wait()
        writer.write(b"X: ")
        for _ in range(MAX_HEAD // 1000 + 2):
            writer.write(piece)
        return await reader.read()

    begun = asyncio.Event()  # 3.10 binds it to a loop when it is first waited for

    async def app(scope, receive, send):
        begun.set()
        await answering(scope, receive, send)

    assert talk(talking, app) == b""


def test_trailers_are_no_headers():
    seen = []

    async def app(scope, receive, send):
        await answering(scope, receive, send)
        seen.extend(scope["headers"])

    async def talking(reader, writer):
        writer.write(CHUNKED + b"0\r\nAuthorization: Bearer t\r\n\r\n")
        return await reader.readuntil(b"2 bytes")

    assert talk(talking, app).startswith(b"HTTP/1.1 200 ")
    assert [name for name, _ in seen] == [b"host", b"transfer-encoding"]


def test_a_body_is_no_head_however_large_it_is_and_the_next_head_is_measured_alone():
    size = 4 * MAX_HEAD
    head = HEAD + b"X: " + b"y" * (MAX_HEAD * 2 // 3) + b"\r\nContent-Length: %d\r\n\r\n" % size

    async def talking(reader, writer):
        answers = []
        for _ in range(3):
            writer.write(head)
            for _ in range(4):
                writer.write(b"z" * MAX_HEAD)
                await writer.drain()
            answers.append(await reader.readuntil(b" bytes"))
        return answers

    for answer in talk(talking):
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"\r\n%d bytes" % size)
