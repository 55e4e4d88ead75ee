"""A sentence-transformers model in this process as the way to vectors: same requests, same cache, same counting."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...signatures.canonical import JSON, canonical
from ...signatures.errors import LMError
from .endpoints import SENTENCE_TRANSFORMERS
from .failures import Permanent
from .models import file_sha256
from .prices import Price
from .request import Reply, Request, Transport
from .threads import ThreadedTransport

_COMMIT = re.compile(r"[0-9a-f]{40}")
DIGITS = 7  # of each number: single precision holds no more


@dataclass(frozen=True)
class SentenceTransformerConnection:
    """A model of the hub at a commit, or one in a folder, which is known by the digest of its files."""

    source: str
    revision: str | None
    device: str | None
    files: str | None

    price = Price(0.0, 0.0)
    max_concurrency = 1

    @classmethod
    def of(cls, name: str, revision: str | None, device: str | None) -> SentenceTransformerConnection:
        """name: a folder, or of the hub, there perhaps with the commit ("NAME@COMMIT").

        Raises LMError when the package is not installed, and for a name of the hub without a commit.
        """
        if importlib.util.find_spec("sentence_transformers") is None:
            raise LMError(f"SentenceTransformer({name!r}) needs a package: pip install 'burnish[encoders]'")
        folder = Path(name).expanduser().absolute()
        if not folder.is_dir():
            source, _, pinned = name.partition("@")
            commit = revision or pinned
            if not _COMMIT.fullmatch(commit):
                raise LMError(
                    f"SentenceTransformer({source!r}, revision={commit or None!r}): no folder is called so, and on the "
                    "hub the files behind a name, a branch or a tag may change, and with them the vectors. Pass "
                    "revision= with the whole commit from the model's page ('NAME@COMMIT'), or a local folder."
                )
            return cls(source, commit, device, None)
        there = sorted(path for path in folder.rglob("*") if path.is_file())
        return cls(str(folder), None, device, _digest(folder, tuple((p, p.stat().st_mtime_ns) for p in there)))

    @property
    def model(self) -> str:
        return SENTENCE_TRANSFORMERS + (self.source if self.files is None else Path(self.source).name)

    @property
    def endpoint(self) -> str:
        return f"{SENTENCE_TRANSFORMERS}{self.files or self.revision or ''}"

    def identity(self) -> Mapping[str, JSON]:
        told = {"revision": self.revision, "files": self.files}
        return {name: value for name, value in told.items() if value is not None}

    def open(self) -> Transport:
        from sentence_transformers import SentenceTransformer

        given = {"revision": self.revision, "device": self.device}
        kept = {name: value for name, value in given.items() if value is not None}
        try:
            return SentenceTransformerTransport(SentenceTransformer(self.source, **kept))
        except (OSError, ValueError) as error:
            raise LMError(
                f"{self.model} cannot be loaded: {error}. Check the name and the commit, or give a local folder."
            ) from error


@lru_cache(maxsize=16)
def _digest(folder: Path, files: tuple[tuple[Path, int], ...]) -> str:
    named = [[str(path.relative_to(folder)), file_sha256(path)] for path, _ in files]
    return hashlib.sha256(canonical(named).encode("ascii")).hexdigest()


class SentenceTransformerTransport(ThreadedTransport):
    """Embeds in a thread, one batch at a time: its tokenizers cannot be used by two threads at once."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self._model = model
        self._one_at_a_time = threading.Lock()

    def send(self, request: Request) -> Reply:
        if request.kind != "embedding":
            raise Permanent(f"{request.body['model']} gives vectors of texts and no replies.")
        texts = request.body["input"]
        with self._one_at_a_time:
            rows = self._model.encode(texts, convert_to_numpy=True, show_progress_bar=False)
            count = sum(len(ids) for ids in self._model.tokenizer(texts)["input_ids"])
        vectors = [[float(f"{value:.{DIGITS}g}") for value in row.tolist()] for row in rows]
        data = [{"index": place, "embedding": vector} for place, vector in enumerate(vectors)]
        return Reply(canonical({"data": data, "usage": {"prompt_tokens": count, "total_tokens": count}}))
