"""A model file as the way to a model: llama.cpp inside this process, on a loopback port that nobody else can use."""

from __future__ import annotations

import atexit
import importlib.util
import os
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...signatures.canonical import JSON
from ...signatures.errors import LMError
from .models import file_sha256, known
from .models import list_models as list_models
from .models import path as path
from .models import pull as pull
from .prices import Price
from .request import Transport

# Part of a local model's identity: what it says may depend on them.
SLOTS = 4
CONTEXT = 4096  # tokens of prompt and reply, each slot
CACHE_PROMPT = True
# Of one that embeds. One slot: in several, texts that are embedded at once get into each other's vectors (cosine to the
# vector of the text alone: 0.89 with two slots, 1.0 with one).
EMBEDDED_TOKENS = 2048  # of one text; the engine takes it in one go
POOLING = "mean"


@dataclass(frozen=True)
class LocalConnection:
    """A model file, known by its sha256. file: None for a model of the list, which is downloaded when it is needed.

    embeds: whether it gives vectors of texts in place of replies, from a server of its own.
    """

    model: str
    sha256: str
    file: Path | None
    timeout: float
    embeds: bool = False

    price = Price(0.0, 0.0)

    @property
    def max_concurrency(self) -> int:
        return 1 if self.embeds else SLOTS

    @classmethod
    def of(cls, model: str, timeout: float) -> LocalConnection:
        """Raises LMError on an unknown name, a missing file, or when the engine is not installed."""
        if importlib.util.find_spec("xllamacpp") is None:
            raise LMError(f"LM({model!r}) runs a model in this process, which needs: pip install 'burnish[local]'")
        name = model.removeprefix("local/")
        if not name.endswith(".gguf"):
            return cls(model, known(name).sha256, None, timeout)
        file = Path(name).expanduser().absolute()
        if not file.is_file():
            raise LMError(
                f"LM({model!r}): there is no file {str(file)!r}. Give the path of a GGUF file, or a name of "
                "`burnish models list`."
            )
        # The name keeps no folder: it stands in frozen files.
        return cls(f"local/{file.name}", _sha256(file, file.stat().st_size, file.stat().st_mtime_ns), file, timeout)

    def embedding(self) -> LocalConnection:
        """The same file, asked for vectors."""
        return replace(self, embeds=True)

    @property
    def endpoint(self) -> str:
        return f"local:{self.sha256}"

    def identity(self) -> Mapping[str, JSON]:
        settings: dict[str, JSON] = {"slots": SLOTS, "context": CONTEXT, "cache_prompt": CACHE_PROMPT}
        if self.embeds:
            settings = {"context": EMBEDDED_TOKENS, "pooling": POOLING}
        return {"local": {"sha256": self.sha256, **settings}}

    def open(self) -> Transport:
        from .aiohttp_transport import AiohttpTransport

        running = serve(self.file or pull(self.model, progress=True), self.sha256, self.embeds)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {running.key}"}
        return AiohttpTransport(f"{running.address}/v1", headers, self.timeout)


@lru_cache(maxsize=64)
def _sha256(file: Path, size: int, changed: int) -> str:
    return file_sha256(file)


@dataclass(frozen=True)
class Running:
    """A server in this process. key: drawn anew, so that other users of the machine cannot use it."""

    server: Any
    address: str
    key: str


_running: dict[tuple[int, str, bool], Running] = {}
_starting = threading.Lock()


def serve(file: Path, sha256: str, embeds: bool = False) -> Running:
    """The server of a model file, started once a process for replies and once for vectors, and stopped at its exit."""
    with _starting:
        mine = (os.getpid(), sha256, embeds)
        if mine not in _running:
            if not _running:
                atexit.register(_running.clear)
            _running[mine] = _start(file, embeds)
        return _running[mine]


def _start(file: Path, embeds: bool) -> Running:
    import xllamacpp

    key = secrets.token_hex(16)
    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [key]
    if embeds:
        params.embedding = True
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
        params.n_parallel = 1
        params.n_ctx = params.n_batch = params.n_ubatch = EMBEDDED_TOKENS
    else:
        params.n_parallel = SLOTS
        params.n_ctx = SLOTS * CONTEXT
        params.cache_prompt = CACHE_PROMPT
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads()
    params.verbosity = 0
    try:
        server = xllamacpp.Server(params)
    except (RuntimeError, ValueError) as error:
        raise LMError(f"{file} is not a model that can be run here: {error}.") from error
    return Running(server, server.listening_address, key)


def threads() -> int:
    """As many as there are processors with nothing else to do. What a model says does not depend on it.

    The engine's threads wait for each other by spinning: one that must share its processor slows all of them down
    (measured: 10 short calls on two busy processors, 137 s with two threads and 13 s with one).
    """
    processors = os.cpu_count() or 1
    return max(1, min(processors, round(processors - os.getloadavg()[0])))
