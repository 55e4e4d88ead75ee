"""Vectors of texts for a search: batches of a fixed size, one call each, and what is known costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from ..signatures.errors import LMError
from .lm.encoders import Encoder, vectors_of
from .lm.failures import AttemptFailure
from .lm.lm import LM, MESSAGE_OVERHEAD
from .lm.request import Reply, Request

BATCH = 64  # texts in a call, at most
BATCH_BYTES = 2**15  # of all texts in a call, unless one alone has more
MOST_TOKENS = BATCH_BYTES + BATCH * MESSAGE_OVERHEAD  # what a call is reserved with


@dataclass
class Embeddings:
    """What one encoder makes of texts. send: asks for all of some requests, as the budget has it."""

    encoder: Encoder
    send: Callable[[LM, Sequence[Request]], list[Reply | AttemptFailure]]
    _known: dict[str, list[float]] = field(default_factory=dict)

    def of(self, texts: Sequence[str]) -> list[list[float]]:
        """A vector for each text, all of one length. Raises LMError on a text that the encoder does not take."""
        missing = list(batches(text for text in dict.fromkeys(texts) if text not in self._known))
        replies = self.send(self.encoder, [self.encoder.embedding(batch) for batch in missing])
        for batch, reply in zip(missing, replies, strict=True):
            if isinstance(reply, AttemptFailure):
                longest = max(batch, key=len)
                raise LMError(
                    f"{self.encoder.model} does not embed what it was given: {reply} The longest of {len(batch)} texts "
                    f"has {len(longest)} characters and begins {longest[:60]!r}. Shorten it, or take another encoder."
                )
            self._known.update(zip(batch, vectors_of(self.encoder, reply), strict=True))
        return [self._known[text] for text in texts]


def batches(texts: Iterable[str]) -> Iterable[list[str]]:
    """The texts in order, cut into calls. Depends on nothing else, so that a resumed run asks for the same."""
    batch: list[str] = []
    size = 0
    for text in texts:
        bytes_ = len(text.encode("utf-8", "surrogatepass"))
        if batch and (len(batch) == BATCH or size + bytes_ > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += bytes_
    if batch:
        yield batch
