"""Rules that pick demonstrations per query. Pure Python, the same picks on every machine."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .canonical import JSON, digest
from .errors import SchemaError
from .prompt import DemoRule

if TYPE_CHECKING:
    from .prompt import Template

SELECTORS = ("bm25",)
_WORD = re.compile(r"\w+")


def check_rule(rule: DemoRule) -> None:
    """Raises SchemaError on a rule that names an unknown selector or order, or picks none."""
    if rule.selector not in SELECTORS:
        raise SchemaError(f"selector {rule.selector!r} is unknown. Known: {', '.join(SELECTORS)}.")
    if rule.order not in ("closest_last", "closest_first"):
        raise SchemaError(f"order {rule.order!r} is unknown. Known: closest_last, closest_first.")
    if rule.k < 1:
        raise SchemaError(f"a rule with k={rule.k} picks no demonstration. Give k of at least 1.")


def pick(template: Template, query: str) -> list[int]:
    """Which demonstrations stand in front of this query, in the order shown: indices into `template.demos`.

    query: canonical JSON text of the query's inputs. A demonstration with equal inputs is never picked; equally close
    ones are told apart by the digest of their inputs. Raises SchemaError on a template without a rule.
    """
    if template.rule is None:
        raise SchemaError("this template has no rule: its demonstrations are fixed.")
    nearest = template.demo_index.nearest(query, template.rule.k)
    return nearest if template.rule.order == "closest_first" else nearest[::-1]


class BM25:
    """Okapi BM25 over the words of the demonstrations' inputs, k1 = 1.5 and b = 0.75.

    documents: canonical JSON text of each demonstration's inputs.
    Source: Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework", section 3.
    """

    K1 = 1.5
    B = 0.75

    def __init__(self, documents: tuple[str, ...]) -> None:
        self._documents = documents
        self._ties = [digest(json.loads(document)) for document in documents]
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

    def nearest(self, query: str, k: int) -> list[int]:
        """The k closest documents, the closest first."""
        scores = [0.0] * len(self._documents)
        for word, n in sorted(Counter(words(json.loads(query))).items()):
            for i, weight in self._weights.get(word, ()):
                scores[i] += n * weight
        # Rounded, so that the last bit of a logarithm on another machine cannot change a pick.
        ranked = sorted(range(len(scores)), key=lambda i: (-round(scores[i], 9), self._ties[i], i))
        return [i for i in ranked if self._documents[i] != query][:k]


def words(value: JSON) -> list[str]:
    """The words of all texts, numbers and truth values inside a value, in lower case; keys do not count."""
    if isinstance(value, Mapping):
        return [word for item in value.values() for word in words(item)]
    if isinstance(value, list):
        return [word for item in value for word in words(item)]
    return [] if value is None else _WORD.findall(str(value).lower())
