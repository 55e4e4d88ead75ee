"""APE: instructions induced from examples, the promising ones found by adaptive filtering, the best by a full score."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..signatures.candidate import Candidate
from .bandits import UCB, Contest, Filtering, Selector
from .base import Forecast, Round, Sizes, Teleprompter, Workbench
from .finalists import Scoring, affordable_finalists, final_scores, puller
from .induction import Mode, Proposal, admitted, induce
from .instruction_search import note_cuts
from .metaprompts import MetaPrompt, load, own
from .wording import counted, of_predictors

MOST_CANDIDATES = 50  # where the budget decides: the paper's number; human level was reached with 64


@dataclass(frozen=True)
class APE(Teleprompter):
    """Automatic Prompt Engineer: asks which instruction leads from some inputs to their outputs, and keeps the best.

    1. The optimizer LM sees a few pool rows and writes the instruction behind them, `candidates` times over.
    2. All are scored on a small part of dev, the promising ones on more of it, as `evaluation` says.
    3. The `finalists` are scored on all of dev, beside the instruction there was. The best stays.

    A program with several predictors gets its instructions in turn, in the order of the program, the others held at
    their best: two instructions that change at once cannot be told apart by one score, and the number of pairs of
    candidates would be the square of what the budget buys.

    candidates: proposals for each predictor; None: what the budget can judge, at most 50.
    examples: rows in a query. each: replies drawn to a query, so candidates / each different queries are made.
    mode: "forward" asks for the instruction after the examples, "reverse" shows a text with a gap before them, "both"
        take turns.
    scoring: what step 2 ranks by. "execution": the metric. "likelihood": the mean log-probability of the labels, for
        programs with one predictor and an LM that gives it. Step 3 is always the metric.
    evaluation: Filtering(...) or UCB(...), with their sizes.
    temperature, max_tokens: of the optimizer LM.
    metaprompt, reverse_metaprompt: your own text with {{examples}} in it, or the name of a file that holds it.

    Raises ValueError on sizes below 1 and on a meta-prompt without its slot.
    Source: Zhou et al. 2022, arXiv 2211.01910, sections 3 and 4. Differs on purpose: what is induced from (pool) and
    what is selected on (dev) are disjoint; replies are cleaned and deduplicated; the last step is always a full score.
    """

    candidates: int | None = None
    examples: int = 5
    each: int = 5
    mode: Mode = "forward"
    scoring: Scoring = "execution"
    evaluation: Selector = Filtering()
    finalists: int = 5
    temperature: float = 0.9
    max_tokens: int = 256
    metaprompt: str | None = None
    reverse_metaprompt: str | None = None

    def __post_init__(self) -> None:
        for name in ("candidates", "examples", "each", "finalists", "max_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"APE({name}={value}) must be at least 1.")
        if self.mode not in ("forward", "reverse", "both"):
            raise ValueError(f"APE(mode={self.mode!r}): known are 'forward', 'reverse' and 'both'.")
        if self.scoring not in ("execution", "likelihood"):
            raise ValueError(f"APE(scoring={self.scoring!r}): known are 'execution' and 'likelihood'.")
        for name in ("metaprompt", "reverse_metaprompt"):
            if getattr(self, name) is not None:  # kept as text: a run is known by what it sends, not by a file's name
                object.__setattr__(self, name, own(getattr(self, name), {"examples"}))

    @classmethod
    def paper(cls, **changes: Any) -> APE:
        """The published sizes: 50 candidates, 5 examples a query, execution accuracy, adaptive filtering.

        Source: Zhou et al. 2022, section 4 and appendix; subset size and share kept are not given there and are ours.
        """
        return cls(**{"candidates": 50, "each": 1, "evaluation": Filtering(), **changes})

    @classmethod
    def reference(cls, **changes: Any) -> APE:
        """The sizes of the authors' released `simple_ape`: 5 queries of 10 replies, likelihood, 20 rounds of UCB.

        With an LM that gives no log-probabilities: APE.reference(scoring="execution").
        Source: github.com/keirp/automatic_prompt_engineer.
        """
        settings = {"candidates": 50, "each": 10, "scoring": "likelihood", "evaluation": UCB(), "max_tokens": 50}
        return cls(**{**settings, **changes})

    def refusal(self, student: Candidate) -> str:
        return scoring_refusal(self.scoring, student)

    def search(self, bench: Workbench) -> Iterator[Round]:
        rng = bench.rng("APE")
        best = bench.score([bench.student])[0]
        for turn, predictor in enumerate(best.candidate.predictors):
            incumbent, later = best.candidate, len(best.candidate.predictors) - turn
            count = self.affordable(bench.remaining.evaluations // later, len(bench.dev))
            proposed = self.propose(bench, incumbent, predictor, count, rng)
            arms = admitted(bench, predictor, proposed)
            yield Round(f"{predictor}: {len(arms)} induced", tuple(arms), next(iter(bench.known), None))

            contest = self.contest(len(arms), len(bench.dev), bench.remaining.evaluations // later)
            note_cuts(self, bench, predictor, finalists=contest.finalists)
            pull = puller(bench, list(arms), arms, self.scoring)
            order = list(range(len(arms)))
            for standings in self.evaluation.rounds(contest, pull, rng):
                order = standings.ranking
                yield Round(f"{predictor}: {len(standings.alive)} in the running", (), next(iter(bench.known), None))

            finalists = [list(arms)[arm] for arm in order[: contest.finalists]]
            best = final_scores(bench, best, {finalist: arms[finalist] for finalist in finalists})
            yield Round(
                f"{predictor}: {len(finalists)} scored on all rows", tuple(finalists), next(iter(bench.known), None)
            )

    @property
    def embeds_queries(self) -> bool:
        return False

    def forecast(self, sizes: Sizes) -> Forecast:
        share = sizes.executions // max(1, sizes.predictors)
        count = self.affordable(share, sizes.dev)
        contest = self.contest(count, sizes.dev, share - count)
        finals = min(count, contest.finalists) * sizes.dev
        executions = sizes.predictors * (self.evaluation.cost(contest) + finals)
        return Forecast(
            asks=sizes.predictors * count,
            executions=min(sizes.executions, executions),
            summary=f"APE: {counted(count, 'instruction')} induced for {of_predictors(sizes.predictors)}, the best "
            f"{min(count, contest.finalists)} of them scored on all {counted(sizes.dev, 'row')} of dev.",
            reply_tokens=self.each * self.max_tokens,
        )

    # sizes

    def affordable(self, executions: int, dev: int) -> int:
        """How many proposals: what was asked for, or what the budget can judge, at one call for each of them."""
        if self.candidates is not None:
            return self.candidates
        finalists = affordable_finalists(self.finalists, executions, dev)
        for count in range(MOST_CANDIDATES, 1, -1):
            full = min(count, finalists) * dev
            if count + full + self.evaluation.needs(count, dev, finalists) <= executions:
                return count
        return 1

    def contest(self, arms: int, dev: int, executions: int) -> Contest:
        finalists = affordable_finalists(self.finalists, executions, dev)
        return Contest(arms, dev, finalists, share=max(0, executions - min(arms, finalists) * dev))

    # proposals

    def propose(
        self,
        bench: Workbench,
        candidate: Candidate,
        predictor: str,
        count: int,
        rng: random.Random,
        teleprompter: str = "APE",
    ) -> list[Proposal]:
        """Step 1. teleprompter: on whose behalf, for the candidates' origins."""
        return induce(
            bench,
            candidate,
            predictor,
            teleprompter=teleprompter,
            count=count,
            each=min(self.each, count),
            examples=self.examples,
            metaprompts=self._metaprompts(),
            rng=rng,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
        )

    def _metaprompts(self) -> dict[str, MetaPrompt]:
        forward = MetaPrompt(self.metaprompt) if self.metaprompt else load("ape_forward")
        reverse = MetaPrompt(self.reverse_metaprompt) if self.reverse_metaprompt else load("ape_reverse")
        both = {"forward": forward, "reverse": reverse}
        return both if self.mode == "both" else {self.mode: both[self.mode]}


def scoring_refusal(scoring: Scoring, student: Candidate) -> str:
    """Why the labels of a program say nothing of its predictors, or ""."""
    if scoring == "execution" or len(student.predictors) == 1:
        return ""
    return (
        f"scoring='likelihood' reads the labels after one predictor's prompt; this program has "
        f"{len(student.predictors)}: {', '.join(student.predictors)}. Use scoring='execution'."
    )
