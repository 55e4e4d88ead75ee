"""BM25: the demonstrations whose inputs share the most telling words with the query's."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence

from .ranking import Ranking, words


class BM25:
    """Okapi BM25 over the words of the demonstrations' inputs, k1 = 1.5 and b = 0.75.

    documents: canonical JSON text of each demonstration's inputs.
    Source: Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework", section 3.
    """

    K1 = 1.5
    B = 0.75

    def __init__(self, documents: Sequence[str]) -> None:
        self._ranking = Ranking(documents)
        counts = [Counter(words(json.loads(document))) for document in documents]
        lengths = [sum(count.values()) for count in counts]
        mean = sum(lengths) / len(lengths) if any(lengths) else 1.0
        holding = Counter(word for count in counts for word in count)
        self._weights: dict[str, list[tuple[int, float]]] = {}
        for i, count in enumerate(counts):
            for word, n in count.items():
                rarity = math.log(1 + (len(documents) - holding[word] + 0.5) / (holding[word] + 0.5))
                spread = n + self.K1 * (1 - self.B + self.B * lengths[i] / mean)
                self._weights.setdefault(word, []).append((i, rarity * n * (self.K1 + 1) / spread))

    def nearest(self, query: str, k: int, vector: str | None = None) -> list[int]:
        """The k closest documents, the closest first."""
        scores = [0.0] * len(self._ranking.documents)
        for word, n in sorted(Counter(words(json.loads(query))).items()):
            for i, weight in self._weights.get(word, ()):
                scores[i] += n * weight
        return self._ranking.best([round(score, 9) for score in scores], query, k)
