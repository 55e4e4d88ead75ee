"""Cover-LS: rows whose outputs show, between them, the patterns that outputs are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from ....signatures.rules.ranking import words
from ..base import Chosen, Selector, Supply
from ..structures import is_plain, local_structures, named_values, template_of, tree_of


@dataclass(frozen=True)
class CoverLS(Selector):
    """One set that greedily covers the local structures of the pool's outputs, each weighing as many as rows have it.

    For outputs that are JSON, code, calls or S-expressions. Each becomes a tree without its constants, whose local
    structures are chains from parent to child and parents with neighbouring children. A step takes the shot that adds
    the most weight, never one that differs from an earlier one in constants alone; when nothing is left to cover, it
    begins again with nothing covered. A share of the whole weight is how much of a row's output, on average, was shown.
    size: nodes in the largest structure. Where no output has any structure, words of the inputs are covered instead
    (Cover-Utt in the paper), and the log says so.

    Costs nothing. Raises ValueError on size below 1.
    Source: Levy et al. 2022, arXiv 2212.06800. Differs on purpose: the paper covers what a first
    parse of each query needs, by the rows of highest BM25; a frozen file makes no first call, so this fixed set covers
    what the pool as a whole needs, and structures weigh by their frequency, not by their size.
    """

    size: int = 4

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"CoverLS(size={self.size}) has no structures. Give at least 1.")

    def select(self, supply: Supply) -> Iterator[Chosen]:
        if not supply.shots:
            return
        names = named_values(supply.schema.by_name[name] for name in supply.answered)
        outputs = [[shot.demo.values.get(name) for name in supply.answered] for shot in supply.shots]
        trees = [[tree_of(value, names) for value in values] for values in outputs]
        parts: list[frozenset[Hashable]]
        if all(is_plain(tree) for of_shot in trees for tree in of_shot):
            supply.bench.log("outputs without structure: words of the inputs are covered", predictor=supply.predictor)
            parts = [frozenset(words(supply.question(shot))) for shot in supply.shots]
            templates, what = [str(number) for number in range(len(parts))], "words"
        else:
            parts = [
                frozenset((n, one) for n, tree in enumerate(of_shot) for one in local_structures(tree, self.size))
                for of_shot in trees
            ]
            templates, what = ["\n".join(map(template_of, of_shot)) for of_shot in trees], "structures"
        steps = list(covering(parts, templates, supply.k))
        yield Chosen(
            tuple(supply.shots[place] for place, _ in steps),
            tuple(f"{added} {what} that those before it do not have" for _, added in steps),
        )

    def cost(self, shots: int, k: int, dev: int) -> int:
        return 0


def covering(parts: Sequence[AbstractSet[Hashable]], templates: Sequence[str], k: int) -> Iterator[tuple[int, int]]:
    """Numbers of k sets in the order taken, each with how many parts it added. Equal gains: the earlier one."""
    weight = Counter(part for one in parts for part in one)
    left = list(range(len(parts)))
    covered: set[Hashable] = set()
    shown: set[str] = set()
    for _ in range(min(k, len(parts))):
        fresh = [number for number in left if templates[number] not in shown and parts[number] - covered]
        if not fresh:
            covered, shown, fresh = set(), set(), left
        best = max(fresh, key=lambda number: (sum(weight[part] for part in parts[number] - covered), -number))
        yield best, len(parts[best] - covered)
        covered |= parts[best]
        shown.add(templates[best])
        left.remove(best)
