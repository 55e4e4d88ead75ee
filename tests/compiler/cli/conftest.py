"""A command line in a folder of its own, with a server that answers and counts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from burnish.compiler.cli import main
from burnish.testing import ScriptedServer


@dataclass
class Ended:
    code: int
    out: str
    err: str


@dataclass
class Shell:
    """server: answers "positive" to everything. Called with the words of a command, it runs it."""

    server: ScriptedServer
    folder: Any
    _capsys: Any

    def __call__(self, *words: str, model: str | None = None) -> Ended:
        """model: --lm, at the server."""
        where = () if model is None else ("--lm", model, "--base-url", self.server.base_url)
        code = main([*words, *where])
        said = self._capsys.readouterr()
        return Ended(code, said.out, said.err)

    def rows(self, name: str, rows: list[dict[str, Any]]) -> str:
        (self.folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        return name


def answer(messages, body):
    return "[[ ## label ## ]]\npositive\n\n[[ ## completed ## ]]"


def reviews(n, first=0):
    return [{"review": f"Review {i}", "label": ("positive", "negative")[i % 2]} for i in range(first, first + n)]


@pytest.fixture(name="reviews_")
def _reviews():
    return reviews


@pytest.fixture
def shell(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BURNISH_CACHE_DIR", str(tmp_path / "cache"))
    with ScriptedServer(answer) as server:
        yield Shell(server, tmp_path, capsys)
