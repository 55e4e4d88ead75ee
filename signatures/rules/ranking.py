"""What all indexes share: the words of a value, and ranks that do not depend on the machine."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from ..canonical import JSON, digest

_WORD = re.compile(r"\w+")


class Ranking:
    """Documents to be ranked by a score. documents: canonical JSON text of each demonstration's inputs."""

    def __init__(self, documents: Sequence[str]) -> None:
        self.documents = tuple(documents)
        self._ties = [digest(json.loads(document)) for document in documents]

    def best(self, scores: Sequence[float], query: str, k: int) -> list[int]:
        """The k documents of the highest score, the best first, without the query itself.

        scores: rounded, so that the last bit of a logarithm or a root on another machine cannot change a pick.
        """
        ranked = sorted(range(len(scores)), key=lambda i: (-scores[i], self._ties[i], i))
        return [i for i in ranked if self.documents[i] != query][:k]


def words(value: JSON) -> list[str]:
    """The words of all texts, numbers and truth values inside a value, in lower case; keys do not count."""
    if isinstance(value, Mapping):
        return [word for item in value.values() for word in words(item)]
    if isinstance(value, list):
        return [word for item in value for word in words(item)]
    return [] if value is None else _WORD.findall(str(value).lower())
