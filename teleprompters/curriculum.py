"""CurriculumICL: demonstrations in the order in which one would teach them, beside the orders that it has to beat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from ..signatures.candidate import Candidate
from ..signatures.example import Example
from .asking import check_kinds
from .base import Forecast, Origin, Round, Score, Sizes, Teleprompter, Workbench
from .demonstrations.base import Chosen, Selector, Supply
from .demonstrations.demonstrations import TRIAL, fitting
from .demonstrations.difficulty import Difficulty, Judge, LabelLogProbability, SuccessRate
from .demonstrations.order.curriculum import EasyToHard
from .demonstrations.pacing import LLMScheduler, Pacing
from .demonstrations.select.bm25 import BM25
from .demonstrations.select.knn import Nearest
from .demonstrations.select.random_sets import Random
from .demonstrations.supply import MOST_SHOTS, Source, supply_of
from .draws import shuffled
from .instruction_search import Purse, note_cuts, round_of
from .wording import counted, of_predictors

Level: TypeAlias = Literal["corpus", "instance"]
Order: TypeAlias = Literal["easy to hard", "hard to easy", "random"]

MOST_SETS = 10  # where the budget would allow more: as many as the usual baseline, the best of ten random sets
LEAST_SETS = 4  # shots for so many sets are worth more than the controls
ORDERS = 3  # of every set: the curriculum and its two controls
RESHUFFLES = 20  # until a random order is neither of the others; of two shots none is


@dataclass(frozen=True)
class CurriculumICL(Teleprompter):
    """In-context curriculum learning: easy demonstrations first, the hardest nearest to the question.

    Every set is scored on all of dev in three orders: from easy to hard, from hard to easy, and at random. The best of
    all ships, and its origin in the frozen file says which order it has. Predictors are taken in turn, the others held
    at their best; outputs that are no columns are demonstrated by what the program itself did right.

    level: "corpus": k shots, the same for every query, with every class among them. "instance": a rule picks k shots
        for each query, which then stand by difficulty (the pool is sorted once, and the rule leaves its order alone).
    difficulty: how hard a shot is: SuccessRate(), LabelLogProbability(), Judge() or Length().
    scheduler: None: strictly by difficulty. A pacing, such as Root(): sets are drawn from the whole pool, place by
        place from the share of it that is open by then. LLMScheduler(): the optimizer LM arranges the set; nothing is
        measured. Both at corpus level only.
    k: demonstrations that are shown. sets: to be compared, at corpus level; None: as many as the budget scores, at most
        10. select: where sets come from, or a selector with a rule at instance level; None: random sets, or BM25().
    source, threshold: as in `Demonstrations`.

    Where the money is short later sets go first, then the controls, then shots and samples that are measured; what is
    left out is in the log. Raises ValueError on sizes below 1 and settings that do not go together.
    Source: Liu et al. 2024, arXiv 2402.10738. Differs on purpose: the controls, without which an order is a belief (in
    the paper not every LM gains); equally hard shots take turns by label, so that a curriculum is no order by label.
    """

    level: Level = "corpus"
    difficulty: Difficulty = SuccessRate()
    scheduler: Pacing | LLMScheduler | None = None
    k: int = 5
    sets: int | None = None
    select: Selector | None = None
    source: Source = "labelled"
    threshold: float = 1.0

    def __post_init__(self) -> None:
        check_kinds(
            "CurriculumICL",
            difficulty=(self.difficulty, Difficulty),
            scheduler=(self.scheduler, Pacing | LLMScheduler | None),
            select=(self.select, Selector | None),
            threshold=(self.threshold, int | float),
        )
        if self.k < 1 or (self.sets is not None and self.sets < 1):
            raise ValueError(f"CurriculumICL(k={self.k}, sets={self.sets}): both are at least 1.")
        if self.level not in ("corpus", "instance"):
            raise ValueError(f"CurriculumICL(level={self.level!r}): known are 'corpus' and 'instance'.")
        if self.source not in ("labelled", "bootstrapped"):
            raise ValueError(f"CurriculumICL(source={self.source!r}): known are 'labelled' and 'bootstrapped'.")
        if self.level == "instance" and self.scheduler is not None:
            raise ValueError(
                f"CurriculumICL(level='instance', scheduler={self.scheduler}): what a rule picks stands in the order "
                "of its pool, by difficulty. Leave the scheduler out, or take level='corpus'."
            )
        if isinstance(self.scheduler, Pacing) and self.select is not None:
            raise ValueError(
                f"CurriculumICL(scheduler={self.scheduler}, select={self.select}): a pacing draws the sets itself. "
                "Leave one of them out."
            )

    @classmethod
    def paper(cls, **changes: Any) -> CurriculumICL:
        """The published setting at corpus level: one set of 5 with every class, arranged by judgement.

        Five people ranked the demonstrations there; here the optimizer LM rates them, as in the first version.
        Source: Liu et al. 2024, arXiv 2402.10738.
        """
        return cls(**{"difficulty": Judge(), "sets": 1, **changes})

    @classmethod
    def reference(cls, **changes: Any) -> CurriculumICL:
        """The released code at instance level: the 5 nearest, sorted by the perplexity of their labels.

        Nearest by TF-IDF; with an encoder, as there, `reference(select=Nearest("encoder"))`.
        Source: github.com/61peng/curri_learning.
        """
        return cls(**{"level": "instance", "difficulty": LabelLogProbability(), "select": Nearest(), **changes})

    def refusal(self, student: Candidate) -> str:
        return self.select.refusal(student) if self.select is not None else ""

    def unfit_rows(self, student: Candidate, pool: Sequence[Example]) -> str:
        return self.select.unfit_rows(student, pool) if self.select is not None else ""

    def search(self, bench: Workbench) -> Iterator[Round]:
        bench.score([bench.student])
        paths = bench.student.predictors
        for turn, predictor in enumerate(paths):
            left = bench.remaining.expected
            yield from self._teach(bench, predictor, Purse(bench, left - left // (len(paths) - turn)))

    def forecast(self, sizes: Sizes) -> Forecast:
        predictors = max(1, sizes.predictors)
        embeddings = 0
        if sizes.encoder and self.select is not None:
            embeddings = self.select.embeddings(sizes.pool, min(self.k, sizes.pool), sizes.dev)
        share = max(0, sizes.executions // predictors - embeddings)
        if share < _least(sizes.dev):
            needs = _least(sizes.dev) + embeddings
            return Forecast(0, 0, f"CurriculumICL: nothing; one set takes at least {needs} calls for each predictor.")
        money = self._to_measure(share, sizes.dev)
        shots = min(sizes.pool, self._measurable(money))
        once = min(self._for_pool(money), self.difficulty.cost(shots)) if self._measures_pool else 0
        each = self._cost_of_set(sizes.dev)
        sets = 1 if self.level == "instance" else min(self.sets or MOST_SETS, max(1, (share - once) // each))
        measuring = min(money, once + sets * self._measuring)
        scheduler = self.scheduler if isinstance(self.scheduler, LLMScheduler) else None
        asked = measuring if "optimizer LM" in (scheduler or self.difficulty).signals else 0
        executions = min(share, measuring + sets * (each - self._measuring)) - asked
        return Forecast(
            asks=predictors * asked,
            executions=predictors * max(0, executions),
            summary=f"CurriculumICL: for {of_predictors(predictors)} {counted(sets, 'set')} of {self.k} at "
            f"{self.level} level, about {counted(measuring, 'call')} to put them in order, and each scored on "
            f"{counted(sizes.dev, 'row')} of dev from easy to hard, from hard to easy and at random.",
            reply_tokens=scheduler.max_tokens if scheduler else self.difficulty.reply_tokens,
            embeddings=predictors * embeddings,
        )

    @property
    def embeds_queries(self) -> bool:
        return self.select is not None and self.select.embeds_queries

    # sizes

    @property
    def _measures_pool(self) -> bool:
        """Whether the whole supply is measured once, and not each set."""
        return self.level == "instance" or isinstance(self.scheduler, Pacing)

    @property
    def _measuring(self) -> int:
        """What it takes to put one more set in order."""
        if isinstance(self.scheduler, LLMScheduler):
            return self.scheduler.cost(self.k, 0)
        return 0 if self._measures_pool else self.difficulty.cost(self.k)

    def _cost_of_set(self, dev: int) -> int:
        return self._measuring + TRIAL + ORDERS * dev

    def _to_measure(self, left: int, dev: int) -> int:
        """What is for measuring and traces: all but three full scores, or, rather than next to nothing, all but one."""
        left -= TRIAL
        return max(0, left - ORDERS * dev, min(left - dev, self.difficulty.cost(LEAST_SETS * self.k)))

    def _measurable(self, money: int) -> int:
        """How many shots a supply may have: as many as can be measured whole, and enough to choose from."""
        if not self._measures_pool:
            return MOST_SHOTS
        least, money = min(MOST_SHOTS, LEAST_SETS * self.k), self._for_pool(money)
        return next((count for count in range(MOST_SHOTS, least, -1) if self.difficulty.cost(count) <= money), least)

    def _for_pool(self, money: int) -> int:
        """What measuring the pool may take: where several sets are to be scored, one half."""
        return money if self.level == "instance" else money // 2

    # lessons

    def _teach(self, bench: Workbench, predictor: str, purse: Purse) -> Iterator[Round]:
        start, dev = bench.known[0].candidate, len(bench.dev)
        if purse.left < _least(dev):
            bench.log("budget too small for a set", predictor=predictor, left=purse.left)
            yield round_of(bench, f"{predictor}: no set")
            return
        money = self._to_measure(purse.left, dev)
        supply = supply_of(
            bench,
            start,
            predictor,
            k=self.k,
            money=money,
            source=self.source,
            threshold=self.threshold,
            most=self._measurable(money),
        )
        supply = replace(supply, money=self._to_measure(purse.left, dev))  # what traces have left
        number = 0
        for lesson in self._lessons(supply):
            number += 1
            scores = self._compare(supply, lesson, purse, number, start)
            best = max(scores, key=lambda order: scores[order].mean)
            yield round_of(bench, f"{predictor}: set {number}, {best}", [score.candidate for score in scores.values()])
            # The first set is always tried; later ones only when they can be measured and scored whole.
            if number == (self.sets or MOST_SETS):
                return
            if purse.left < self._cost_of_set(dev):
                note_cuts(self, bench, predictor, sets=number)
                return
        if not number:
            yield round_of(bench, f"{predictor}: no set")

    def _compare(
        self, supply: Supply, lesson: dict[Order, Chosen], purse: Purse, number: int, start: Candidate
    ) -> dict[Order, Score]:
        bench = supply.bench
        scores: dict[Order, Score] = {}
        for order, chosen in lesson.items():
            if scores and purse.left < len(bench.dev):
                bench.log("control left out", predictor=supply.predictor, order=order, reason="the budget")
                continue
            origin = self._origin(supply, chosen, order, number)
            scores[order] = bench.score([supply.shown(chosen)], origin=origin, parents=[start])[0]
        means = {order: score.mean for order, score in scores.items()}
        bench.log("orders compared", predictor=supply.predictor, set=number, **means)
        return scores

    def _lessons(self, supply: Supply) -> Iterator[dict[Order, Chosen]]:
        """Each set in its three orders. Those that are the same (one shot has only one order) are given once."""
        rng = supply.bench.rng(f"random order of a curriculum of {supply.predictor}")
        for taught in self._taught(supply):
            places = list(range(len(taught.shots)))
            drawn = [shuffled(places, rng) for _ in range(RESHUFFLES)]
            # A control that happens to be the curriculum would control nothing.
            mixed = next((order for order in drawn if order not in (places, places[::-1])), places)
            orders: dict[Order, list[int]] = {"easy to hard": places, "hard to easy": places[::-1], "random": mixed}
            names: dict[tuple[int, ...], Order] = {}
            for name, order in orders.items():
                names.setdefault(tuple(order), name)
            yield {name: taught.arranged(order) for order, name in names.items()}

    def _taught(self, supply: Supply) -> Iterator[Chosen]:
        """Sets, or one rule's pool, in teaching order."""
        if not supply.shots:
            return
        if isinstance(self.scheduler, Pacing):
            yield from self._paced(supply, self.scheduler)
            return
        order = self.scheduler or EasyToHard(self.difficulty)
        select = self.select or (Random(self.sets or MOST_SETS) if self.level == "corpus" else BM25())
        for chosen in select.select(supply):
            if (chosen.rule is None) == (self.level == "instance"):
                reason = f"{type(select).__name__} gives {'a rule' if chosen.rule else 'a set'}"
                supply.bench.log("set left out", predictor=supply.predictor, level=self.level, reason=reason)
            elif (fits := fitting(supply, chosen)) is not None:
                (taught,) = order.arrange(supply, replace(fits, rule=None))
                yield replace(taught, rule=None if fits.rule is None else replace(fits.rule, order="as_pooled"))

    def _paced(self, supply: Supply, pacing: Pacing) -> Iterator[Chosen]:
        """Sets drawn from all shots, which are measured once."""
        rng = supply.bench.rng(f"pacing of demonstrations of {supply.predictor}")
        measured = replace(supply, money=self._for_pool(supply.money))
        (pool,) = EasyToHard(self.difficulty).arrange(measured, Chosen.of(supply.shots, "drawn at its pace"))
        seen: set[tuple[int, ...]] = set()
        for _ in range(50 * MOST_SETS):
            places = pacing.draw(range(len(pool.shots)), supply.k, rng, lambda place: supply.answer(pool.shots[place]))
            if tuple(places) not in seen:
                seen.add(tuple(places))
                if (fits := fitting(supply, pool.arranged(places))) is not None:
                    yield fits

    def _origin(self, supply: Supply, chosen: Chosen, order: Order, number: int) -> Origin:
        reasons = dict(zip((shot.row.digest for shot in chosen.shots), chosen.reasons, strict=True))
        shown = {"rule": chosen.rule.to_json()} if chosen.rule else {"rows": reasons}
        by = self.scheduler if isinstance(self.scheduler, LLMScheduler) else self.difficulty
        names = {"level": self.level, "by": type(by).__name__, "order": order, "set": number}
        return Origin("CurriculumICL", "demonstrations", {"predictor": supply.predictor, **names, **shown})


def _least(dev: int) -> int:
    """What it takes to score one set in one order, with nothing measured."""
    return TRIAL + dev
