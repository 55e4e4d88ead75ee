"""Vectors: the demonstrations that an encoder finds closest to the query, compared in whole numbers.

A vector is kept as one signed byte a dimension, written as base64: 384 dimensions are one line of 512 characters. Each
vector is scaled so that its largest component becomes 127. That scale is not kept, since the cosine is the same
whatever a vector is multiplied with; rounding to bytes changes a cosine by about a thousandth.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from array import array
from collections.abc import Mapping, Sequence
from operator import mul

from ..canonical import JSON, canonical
from ..errors import SchemaError
from ..schema import Schema
from ..values import to_json
from .ranking import Ranking

LARGEST = 127


def question(schema: Schema, values: Mapping[str, object]) -> str:
    """The inputs among these values as one text, which is what an encoder is given: one alone, several by name."""
    given = [(field.name, to_json(values[field.name])) for field in schema.inputs if field.name in values]
    texts = [(name, value if isinstance(value, str) else _plain(value)) for name, value in given]
    return texts[0][1] if len(texts) == 1 else "\n".join(f"{name}: {text}" for name, text in texts)


def _plain(value: JSON) -> str:
    # Through canonical JSON: equal values have equal texts, whatever the order of their keys.
    return json.dumps(json.loads(canonical(value)), ensure_ascii=False)


def quantised(vector: Sequence[float]) -> str:
    """The vector in bytes, as text. Raises ValueError on an empty vector and on a number that is not finite."""
    largest = max((abs(value) for value in vector), default=math.nan)
    if not vector or not all(map(math.isfinite, vector)):
        raise ValueError("a vector is a list of at least one finite number")
    # Divided first: the product of a huge component and 127 may be no number any more.
    steps = (round(value / largest * LARGEST) for value in vector) if largest else (0 for _ in vector)
    return base64.b64encode(array("b", steps).tobytes()).decode("ascii")


def components(text: str) -> list[int]:
    """The bytes of a vector that `quantised` wrote, from -128 to 127. Raises ValueError on any other text."""
    try:
        found = array("b", base64.b64decode(text, validate=True)).tolist()
    except binascii.Error:
        raise ValueError(f"{text!r:.40} is no base64 text") from None
    if not found or base64.b64encode(array("b", found).tobytes()).decode("ascii") != text:
        raise ValueError(f"{text!r:.40} is no vector")
    return found


def dimensions(text: str) -> int:
    """How many components a vector has, without reading them."""
    return 3 * len(text) // 4 - text.count("=")


class Vectors:
    """The cosine between the vector of the query's inputs and those of the demonstrations'.

    documents: canonical JSON text of each demonstration's inputs. vectors: theirs, as `quantised` writes them.
    """

    def __init__(self, documents: Sequence[str], vectors: Sequence[str]) -> None:
        self._ranking = Ranking(documents)
        self._vectors = [components(vector) for vector in vectors]
        self._squares = [_product(vector, vector) for vector in self._vectors]

    def nearest(self, query: str, k: int, vector: str | None = None) -> list[int]:
        """The k closest documents, the closest first. Raises SchemaError on a vector of another encoder, or none."""
        if not self._vectors:
            return []
        if vector is None:
            raise SchemaError(
                "this prompt picks demonstrations by vectors, so it takes the vector of the query to be rendered: "
                "render(inputs, quantised(encoder's vector of template.question(inputs)))."
            )
        asked = components(vector)
        if len(asked) != len(self._vectors[0]):
            raise SchemaError(
                f"the query's vector has {len(asked)} numbers and those of the demonstrations have "
                f"{len(self._vectors[0])}: they come from different encoders. Embed the query with the encoder of the "
                "demonstrations."
            )
        square = _product(asked, asked)
        scores = [
            round(_product(asked, other) / math.sqrt(square * there), 6) if square and there else 0.0
            for other, there in zip(self._vectors, self._squares, strict=True)
        ]
        return self._ranking.best(scores, query, k)


def _product(one: Sequence[int], other: Sequence[int]) -> int:
    return sum(map(mul, one, other))
