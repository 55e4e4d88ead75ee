"""Demonstrations: any selector with any orderer, for each predictor in turn; the best set on dev stays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ...signatures.candidate import Candidate
from ...signatures.errors import SchemaError
from ...signatures.example import Example
from ..asking import check_kinds
from ..base import Forecast, Origin, Round, Sizes, Teleprompter, Workbench
from ..instruction_search import Purse, round_of
from ..wording import counted, of_predictors
from .base import Chosen, Orderer, Selector, Supply
from .order.simple import AsGiven
from .select.random_sets import Random
from .supply import Source, supply_of

MOST_SETS = 64  # where the budget would allow more: the best of 64 sets is hardly ever beaten by the next one
TRIAL = 1  # execution on the longest row, to see whether a set fits


@dataclass(frozen=True)
class Demonstrations(Teleprompter):
    """Chooses demonstrations with `select`, puts them in order with `order`, and keeps the best set on dev.

    Predictors are taken in turn, in the program's order, each with its own sets, the others held at their best. Where a
    predictor's outputs are columns of the data, rows are shown with their labels; where they are not, with what the
    program itself did on rows that it got right.

    select, order: a selector and an orderer (see `teleprompters.demonstrations`). Every set that they give is scored on
        all of dev, beside what there was, while the budget lasts, `MOST_SETS` at most.
    k: demonstrations in a set (fewer when there are fewer rows). When the prompt is longer than the context of the LM
        the least relevant one is left out, and again, and the log says so.
    source: "labelled" or "bootstrapped": shown what the program did also where there are labels.
    threshold: the score from which an execution counts as right.

    Raises ValueError on k below 1, an unknown source, and what is no selector or orderer.
    """

    select: Selector = Random(sets=10)
    order: Orderer = AsGiven()
    k: int = 4
    source: Source = "labelled"
    threshold: float = 1.0

    def __post_init__(self) -> None:
        check_kinds(
            "Demonstrations",
            select=(self.select, Selector),
            order=(self.order, Orderer),
            threshold=(self.threshold, int | float),
        )
        if self.k < 1:
            raise ValueError(f"Demonstrations(k={self.k}) shows nothing. Give at least 1.")
        if self.source not in ("labelled", "bootstrapped"):
            raise ValueError(f"Demonstrations(source={self.source!r}): known are 'labelled' and 'bootstrapped'.")

    def refusal(self, student: Candidate) -> str:
        return self.select.refusal(student)

    def unfit_rows(self, student: Candidate, pool: Sequence[Example]) -> str:
        return self.select.unfit_rows(student, pool)

    def search(self, bench: Workbench) -> Iterator[Round]:
        bench.score([bench.student])
        paths = bench.student.predictors
        for turn, predictor in enumerate(paths):
            left = bench.remaining.expected
            purse = Purse(bench, left - left // (len(paths) - turn))
            start = bench.known[0].candidate
            supply = supply_of(
                bench,
                start,
                predictor,
                k=self.k,
                money=_for_choosing(purse),
                source=self.source,
                threshold=self.threshold,
            )
            tried: set[Candidate] = set()
            for chosen in self._sets(supply, purse):
                candidate = supply.shown(chosen)
                if candidate in tried:
                    continue
                tried.add(candidate)
                bench.score([candidate], origin=self._origin(supply, chosen), parents=[start])
                yield round_of(bench, f"{predictor}: set {len(tried)}", [candidate])
                if len(tried) == MOST_SETS:
                    break
            if not tried:
                yield round_of(bench, f"{predictor}: no set")

    def forecast(self, sizes: Sizes) -> Forecast:
        predictors, k = max(1, sizes.predictors), min(self.k, sizes.pool)
        embeddings = 0
        if sizes.encoder:
            embeddings = self.select.embeddings(sizes.pool, k, sizes.dev) + self.order.embeddings(k, sizes.pool)
        share = max(0, sizes.executions // predictors - embeddings)
        choosing, ordering = self.select.cost(sizes.pool, k, sizes.dev), self.order.cost(k, sizes.dev)
        first = choosing + ordering + embeddings
        # A set is put in order before it is known whether the money still scores it: one more than can be scored.
        sets = min(MOST_SETS, share // max(1, ordering + sizes.dev) + 1)
        asked = self.select.asks(sizes.pool, k, sizes.dev) + sets * self.order.asks(k, sizes.dev)
        asks = min(asked, max(0, share - sizes.dev))
        executions = min(share - asks, choosing + sets * ordering - asked + MOST_SETS * sizes.dev)
        name, order = type(self.select).__name__, type(self.order).__name__
        cost = f"about {counted(first, 'call')}" if first else "without a call"
        return Forecast(
            asks=predictors * asks,
            executions=predictors * executions,
            summary=f"Demonstrations: sets of {self.k} for {of_predictors(predictors)}, chosen by {name} "
            f"({cost}), ordered by {order}, each scored on {counted(sizes.dev, 'row')} of dev.",
            reply_tokens=max(self.select.reply_tokens, self.order.reply_tokens),
            embeddings=predictors * embeddings,
        )

    @property
    def embeds_queries(self) -> bool:
        return self.select.embeds_queries

    def _sets(self, supply: Supply, purse: Purse) -> Iterator[Chosen]:
        """Sets in order, each only when it can be scored whole; choosing and ordering get what is left by then."""
        dev = len(supply.bench.dev)
        sets = self.select.select(replace(supply, money=_for_choosing(purse))) if supply.shots else iter(())
        while purse.left >= dev and (chosen := next(sets, None)) is not None:
            if purse.left < dev or (fits := fitting(supply, chosen)) is None:
                continue
            orders = self.order.arrange(replace(supply, money=max(0, purse.left - dev)), fits)
            while purse.left >= dev - TRIAL and (arranged := next(orders, None)) is not None:
                # The trial of the set as it was chosen is a row of its score.
                if purse.left >= dev - (TRIAL if arranged == fits else 0):
                    yield arranged

    def _origin(self, supply: Supply, chosen: Chosen) -> Origin:
        reasons = dict(zip((shot.row.digest for shot in chosen.shots), chosen.reasons, strict=True))
        # A rule's pool may be the whole of the data: its reason is said once.
        shown = {"rule": chosen.rule.to_json(), "reason": chosen.reasons[0]} if chosen.rule else {"rows": reasons}
        names = {"select": type(self.select).__name__, "order": type(self.order).__name__}
        return Origin("Demonstrations", "demonstrations", {"predictor": supply.predictor, **names, **shown})


def _for_choosing(purse: Purse) -> int:
    """All that is left, but for what trying and scoring one set takes."""
    return max(0, purse.left - TRIAL - len(purse.bench.dev))


def fitting(supply: Supply, chosen: Chosen) -> Chosen | None:
    """The set without its least relevant shots where the context is full; None when none of it can be shown.

    Tried on the longest row of dev, which is executed first and not paid for again.
    """
    bench, longest = supply.bench, max(supply.bench.dev, key=lambda row: (len(row.data), row.digest))
    while chosen.shots:
        try:
            candidate = supply.shown(chosen)
            _ = candidate.digest  # rendered here, where it can still be left out
        except SchemaError as error:
            bench.log("demonstrations not shown", predictor=supply.predictor, reason=str(error))
            return None
        ran, bare = (bench.predict(one, [longest])[0] for one in (candidate, bench.student))
        if ran.failure != "overflow" or bare.failure == "overflow":  # then it is the row that is too long
            return chosen
        bench.log("demonstration left out: context full", predictor=supply.predictor, row=chosen.shots[-1].row.digest)
        chosen = chosen.without_last()
    return None
