"""Apps to ask without a server, and a server in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("prometheus_client")

FINE = {"review": "Fine."}
ORDER = """{"$defs":{"Line":{"properties":{"name":{"type":"string"},"price":{"minimum":0,"type":"number"}},
"required":["name","price"],"type":"object"}},"properties":{"kind":{"default":"a","enum":["a","b"],"type":"string"},
"lines":{"items":{"$ref":"#/$defs/Line"},"type":"array"}},"required":["lines"],"type":"object"}"""


def shop_program():
    """A program whose fields are nested, limited to choices, optional, dated, and have a default."""
    from burnish.compiler.frozen.compiled import freeze
    from burnish.signatures.candidate import Candidate, Part
    from burnish.signatures.canonical import canonical
    from burnish.signatures.prompt import Prompt
    from burnish.signatures.schema import Field, Schema

    order = canonical(json.loads(ORDER))
    maybe = '{"anyOf":[{"type":"string"},{"type":"null"}]}'
    schema = Schema(
        (
            Field("order", order, "What was bought", type_name="Order"),
            Field("note", maybe, type_name="Optional[str]", required=False),
            Field("copies", '{"type":"integer"}', type_name="int", required=False, default_json="3"),
            Field("day", '{"format":"date","type":"string"}', type_name="date", required=False),
        ),
        (
            Field("order_again", order, type_name="Order"),
            Field("label", '{"anyOf":[{"enum":["x","y"],"type":"string"},{"type":"null"}]}', required=False),
        ),
    )
    verdict = _verdict()
    part = Part(Prompt(schema, "Copy the order.", format="json"))

    class Kind:
        kind, spec, module = "predictor", None, None

    return freeze(
        Kind(), Candidate.of({"self": part}), lm={"model": "small"}, verdict=verdict, evidence={}, provenance={}
    )


def _verdict():
    from burnish.compiler.evidence import compare, decide

    return decide(compare([0, 1] * 20, [0, 1] * 20)).to_json()


@pytest.fixture(name="shop_program")
def _shop_program():
    return shop_program


@pytest.fixture
def client(tmp_path):
    """A client of the app of a compiled program. lm: who answers; the rest as `asgi` takes it."""
    from starlette.testclient import TestClient

    import burnish

    def build(compiled, lm, program=None, **options):
        path = compiled.save(tmp_path / "program.json")
        app = burnish.asgi(burnish.load(path, lm=lm, program=program), **options)
        return TestClient(app, raise_server_exceptions=True)

    return build


class Serving:
    """`burnish serve` in a process of its own. url: where. lines: what it has logged so far."""

    def __init__(self, file, options, environment):
        import burnish

        folder = str(Path(burnish.__file__).parents[1])  # of the package that is tested, installed or not
        self.process = subprocess.Popen(
            [sys.executable, "-m", "burnish", "serve", str(file), "--port", "0", *options],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": folder, **environment},
        )
        self.lines = []
        self._listens = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._listens.wait(120), self.lines
        self.url = next((line["url"] for line in self.lines if line.get("event") == "listening"), None)
        assert self.url, self.lines

    def ask(self, body=FINE, path="/run", **headers):
        """Status, JSON of the answer and its headers. body: None for a GET."""
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, content, {"Content-Type": "application/json", **headers})
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, json.load(response), response.headers
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.load(refused), refused.headers

    def _read(self):
        for line in self.process.stderr:
            try:
                self.lines.append(json.loads(line))
            except ValueError:
                self.lines.append({"raw": line})
            if self.lines[-1].get("event") == "listening":
                self._listens.set()
        self._listens.set()

    @property
    def requests(self):
        return [line for line in self.lines if line.get("event") == "request"]

    def stop(self, seconds=60):
        """Asks it to end, as whoever runs it would, and gives its exit code."""
        self.process.terminate()
        return self.ended(seconds)

    def ended(self, seconds=60):
        code = self.process.wait(seconds)
        self._reader.join(10)
        self.process.stderr.close()
        return code


@pytest.fixture
def serving(tmp_path):
    """Starts `burnish serve` on a compiled program."""
    pytest.importorskip("uvicorn")
    with contextlib.ExitStack() as stack:

        def start(compiled, *options, **environment):
            started = Serving(compiled.save(tmp_path / "served.json"), options, environment)
            stack.callback(lambda: started.process.poll() is None and started.process.kill())
            return started

        yield start
