"""Texts as vectors: by the compile's encoder where there is one, else by the words that they share (TF-IDF)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from ...signatures.canonical import canonical
from ...signatures.rules.ranking import words
from ...signatures.rules.tfidf import TfIdf
from .base import Supply

if TYPE_CHECKING:
    from numpy import dtype, float64, ndarray

    Floats: TypeAlias = ndarray[Any, dtype[float64]]

TEXTS_A_CALL = 64  # that the bench sends to the encoder together; fewer where they are long
EXACT = 9  # decimals that count in a comparison, so that another processor's last bits cannot change a choice


def vectors_of(supply: Supply, texts: Sequence[str]) -> Floats:
    """One row of length 1 for each text (of zeros for a text without a word); the log says which kind they are.

    Costs the encoder's calls for texts that it has not seen yet; without an encoder nothing.
    """
    import numpy as np

    encoder = supply.bench.encoder
    made_by = "TF-IDF" if encoder is None else encoder
    supply.bench.log("texts as vectors", predictor=supply.predictor, by=made_by, texts=len(texts))
    return tfidf(texts) if encoder is None else unit(np.array(supply.bench.embed(texts), dtype=np.float64))


def question_vectors(supply: Supply) -> Floats:
    """The vectors of all shots' inputs, in the order of the shots."""
    return vectors_of(supply, [supply.question(shot) for shot in supply.shots])


def embedding_calls(texts: int) -> int:
    """What vectors of so many texts cost where there is an encoder, unless they have more than 500 bytes on average."""
    return -(-texts // TEXTS_A_CALL)


def unit(rows: Floats) -> Floats:
    """Every row at length 1, so that long texts are not favoured. Rows of zeros stay."""
    import numpy as np

    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1.0)


def cosines(vectors: Floats) -> Floats:
    """How similar each row is to each: -1 to 1, from rows of length 1."""
    import numpy as np

    similar: Floats = np.round(np.clip(vectors @ vectors.T, -1.0, 1.0), EXACT)
    return similar


def centrality(vectors: Floats, pool: int | None = None) -> Floats:
    """The cosine of each row with the mean of the first `pool` (of all): how like the pool as a whole a text is."""
    import numpy as np

    centre = unit(vectors[:pool].mean(axis=0, keepdims=True))[0]
    similar: Floats = np.round(np.clip(vectors @ centre, -1.0, 1.0), EXACT)
    return similar


def tfidf(texts: Sequence[str]) -> Floats:
    """A column for each word of the texts, in alphabetical order; weights as of the rule of this name."""
    import numpy as np

    index = TfIdf([canonical(text) for text in texts])
    column = {word: number for number, word in enumerate(sorted(index.rarity))}
    rows = np.zeros((len(texts), len(column)))
    for number, text in enumerate(texts):
        for word, weight in index.weights(words(text)).items():
            rows[number, column[word]] = weight
    return rows
