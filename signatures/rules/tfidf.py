"""TF-IDF: the demonstrations whose words point in the query's direction, however long they are."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence

from .ranking import Ranking, words


class TfIdf:
    """The cosine of term frequencies weighted by inverse document frequency.

    A word that stands n times in a text weighs n * (ln((1 + N) / (1 + d)) + 1), with d of the N demonstrations holding
    it; each text's weights are divided by their Euclidean norm. Words that no demonstration has do not count.
    Source: Salton and Buckley 1988, "Term-weighting approaches in automatic text retrieval"; smoothed as
    scikit-learn's `TfidfVectorizer` does it by default, over the words `\\w+` in lower case.

    documents: canonical JSON text of each demonstration's inputs.
    """

    def __init__(self, documents: Sequence[str]) -> None:
        self._ranking = Ranking(documents)
        texts = [words(json.loads(document)) for document in documents]
        holding = Counter(word for text in texts for word in set(text))
        self.rarity = {word: math.log((1 + len(documents)) / (1 + d)) + 1 for word, d in holding.items()}
        self._weights: dict[str, list[tuple[int, float]]] = {}
        for i, text in enumerate(texts):
            for word, weight in self.weights(text).items():
                self._weights.setdefault(word, []).append((i, weight))

    def weights(self, text: Iterable[str]) -> dict[str, float]:
        """Word -> its weight in a text, with a Euclidean norm of 1; empty where no word is known."""
        counts = sorted(Counter(word for word in text if word in self.rarity).items())
        weights = {word: n * self.rarity[word] for word, n in counts}
        norm = math.sqrt(sum(weight * weight for weight in weights.values()))
        return {word: weight / norm for word, weight in weights.items()}

    def nearest(self, query: str, k: int, vector: str | None = None) -> list[int]:
        """The k closest documents, the closest first."""
        scores = [0.0] * len(self._ranking.documents)
        for word, weight in self.weights(words(json.loads(query))).items():
            for i, other in self._weights[word]:
                scores[i] += weight * other
        return self._ranking.best([round(score, 9) for score in scores], query, k)
