"""ScriptedServer: a real HTTP server on loopback that says what a test tells it to, and misbehaves when asked.

In process: `with ScriptedServer(respond) as server: LM("any", base_url=server.base_url)`.
In a process of its own: `python -m burnish.testing.servers --reply positive`, which prints its base URL; GET /counts
under that URL then tells what it has counted.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import random
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

from ..compiler.lm.request import PATHS, Request
from ..signatures.canonical import JSON, canonical
from .scripted import Answer, Respond, Script, Table

_KINDS = {path: kind for kind, path in PATHS.items()}
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 429: "Too Many Requests", 503: "Service Unavailable"}


@dataclass(frozen=True)
class Faults:
    """How a server misbehaves: shares of requests from 0 to 1, drawn in order of arrival from `seed`.

    refuse: 429 before any work, with Retry-After: `retry_after` seconds where given. unavailable: 503 "Loading model".
    hang: works, then never answers. reset: works, then drops the connection. garbage: works, then sends half the body.
    The last three are billed: the server has done its work. latency: seconds before each answer.
    """

    refuse: float = 0.0
    unavailable: float = 0.0
    hang: float = 0.0
    reset: float = 0.0
    garbage: float = 0.0
    latency: float = 0.0
    retry_after: float | None = None
    seed: int = 0


class ScriptedServer:
    """Chat completions, completions and embeddings over HTTP on a free loopback port.

    respond, model: as of `ScriptedLM`. faults: may be set anew at any time.
    requests: how many came. billable: how many replies it has generated whole, delivered or not.
    bodies: the body of each billable one, in order.
    """

    def __init__(
        self, respond: Respond | Sequence[Answer] | Table, *, model: str = "scripted", faults: Faults = Faults()
    ) -> None:
        self.script = Script(respond, model, None, None, None)
        self.faults = faults
        self.requests = 0
        self.bodies: list[dict[str, JSON]] = []
        self.base_url = ""
        self._random = random.Random(faults.seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="scripted-server", daemon=True)
        self._open: set[_Connection] = set()

    @property
    def billable(self) -> int:
        return len(self.bodies)

    def counts(self) -> dict[str, int]:
        """requests, billable, and distinct: how many different bodies were billed."""
        distinct = len({canonical(body) for body in self.bodies})
        return {"requests": self.requests, "billable": self.billable, "distinct": distinct}

    def start(self, port: int = 0) -> ScriptedServer:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(port), self._loop).result()
        return self

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> ScriptedServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _listen(self, port: int) -> None:
        self._server = await self._loop.create_server(lambda: _Connection(self, self._open), "127.0.0.1", port)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def _shut(self) -> None:
        self._server.close()
        for connection in list(self._open):
            connection.drop()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def answer(self, path: str, body: bytes) -> bytes | None:
        """The bytes of the answer to one request; None drops the connection."""
        if path == "/v1/counts":
            return _http(200, json.dumps(self.counts()).encode())
        kind = _KINDS.get(path.removeprefix("/v1/"))
        if kind is None:
            helped = await self.help(path, json.loads(body or b"{}"))
            return _http(404, _error(f"no path {path}")) if helped is None else _http(200, json.dumps(helped).encode())
        self.requests += 1
        faults = self.faults
        fault = self._draw(faults)
        if faults.latency:
            await asyncio.sleep(faults.latency)
        if fault == "refuse":
            wait = {} if faults.retry_after is None else {"Retry-After": f"{faults.retry_after:g}"}
            return _http(429, _error("too many requests"), wait)
        if fault == "unavailable":
            return _http(503, _error("Loading model"))
        try:
            reply = await self.script.attempt(Request(kind, self.base_url, body.decode("utf-8")))
        except ScriptedStatus as scripted:
            return _http(scripted.status, scripted.content, scripted.headers)
        self.bodies.append(self.script.calls[-1])
        if fault == "hang":
            await asyncio.Event().wait()
        if fault == "reset":
            return None
        content = reply.body_json.encode("utf-8")
        return _http(200, content[: len(content) // 2] if fault == "garbage" else content)

    async def help(self, path: str, body: JSON) -> JSON | None:
        """The answer of a helper beside the protocol, None where there is none. To be overridden; never counted."""
        return None

    def _draw(self, faults: Faults) -> str:
        drawn = self._random.random()
        for name in ("refuse", "unavailable", "hang", "reset", "garbage"):
            drawn -= getattr(faults, name)
            if drawn < 0:
                return name
        return ""


class ScriptedStatus(Exception):
    """Raised or returned by a server's `respond`: an answer with this status and body, which is not billed."""

    def __init__(self, status: int, body: JSON, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.content = json.dumps(body).encode()
        self.headers = headers or {}


class _Connection(asyncio.Protocol):
    """One kept connection: requests answered one after the other."""

    def __init__(self, server: ScriptedServer, registry: set[_Connection]) -> None:
        self._server = server
        self._registry = registry
        self._received = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._registry.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._registry.discard(self)

    def drop(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._next()

    def _next(self) -> None:
        end = self._received.find(b"\r\n\r\n")
        if end < 0 or self._task is not None:
            return
        first, *lines = self._received[:end].decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        if len(self._received) < end + 4 + length:
            return
        body = bytes(self._received[end + 4 : end + 4 + length])
        del self._received[: end + 4 + length]
        self._task = asyncio.get_running_loop().create_task(self._reply(first.split(" ")[1], body))

    async def _reply(self, path: str, body: bytes) -> None:
        answer = await self._server.answer(path, body)
        assert self._transport is not None
        self._task = None
        if answer is None:
            self._transport.abort()
        elif not self._transport.is_closing():
            self._transport.write(answer)
            self._next()


def _http(status: int, content: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    named = {"Content-Type": "application/json", "Content-Length": str(len(content)), **(headers or {})}
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Scripted')}", *(f"{k}: {v}" for k, v in named.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + content


def _error(message: str) -> bytes:
    return json.dumps({"error": {"message": message}}).encode()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves until standard input closes, so that it never outlives the test that started it."""
    parser = argparse.ArgumentParser(prog="python -m burnish.testing.servers", description=__doc__)
    parser.add_argument("--reply", default="ok", help="the text of every reply")
    parser.add_argument("--respond", help="MODULE:FUNCTION of (messages, body), instead of --reply")
    parser.add_argument("--port", type=int, default=0)
    for fault in fields(Faults):
        parser.add_argument(f"--{fault.name.replace('_', '-')}", type=int if fault.name == "seed" else float)
    given = parser.parse_args(arguments)
    faults = replace(Faults(), **{f.name: v for f in fields(Faults) if (v := getattr(given, f.name)) is not None})
    respond: Respond | Table = {"": given.reply}
    if given.respond:
        module, _, name = given.respond.partition(":")
        respond = getattr(importlib.import_module(module), name)
    server = ScriptedServer(respond, faults=faults).start(given.port)
    print(server.base_url, flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
