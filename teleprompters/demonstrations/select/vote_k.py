"""Vote-k: rows that many rows are near to, spread over the pool; in full, also rows that the program is unsure of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ....signatures.canonical import canonical
from ...draws import shuffled
from ...label_signals import SAMPLES, distributions, sampled
from ...pairs import from_trace
from ..base import FEW_LABELS, Chosen, Selector, Shot, Signal, Supply
from ..vectors import cosines, embedding_calls, question_vectors
from .signals import CHOOSING

if TYPE_CHECKING:
    from ..vectors import Floats

SURE = 10  # one in so many, the rows that the program is surest of, is not chosen from


@dataclass(frozen=True)
class VoteK(Selector):
    """One set by votes: each row votes for the rows nearest to it, and counts less once it voted for a chosen one.

    A step takes the shot u with the largest sum, over the rows v that vote for it and are not chosen, of
    10 ** -(times that v has voted for a chosen one).
    fast: all k by votes, at no cost. False: about half of them by votes, at most `first`; with these shown the program
        is run on the others, which are put in order by its confidence, the least sure first and without the surest
        tenth, and cut into equal slices; of each slice the shot with the most votes is taken.
    neighbours: how many rows a row votes for; at most the pool divided by k, so that k shots share out the rows between
        them, as 18 shots with 150 neighbours do in the paper's pools of 3000.
    samples: replies a row where the LM gives no label probabilities.

    Confidence is the probability of the likeliest class where rows have few different answers and the program has one
    predictor; else the share of `samples` replies at temperature 1 with the same answer. Equal confidences: the row
    less like those shown is the less sure. In full it costs a call a row and class, or `samples` executions a row; as
    many rows as there is money for, drawn at random, and votes alone where it is too little.
    Without an encoder vectors are TF-IDF. Raises ValueError on settings below 1, and samples below 2.
    Source: Su et al. 2022, arXiv 2209.01975, where it chooses what to annotate. Differs on purpose: there confidence is
    the mean log-probability of the reply, and demonstrations are retrieved for each row; here all that were voted for
    are shown, which makes one candidate of them.
    """

    signals: ClassVar[tuple[Signal, ...]] = ("embeddings",)

    fast: bool = True
    neighbours: int = 150
    first: int = 10
    samples: int = SAMPLES

    def __post_init__(self) -> None:
        for name, least in (("neighbours", 1), ("first", 1), ("samples", 2)):
            if getattr(self, name) < least:
                raise ValueError(f"VoteK({name}={getattr(self, name)}) is too few. Give at least {least}.")

    def select(self, supply: Supply) -> Iterator[Chosen]:
        if not supply.shots:
            return
        k, everyone = min(supply.k, len(supply.shots)), range(len(supply.shots))
        similar = cosines(question_vectors(supply))
        ballot = Ballot(similar, max(1, min(self.neighbours, len(supply.shots) // k)))
        by_votes = k if self.fast else self._first(k)
        reasons = {}
        for _ in range(by_votes):
            place = ballot.winner(everyone)
            reasons[place] = f"voted for by {len(ballot.voters[place])} rows"
        unsure = self._by_confidence(supply, similar, list(ballot.chosen), k - by_votes) if by_votes < k else {}
        for members in _slices(list(unsure), k - by_votes):
            place = ballot.winner(members)
            reasons[place] = f"most votes among rows as sure as {unsure[place]:.2f}"
        while len(reasons) < k:
            place = ballot.winner(everyone)
            reasons[place] = f"voted for by {len(ballot.voters[place])} rows"
        yield Chosen(tuple(supply.shots[place] for place in reasons), tuple(reasons.values()))

    def cost(self, shots: int, k: int, dev: int) -> int:
        asked = 0 if self.fast else max(0, shots - self._first(k))
        return asked * max(self.samples, min(FEW_LABELS, shots // 2))

    def embeddings(self, shots: int, k: int, dev: int) -> int:
        return embedding_calls(shots)

    def _first(self, k: int) -> int:
        return min(self.first, -(-k // 2))

    def _by_confidence(self, supply: Supply, similar: Floats, shown: Sequence[int], wanted: int) -> dict[int, float]:
        """How sure the program is of the rows not shown, the least sure first, without the surest."""
        rest = [place for place in range(len(supply.shots)) if place not in shown]
        by_labels = len(supply.candidate.predictors) == 1 and len(supply.classes) > 1
        each = max(self.samples, len(supply.classes)) if by_labels else self.samples
        affordable = int(CHOOSING * supply.money) // each
        asked = shuffled(rest, supply.bench.rng(f"vote-k of {supply.predictor}"))[:affordable]
        if len(asked) < wanted:
            supply.bench.log("vote-k by votes alone", predictor=supply.predictor, money=supply.money)
            return {}
        shots = [supply.shots[place] for place in asked]
        confidence = (self._probabilities if by_labels else self._agreement)(
            supply, [supply.shots[place] for place in shown], shots
        )
        sure = dict(zip(asked, confidence, strict=True))
        ranked = sorted(sure, key=lambda place: (sure[place], similar[place, shown].max(), place))
        kept = ranked[: max(wanted, len(ranked) - len(ranked) // SURE)]
        return {place: sure[place] for place in kept}

    def _probabilities(self, supply: Supply, shown: Sequence[Shot], shots: Sequence[Shot]) -> list[float]:
        rows = [shot.row for shot in shots]
        found = distributions(supply.bench, supply.showing(shown), rows, supply.labels(), n=self.samples)
        return [round(max(row), 9) for row in found.probabilities]

    def _agreement(self, supply: Supply, shown: Sequence[Shot], shots: Sequence[Shot]) -> list[float]:
        """The share of the replies that give each row's most frequent answer; what cannot be read agrees with none."""
        candidate, rows = supply.showing(shown), [shot.row for shot in shots]
        answers: list[Counter[str]] = [Counter() for _ in rows]
        for number in range(self.samples):
            for counts, outcome in zip(answers, supply.bench.predict(sampled(candidate, number), rows), strict=True):
                values = None if outcome.failure else from_trace(outcome, supply.predictor, supply.schema)
                if values is not None:
                    counts[canonical({name: values.get(name) for name in supply.answered})] += 1
        supply.bench.log("confidence by agreement", predictor=supply.predictor, rows=len(rows), n=self.samples)
        return [max(counts.values(), default=0) / self.samples for counts in answers]


