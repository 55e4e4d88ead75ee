"""A model that runs in the server's process is there before the first request, or the server does not start."""

from __future__ import annotations

import socket

import pytest

import burnish
from burnish import LMError
from burnish.compiler.cli import main
from burnish.testing import ScriptedLM


def test_the_model_is_loaded_before_the_app_is_there_and_not_again(client, compiled_program, monkeypatch):
    lm, opened = ScriptedLM(["positive"], model="small"), []
    monkeypatch.setattr(lm.script, "open", lambda: opened.append("loaded") or lm.script)
    served = client(compiled_program(format="plain"), lm)
    assert opened == ["loaded"]
    assert served.get("/readyz").json()["ready"] is True
    assert served.post("/run", json={"review": "Fine."}).json() == {"label": "positive"}
    assert opened == ["loaded"]


def test_a_model_that_cannot_be_loaded_is_no_app(client, compiled_program, monkeypatch):
    lm = ScriptedLM([], model="small")

    def refuse():
        raise LMError("small.gguf is not a model that can be run here: magic.")

    monkeypatch.setattr(lm.script, "open", refuse)
    with pytest.raises(LMError, match=r"small\.gguf is not a model"):
        client(compiled_program(format="plain"), lm)


def test_a_file_that_is_no_model_ends_the_start_with_one_error_and_nothing_has_listened(
    compiled_program, tmp_path, capfd
):
    pytest.importorskip("xllamacpp")
    file = str(compiled_program(format="plain").save(tmp_path / "program.json"))
    (tmp_path / "small.gguf").write_bytes(b"no model")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert main(["serve", file, "--lm", f"local/{tmp_path}/small.gguf", "--port", str(port)]) == 1
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "is not a model that can be run here" in line]
    assert "small.gguf" in line
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=10):
        pass


@pytest.mark.model
def test_the_embedded_model_is_in_memory_before_anybody_asks(compiled_program, tmp_path):
    from burnish.compiler.lm import local

    lm = burnish.LM("local/smollm2-135m-instruct", max_tokens=8)
    path = compiled_program(format="plain").save(tmp_path / "program.json")
    burnish.asgi(burnish.load(path, lm=lm))
    assert lm.connection.sha256 in [sha256 for _, sha256, _ in local._running]
