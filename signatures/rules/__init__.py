"""Rules that pick demonstrations per query. Pure Python, the same picks on every machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ..errors import SchemaError
from .bm25 import BM25 as BM25
from .tfidf import TfIdf as TfIdf
from .vectors import Vectors as Vectors
from .vectors import question as question

if TYPE_CHECKING:
    from ..prompt import DemoRule, Template

SELECTORS = ("bm25", "tfidf", "vectors")
ORDERS = ("closest_last", "closest_first", "as_pooled")


class Index(Protocol):
    """What a rule looks demonstrations up in."""

    def nearest(self, query: str, k: int, vector: str | None = None) -> list[int]:
        """The k closest demonstrations, the closest first; never one whose inputs are the query's.

        query: canonical JSON text of the query's inputs. vector: of the query, for an index of vectors.
        """
        ...


def check_rule(rule: DemoRule) -> None:
    """Raises SchemaError on a rule that names an unknown selector or order, picks none, or lacks its encoder."""
    if rule.selector not in SELECTORS:
        raise SchemaError(f"selector {rule.selector!r} is unknown. Known: {', '.join(SELECTORS)}.")
    if rule.order not in ORDERS:
        raise SchemaError(f"order {rule.order!r} is unknown. Known: {', '.join(ORDERS)}.")
    if rule.k < 1:
        raise SchemaError(f"a rule with k={rule.k} picks no demonstration. Give k of at least 1.")
    if rule.selector == "vectors" and not rule.encoder:
        raise SchemaError(
            "a rule that compares vectors names their encoder. Give it: DemoRule('vectors', encoder=bench.encoder)."
        )
    if rule.selector != "vectors" and rule.encoder is not None:
        raise SchemaError(f"a rule with the selector {rule.selector!r} compares words and takes no encoder.")


def pick(template: Template, query: str, vector: str | None = None) -> list[int]:
    """Which demonstrations stand in front of this query, in the order shown: indices into `template.demos`.

    query: canonical JSON text of the query's inputs. A demonstration with equal inputs is never picked; equally close
    ones are told apart by the digest of their inputs. vector: of the query, as `vectors.quantised` writes it, where the
    rule compares vectors. Raises SchemaError on a template without a rule, or where the vector is missing.
    """
    if template.rule is None:
        raise SchemaError("this template has no rule: its demonstrations are fixed. Use all of them.")
    nearest = template.demo_index.nearest(query, template.rule.k, vector)
    if template.rule.order == "as_pooled":
        return sorted(nearest)
    return nearest if template.rule.order == "closest_first" else nearest[::-1]


def index_of(template: Template) -> Index:
    """What the rule of a template looks demonstrations up in."""
    selector = template.rule.selector if template.rule is not None else ""
    if selector == "vectors":
        return Vectors(template.demo_inputs, template.demo_vectors)
    return TfIdf(template.demo_inputs) if selector == "tfidf" else BM25(template.demo_inputs)