class Ballot:
    """Who votes for whom, and how often each voter has been heard.

    similar: a square matrix of cosines. neighbours: how many others each row votes for, those most like it.
    """

    def __init__(self, similar: Floats, neighbours: int) -> None:
        self.voters: list[list[int]] = [[] for _ in similar]
        self.chosen: list[int] = []
        self._heard = [0] * len(similar)
        for voter, row in enumerate(similar):
            others = [other for other in range(len(row)) if other != voter]
            for other in sorted(others, key=lambda place: (-row[place], place))[:neighbours]:
                self.voters[other].append(voter)

    def votes(self, place: int) -> float:
        return sum(10.0 ** -self._heard[voter] for voter in self.voters[place] if voter not in self.chosen)

    def winner(self, places: Sequence[int]) -> int:
        """The one of these with the most votes that is not chosen yet, which is then chosen. Equal votes: the first."""
        best = max(
            (place for place in places if place not in self.chosen), key=lambda place: (self.votes(place), -place)
        )
        self.chosen.append(best)
        for voter in self.voters[best]:
            self._heard[voter] += 1
        return best


def _slices(items: Sequence[int], count: int) -> Iterator[Sequence[int]]:
    """`count` parts of about equal size, none of them empty; none at all without items."""
    for number in range(count if items else 0):
        yield items[number * len(items) // count : (number + 1) * len(items) // count]
