"""Iterative APE: induced instructions, then rounds of rewording the survivors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..signatures.candidate import Candidate
from .ape import APE, MOST_CANDIDATES, scoring_refusal
from .base import Forecast, Origin, Round, Sizes, Teleprompter, Workbench
from .draws import dealt
from .finalists import affordable_finalists, final_scores, puller
from .induction import Proposal, Query, admitted, proposals
from .instruction_search import note_cuts
from .metaprompts import MetaPrompt, load, own
from .wording import counted, of_predictors


@dataclass(frozen=True)
class IterativeAPE(Teleprompter):
    """APE with resampling: a local search around the best instructions by rewording them.

    1. Instructions are induced as in APE and scored on a random part of dev; the best `survivors` stay.
    2. The optimizer LM words each survivor anew, `variants` times; survivors and variants are scored side by side on
       fresh rows, and the best `survivors` stay. At most `rounds` times, and only until no variant has beaten the best
       survivor for `patience` rounds.
    3. The `finalists` with the best scores of all rounds are scored on all of dev, beside the instruction there was.

    Several predictors are taken in turn, the others held at their best, as in APE.

    start: how instructions are induced first, what rounds rank by (`start.scoring`), and how the optimizer LM writes.
    survivors, variants, rounds: sizes. subset: rows of dev in a round, drawn afresh, the same for all of the round.
    elitism: whether survivors stay in the race beside their variants. Without it one noisy round can lose the best.
    patience: rounds without a better variant before the search stops. finalists: how many get a full score.
    metaprompt: your own text with {{instruction}} in it, or the name of a file that holds it.

    When the budget is short, rounds are left out at the end, so that the full scores can be paid.
    Raises as APE does. Source: Zhou et al. 2022, arXiv 2211.01910, section 3.4 (resampling).
    """

    start: APE = APE()
    survivors: int = 10
    variants: int = 4
    rounds: int = 3
    subset: int = 20
    elitism: bool = True
    patience: int = 2
    finalists: int = 5
    metaprompt: str | None = None

    def __post_init__(self) -> None:
        for name in ("survivors", "variants", "rounds", "subset", "patience", "finalists"):
            if getattr(self, name) < 1:
                raise ValueError(f"IterativeAPE({name}={getattr(self, name)}) must be at least 1.")
        if self.metaprompt is not None:
            object.__setattr__(self, "metaprompt", own(self.metaprompt, {"instruction"}))

    @classmethod
    def paper(cls, **changes: Any) -> IterativeAPE:
        """50 induced instructions and 3 rounds, after which the published gains are flat.

        Source: Zhou et al. 2022; how many survive and how many variants each gets is not given there and is ours.
        """
        return cls(**{"start": APE.paper(), "rounds": 3, **changes})

    @classmethod
    def reference(cls, **changes: Any) -> IterativeAPE:
        """The baseline as released with PromptAgent: 15 induced, 5 survive, 3 variants each, 8 rounds, no elitism.

        50 rows a round, drawn afresh; variants alone go into the next round; the best score of all rounds is picked
        (here: the best of them are scored again on all of dev). Temperature 1.0.
        Source: Wang et al. 2023, arXiv 2310.16427, and the code of its first release.
        """
        settings = {"survivors": 5, "variants": 3, "rounds": 8, "subset": 50, "elitism": False, "patience": 8}
        return cls(**{"start": APE(candidates=15, each=3, temperature=1.0), **settings, **changes})

    def refusal(self, student: Candidate) -> str:
        return scoring_refusal(self.start.scoring, student)

    def search(self, bench: Workbench) -> Iterator[Round]:
        rng = bench.rng("IterativeAPE")
        rows = dealt(range(len(bench.dev)), self.subset, rng)
        best = bench.score([bench.student])[0]
        for turn, predictor in enumerate(best.candidate.predictors):
            incumbent = best.candidate
            left = bench.remaining.evaluations
            kept = left - left // (len(incumbent.predictors) - turn)  # for the predictors that come after this one
            finals = affordable_finalists(self.finalists, left - kept, len(bench.dev))
            note_cuts(self, bench, predictor, finalists=finals)
            count = self._induced(left - kept - finals * len(bench.dev), len(bench.dev))
            proposed = self.start.propose(bench, incumbent, predictor, count, rng, "IterativeAPE")
            made = admitted(bench, predictor, proposed)
            pool, ranking, flat = list(made), list(made), 0
            means: dict[Candidate, float] = {}
            yield Round(f"{predictor}: {len(pool)} induced", tuple(pool), next(iter(bench.known), None))

            for number in range(self.rounds + 1):
                money = bench.remaining.evaluations - kept - finals * len(bench.dev)
                variants: dict[Candidate, Proposal] = {}
                if number > 0:
                    parents = ranking[: self._parents(money, len(bench.dev), self.rounds + 1 - number)]
                    variants = self._reword(bench, predictor, parents)
                    made = {**variants, **made}
                    pool = [*parents, *variants] if self.elitism and variants else list(variants)
                    money -= self.variants * len(parents)
                subset = next(rows)[: max(0, money) // max(1, len(pool))]
                if not pool or not subset:
                    break
                rewards = puller(bench, pool, made, self.start.scoring)(range(len(pool)), subset)
                scored = {arm: sum(values) / len(values) for arm, values in zip(pool, rewards, strict=True)}
                ranking = sorted(pool, key=lambda arm: -scored[arm])
                means = {**means, **scored}
                name = f"{predictor}: round {number}, {len(pool)} on {len(subset)} rows"
                yield Round(name, tuple(pool), next(iter(bench.known), None))
                # A variant that only draws level has not improved: the sort is stable and parents come first.
                flat = flat + 1 if number > 0 and self.elitism and ranking[0] not in variants else 0
                if flat == self.patience:
                    break

            if not self.elitism:  # the best of all rounds: the last one's need not be
                ranking = sorted(means, key=lambda arm: -means[arm]) or ranking
            finalists = {finalist: made[finalist] for finalist in ranking[:finals]}
            best = final_scores(bench, best, finalists)
            yield Round(
                f"{predictor}: {len(finalists)} scored on all rows", tuple(finalists), next(iter(bench.known), None)
            )

    @property
    def embeds_queries(self) -> bool:
        return False

    def forecast(self, sizes: Sizes) -> Forecast:
        money = sizes.executions // max(1, sizes.predictors)
        finals = affordable_finalists(self.finalists, money, sizes.dev) * sizes.dev
        count = self._induced(money - finals, sizes.dev)
        subset = min(self.subset, sizes.dev)
        asks, executions = count, count * subset
        for number in range(self.rounds):
            parents = self._parents(money - finals - asks - executions, sizes.dev, self.rounds - number)
            asks += parents * self.variants
            executions += parents * (self.variants + self.elitism) * subset
        return Forecast(
            asks=sizes.predictors * asks,
            executions=min(sizes.executions, sizes.predictors * (executions + min(finals, count * sizes.dev))),
            summary=f"IterativeAPE: {counted(count, 'instruction')} induced for {of_predictors(sizes.predictors)}, "
            f"at most {counted(self.rounds, 'round')} of rewording the best of them, the last {self.finalists} scored "
            "on all of dev.",
            reply_tokens=max(self.start.each, self.variants) * self.start.max_tokens,
        )

    # sizes

    def _induced(self, money: int, dev: int) -> int:
        """How many to start with: what was asked for, or what half of the money can propose and score once."""
        if self.start.candidates is not None:
            return self.start.candidates
        return max(1, min(MOST_CANDIDATES, money // 2 // (1 + min(self.subset, dev))))

    def _parents(self, money: int, dev: int, rounds: int) -> int:
        """How many survivors are reworded: an equal part of the money for each round that is left, one at the least."""
        each = self.variants + (self.variants + self.elitism) * min(self.subset, dev)
        return 0 if money < each else max(1, min(self.survivors, money // rounds // each))

    # moves

    def _reword(self, bench: Workbench, predictor: str, parents: Sequence[Candidate]) -> dict[Candidate, Proposal]:
        """New wordings of each parent's instruction, none seen before."""
        metaprompt = MetaPrompt(self.metaprompt) if self.metaprompt else load("ape_resample")
        queries = []
        for parent in parents:
            text = metaprompt.fill(instruction=parent.prompt(predictor).instruction)
            detail = {"predictor": predictor, "parent": parent.digest}
            queries.append(Query(text, parent, Origin("IterativeAPE", "resample", detail)))
        if not queries:
            return {}
        reworded = proposals(
            bench,
            queries,
            self.variants,
            temperature=self.start.temperature,
            max_tokens=self.start.max_tokens,
            purpose="resample",
        )
        return admitted(bench, predictor, reworded)
