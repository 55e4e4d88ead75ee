"""Encoders: models that are asked for vectors of texts, whatever stands behind them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cached_property

from ...signatures.canonical import JSON, canonical
from ...signatures.errors import LMError
from .connection import Connection
from .endpoints import SENTENCE_TRANSFORMERS
from .from_user import as_lm
from .lm import LM
from .request import Reply

_COUNT = ("dimensions", "extra_body")
_OF_REPLIES = frozenset(
    {
        *("temperature", "max_tokens", "max_completion_tokens", "top_p", "top_k", "min_p", "stop", "seed", "n"),
        *("logprobs", "top_logprobs", "logit_bias", "presence_penalty", "frequency_penalty", "repetition_penalty"),
        *("response_format", "reasoning_effort"),
    }
)


class Encoder(LM):
    """An LM that is asked for vectors: `compile(..., encoder=...)` makes one of what it is given.

    Of the LM's parameters these count: `dimensions`, how many numbers a vector has, where the model leaves a choice;
    and `extra_body`, whatever else the server takes. Those of replies (temperature, max_tokens, ...) do not apply.
    Raises LMError on any other one.
    """

    def __init__(self, lm: LM) -> None:
        given = {name: value for name, value in lm.params.items() if value is not None}
        if other := sorted(given.keys() - _OF_REPLIES - set(_COUNT)):
            raise LMError(
                f"encoder={lm.model!r} has the parameter {other[0]!r}, which no request for vectors takes. Pass "
                f"burnish.LM({lm.model!r}, extra_body={{{other[0]!r}: ...}}) where the server does, or leave it out."
            )
        chosen = {name: given[name] for name in _COUNT if given.get(name) not in (None, {})}
        connection: object = _embedding(lm.connection)
        super().__init__(lm.model, client=connection, price=lm.price, max_concurrency=lm.max_concurrency, **chosen)

    def identity(self) -> dict[str, JSON]:
        """For provenance: model, parameters, and what else its vectors depend on. Holds no host, key or path."""
        return {"model": self.model, **self.params, **self.connection.identity()}

    @cached_property
    def name(self) -> str:
        """The identity in one line, which says whose vectors are comparable; the model alone where that says it all."""
        model, rest = self.model, {key: value for key, value in self.identity().items() if key != "model"}
        return f"{model} {canonical(rest)}" if rest else model


class SentenceTransformer(Encoder):
    """A sentence-transformers model in this process: `SentenceTransformer("all-MiniLM-L6-v2", revision="c9745e...")`.

    name: as the package takes it, of the hub or a folder. revision: the whole commit of a model of the hub, part of
    the identity and needed, since a name's files may change; "NAME@COMMIT" says it too. A folder is known by its files.
    device: "cpu", "cuda", ...; None: what the package finds. The model is loaded with the first texts.
    Raises LMError when the package is not installed, and for a name of the hub without a commit.
    """

    def __init__(self, name: str, *, revision: str | None = None, device: str | None = None) -> None:
        from .sentence_transformers import SentenceTransformerConnection

        connection = SentenceTransformerConnection.of(name, revision, device)
        super().__init__(LM(connection.model, client=connection))


def as_encoder(value: object) -> Encoder:
    """An encoder from what a user has: a model name, an `LM`, a pair (openai client, model name), or an encoder.

    The endpoint must answer OpenAI-compatible embeddings; "local/..." does, from this process, and so does
    "sentence-transformers:NAME@COMMIT". Raises LMError on anything else.
    """
    if isinstance(value, Encoder):
        return value
    try:
        lm = as_lm(value)
    except LMError as error:
        if isinstance(value, str | tuple):
            raise
        raise LMError(
            f"{value!r} is no encoder. Pass a name ('text-embedding-3-small', 'local/smollm2-135m-instruct'), "
            "burnish.LM(...), burnish.SentenceTransformer(...), or (client, 'model') with an openai client."
        ) from error
    if lm.endpoint.startswith("dspy:"):
        raise LMError(
            f"{value!r} is a dspy.LM, which gives no vectors. Pass the encoder's name, or burnish.LM(name, base_url=)."
        )
    return Encoder(lm)


def encoder_named(name: str) -> Encoder:
    """The encoder that `Encoder.name` has named, reached as the environment says.

    Raises LMError where it cannot be reached as described, or is another one by now (a local model's file).
    The name may come from a file that nobody vouches for. So it is a name that the server knows or a model of the list
    (`burnish models list`); no folder is looked into, and nothing is fetched from a hub, that only the file names.
    """
    model, rest = model_and_rest(name)
    if model.startswith(SENTENCE_TRANSFORMERS):
        raise LMError(f"{model} runs in this process: pass burnish.SentenceTransformer(name or folder) yourself.")
    if model.startswith("local/") and not _is_listed(model.removeprefix("local/")):
        raise LMError(f"{model} is no model of `burnish models list`: pass burnish.LM('local/FILE.gguf') yourself.")
    try:
        said = json.loads(rest or "{}")
    except (ValueError, RecursionError):
        said = {}
    dimensions = said.get("dimensions") if isinstance(said, dict) else None
    found = Encoder(LM(model, dimensions=dimensions if isinstance(dimensions, int) else None))
    if found.name != name:
        raise LMError(f"{name} is wanted, and what is here is {found.name}. Pass the other one.")
    return found


def _is_listed(name: str) -> bool:
    from .models import MODELS

    return name in MODELS


def model_and_rest(name: str) -> tuple[str, str]:
    """The two parts of an `Encoder.name`: the model, which may hold spaces, and the JSON text of the rest, or ""."""
    model, _, rest = name.rpartition(" {")
    return (model, "{" + rest) if model else (name, "")


def encoder_of(lms: Mapping[str, LM]) -> Encoder | None:
    """The encoder among the LMs of a compile, by role."""
    found = lms.get("encoder")
    return found if isinstance(found, Encoder) else None


def vectors_of(encoder: Encoder, reply: Reply) -> list[list[float]]:
    """The vectors in a reply, in the order of the texts. Raises LMError unless they are finite and of one length."""
    vectors = reply.embeddings
    sizes = {len(vector) for vector in vectors}
    if len(sizes) != 1 or not min(sizes) or not all(_is_number(value) for vector in vectors for value in vector):
        raise LMError(
            f"{encoder.model} did not answer with vectors of finite numbers, all of one length (found: {sizes}). Take "
            "another encoder."
        )
    return vectors


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _embedding(connection: Connection) -> Connection:
    if not connection.endpoint.startswith("local:"):
        return connection
    from .local import LocalConnection

    # The server of a local model either replies or embeds.
    return connection.embedding() if isinstance(connection, LocalConnection) else connection
