"""A stand-in for the embedded model: answers with recorded replies, or asks the model itself and records what it says.

Pages of docs/ that show what a model said are run against it: without a download, and with the same words every time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import lzma
import threading
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from burnish.compiler.lm import local

UNSTABLE = ("created", "id", "system_fingerprint", "timings", "__verbose")  # of a reply: differ from run to run


class Recorded:
    """Replies by what was asked. file: where they are kept, written by `save`."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.replies: dict[str, dict] = {}
        if file.exists():
            with lzma.open(file, "rt", encoding="utf-8") as lines:
                self.replies = {row.pop("key"): row for row in map(json.loads, lines)}
        self.used: set[str] = set()
        self._asking: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def answer(self, path: str, body: bytes, model: local.Running | None) -> tuple[int, dict]:
        """Status and reply. model: who is asked for a reply that is missing; None: nobody, that is an error."""
        asked = json.dumps([path, json.loads(body)], sort_keys=True)
        key = hashlib.sha256(asked.encode()).hexdigest()[:24]
        self.used.add(key)
        with self._asking[key]:  # a client that lost patience asks again while the model is still at it
            if key not in self.replies:
                if model is None:
                    remedy = "no such request is recorded: run `python tests/record_pages.py` and read what changed"
                    return 400, {"error": {"message": remedy}}
                status, reply = ask(model, path, body)
                if status != 200:
                    return status, reply
                self.replies[key] = {"reply": {name: reply[name] for name in reply if name not in UNSTABLE}}
        return 200, self.replies[key]["reply"]

    def save(self) -> None:
        """Writes those replies that were asked for, in an order that depends on the requests alone."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with lzma.open(self.file, "wt", encoding="utf-8", preset=9) as lines:
            for key in sorted(self.used & set(self.replies)):
                lines.write(json.dumps({"key": key, **self.replies[key]}, ensure_ascii=False) + "\n")


def ask(model: local.Running, path: str, body: bytes) -> tuple[int, dict]:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {model.key}"}
    try:
        with urllib.request.urlopen(urllib.request.Request(model.address + path, body, headers), timeout=900) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@contextmanager
def engine(recorded: Recorded, recording: bool) -> Iterator[None]:
    """While it is open, every model of this process is answered for by `recorded`."""
    serve, pull = local.serve, local.pull
    models: dict[str, local.Running] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            model = models.get(self.headers["Authorization"].removeprefix("Bearer "))
            status, reply = recorded.answer(self.path, body, model)
            content = json.dumps(reply).encode()
            with contextlib.suppress(ConnectionError):  # the client lost patience
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def stand_in(file: Path, sha256: str, embeds: bool = False) -> local.Running:
        name = f"{sha256}-{embeds}"
        if recording:
            models[name] = serve(file, sha256, embeds)
        return local.Running(None, f"http://127.0.0.1:{server.server_port}", name)

    local.serve = stand_in
    if not recording:
        local.pull = lambda name, *_, **__: Path(name)
    try:
        yield
    finally:
        local.serve, local.pull = serve, pull
        server.shutdown()
        server.server_close()
        thread.join()
