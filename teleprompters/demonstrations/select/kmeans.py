"""k-means representatives: the pool in k clusters, and of each the row nearest to its centre."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..base import Chosen, Selector, Signal, Supply
from ..vectors import EXACT, embedding_calls, question_vectors

if TYPE_CHECKING:
    from ..vectors import Floats

ROUNDS = 100  # of assigning and averaging, at most; some ten do on pools of hundreds


@dataclass(frozen=True)
class KMeans(Selector):
    """One set: the pool's inputs in k clusters, each represented by the row nearest to its centre, the largest first.

    starts: seedings (k-means++); the clusters with the least squared distance in all are kept, since seeds matter.
    balanced: clusters are made within each class, which gets an equal share of them; False: whatever the labels.

    Vectors are the encoder's, every dimension standardised over the pool; or, without an encoder, TF-IDF as it is,
    where standardising would make a word of one row weigh more than any other. Fewer shots than k where the rows have
    fewer different vectors. Costs no call but the encoder's. Raises ValueError on starts below 1.
    Source: MacQueen 1967; seeding by Arthur and Vassilvitskii 2007; as a choice of demonstrations in Zhang et al. 2022,
    arXiv 2210.03493 (Auto-CoT). Differs on purpose: the best of several seedings.
    """

    signals: ClassVar[tuple[Signal, ...]] = ("embeddings",)

    starts: int = 8
    balanced: bool = False

    def __post_init__(self) -> None:
        if self.starts < 1:
            raise ValueError(f"KMeans(starts={self.starts}) makes no clusters. Give at least 1.")

    def select(self, supply: Supply) -> Iterator[Chosen]:
        if not supply.shots:
            return
        vectors = question_vectors(supply)
        if supply.bench.encoder is not None:
            vectors = standardised(vectors)
        rng = supply.bench.rng(f"k-means of {supply.predictor}")
        found: list[tuple[int, int]] = []  # how large a cluster is, and the shot that stands for it
        for members, k in self._shares(supply):
            clusters = tightest(vectors[members], k, self.starts, rng)
            found += [(size, members[nearest]) for size, nearest in clusters.representatives()]
        found.sort(key=lambda one: (-one[0], one[1]))
        yield Chosen(
            tuple(supply.shots[place] for _, place in found),
            tuple(f"nearest to the centre of {size} rows" for size, _ in found),
        )

    def cost(self, shots: int, k: int, dev: int) -> int:
        return 0

    def embeddings(self, shots: int, k: int, dev: int) -> int:
        return embedding_calls(shots)

    def _shares(self, supply: Supply) -> Iterator[tuple[list[int], int]]:
        """Which shots are clustered together, and into how many clusters."""
        everywhere, k = list(range(len(supply.shots))), min(supply.k, len(supply.shots))
        if not self.balanced or not supply.classes:
            yield everywhere, k
            return
        # An equal share for each class, the frequent ones first; what small classes cannot use goes to the others.
        groups = [[n for n in everywhere if supply.answer(supply.shots[n]) == answer] for answer in supply.classes]
        shares = [0] * len(groups)
        while sum(shares) < k:
            open_groups = [n for n, group in enumerate(groups) if shares[n] < len(group)]
            shares[min(open_groups, key=lambda n: (shares[n], n))] += 1
        yield from ((group, share) for group, share in zip(groups, shares, strict=True) if share)


@dataclass(frozen=True, eq=False)
class Clusters:
    """owner: for each row the number of its cluster. distance: the squared distance to that cluster's centre."""

    owner: tuple[int, ...]
    distance: tuple[float, ...]

    @property
    def spread(self) -> float:
        return round(sum(self.distance), EXACT)

    def representatives(self) -> list[tuple[int, int]]:
        """For each cluster how many rows it has, and which of them is the nearest to the centre."""
        members = [[row for row, owner in enumerate(self.owner) if owner == one] for one in sorted(set(self.owner))]
        return [(len(rows), min(rows, key=lambda row: (self.distance[row], row))) for rows in members]


def tightest(rows: Floats, k: int, starts: int, rng: random.Random) -> Clusters:
    """The clusters with the least squared distance in all, of so many seedings."""
    return min((clustered(rows, k, rng) for _ in range(starts)), key=lambda made: made.spread)


def clustered(rows: Floats, k: int, rng: random.Random) -> Clusters:
    """Lloyd's algorithm from a k-means++ seeding; at most k clusters, none of them empty."""
    import numpy as np

    centres = seeded(rows, k, rng)
    owner = None
    for _ in range(ROUNDS):
        squares = squared_distances(rows, centres)
        assigned = squares.argmin(axis=1)
        if owner is not None and (assigned == owner).all():
            break
        owner = assigned
        left = squares[np.arange(len(rows)), owner]
        for number in range(len(centres)):
            if (owner == number).any():
                centres[number] = rows[owner == number].mean(axis=0)
            else:  # it lost all of its rows: it starts again where the others are worst
                centres[number] = rows[left.argmax()]
                left[left.argmax()] = 0.0
    squares = squared_distances(rows, centres)
    assigned = squares.argmin(axis=1)
    return Clusters(tuple(map(int, assigned)), tuple(map(float, squares.min(axis=1))))


def seeded(rows: Floats, k: int, rng: random.Random) -> Floats:
    """k rows, each drawn with a chance in proportion to its squared distance to those before; fewer if all are at 0."""
    import numpy as np

    chosen = [int(rng.random() * len(rows))]
    while len(chosen) < k:
        chances = np.cumsum(squared_distances(rows, rows[chosen]).min(axis=1))
        if chances[-1] <= 0:
            break
        chosen.append(int(np.searchsorted(chances, rng.random() * chances[-1], side="right")))
    return rows[chosen]


def squared_distances(rows: Floats, centres: Floats) -> Floats:
    """A row for each row, a column for each centre."""
    import numpy as np

    squares = (rows**2).sum(axis=1)[:, None] - 2 * rows @ centres.T + (centres**2).sum(axis=1)[None, :]
    clean: Floats = np.round(np.maximum(squares, 0.0), EXACT)
    return clean


def standardised(rows: Floats) -> Floats:
    """Every column with mean 0 and standard deviation 1; a column without any spread becomes 0."""
    import numpy as np

    spread = rows.std(axis=0)
    scaled: Floats = (rows - rows.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return scaled
