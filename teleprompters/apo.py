"""APO (ProTeGi): what is wrong with an instruction, in words, is its gradient; edits go against it in a beam search."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from ..signatures.candidate import Candidate
from ..signatures.canonical import JSON
from ..signatures.example import Example
from .apo_expand import APOMetaPrompts, Expander, Expansion, hardness_of, minibatches
from .asking import MAX_LENGTH, USUAL, Writing, check_kinds, check_sizes
from .bandits import UCB, Contest, Pull, Selector, SuccessiveHalving
from .base import Forecast, Round, Sizes, Workbench
from .demonstrations.difficulty import Difficulty
from .finalists import affordable_finalists, full_score, puller
from .induction import Proposal
from .instruction_search import InstructionSearch, Purse, document_of, note_cuts, round_of, wordings
from .reflection import CASE
from .wording import counted, of_predictors

MOST_ROUNDS = 6  # the paper's number; its curves are flat or fall after 3
LEAST_ROUNDS = 3  # that the sizes should allow
NEW = 1e-9  # less reward for a successor than for a parent that does as well
TEACHING = 4  # at most a quarter of the money goes into measuring how hard rows are
PULLS = 16  # predictions a candidate in each selection, at the least; the paper reports budgets of 12 to 50

# Where the budget decides: beam and expansion, from the published sizes down.
_SIZES = (
    (4, Expansion()),
    (4, Expansion(minibatch=32, paraphrases=1, successors=6)),
    (3, Expansion(minibatch=24, groups=3, paraphrases=1, successors=4)),
    (2, Expansion(minibatch=16, groups=2, paraphrases=1, successors=3)),
    (1, Expansion(minibatch=12, groups=2, paraphrases=1, successors=3)),
    (1, Expansion(minibatch=8, groups=1, paraphrases=1, successors=2)),
)


@dataclass(frozen=True)
class APO(InstructionSearch):
    """Automatic Prompt Optimization with textual gradients, also known as ProTeGi.

    A beam of instructions is improved in rounds:
    1. Expand: each of the beam is run on a minibatch of pool rows. The optimizer LM is shown groups of its errors and
       says what in the instruction caused them (the gradients), rewrites the instruction against each of them, and
       paraphrases what it has written (Monte-Carlo search). Of these successors some stay.
    2. Select: a bandit finds the best `beam` of successors and parents on dev, for a share of the predictions. The
       first of them is scored on all of dev.
    In the end all of the beam are scored on all of dev.

    A parent that makes no error on the minibatch has no gradient: it is only paraphrased. Several predictors are taken
    in turn, the others held at their best (see `InstructionSearch`); errors show the whole trace of the program. What
    was tried and why is kept in the run folder as apo_rounds.json, anew after every round.

    rounds, beam, expansion: sizes; None: the largest of six sizes, from the published one down, with which three rounds
        can be paid, and at most 6 rounds.
    selector: SuccessiveHalving(), which uses what the budget gives in a few large batches; or SuccessiveRejects(),
        UCB(...), UCBE(...), Uniform(), Filtering().
    predictions: on dev in each selection; None: an equal part of what is left for each round.
    threshold: the score from which an execution counts as correct.
    writing: how the optimizer LM writes. metaprompts: your own.

    Raises ValueError on sizes below 1, a threshold that is no number, and a meta-prompt without its slots.
    Source: Pryzant et al. 2023, arXiv 2305.03495, section 2. Differs on purpose: errors come from the pool and
    selection from dev, which are disjoint; any metric, not only yes and no; a reason that repeats an earlier one is not
    paid for with an edit (see `reflection`); the instruction is an object of its own and not replaced within a text;
    the best of all rounds is returned, not the best of the last beam.
    """

    rounds: int | None = None
    beam: int | None = None
    expansion: Expansion | None = None
    selector: Selector = SuccessiveHalving()
    predictions: int | None = None
    threshold: float = 1.0
    writing: Writing = Writing()
    metaprompts: APOMetaPrompts = APOMetaPrompts()

    def __post_init__(self) -> None:
        check_sizes("APO", rounds=self.rounds, beam=self.beam, predictions=self.predictions)
        check_kinds(
            "APO",
            expansion=(self.expansion, Expansion | None),
            threshold=(self.threshold, int | float),
            writing=(self.writing, Writing),
            metaprompts=(self.metaprompts, APOMetaPrompts),
        )
        object.__setattr__(self, "writing", self.writing.at(USUAL))
        if isinstance(self.selector, type) or not callable(getattr(self.selector, "rounds", None)):
            raise ValueError(f"APO(selector={self.selector!r:.80}) wants a selector, such as SuccessiveRejects().")
        if not math.isfinite(self.threshold):
            raise ValueError(f"APO(threshold={self.threshold}) must be a score.")

    @classmethod
    def paper(cls, **changes: Any) -> APO:
        """The published sizes: 6 rounds, a beam of 4, minibatches of 64, 4 gradients on 4 errors each, UCB.

        8 rounds of 8 prompts on 32 rows, 2048 predictions in each selection. Temperature 1.0.
        Source: Pryzant et al. 2023, section 3; the sizes of the selection are those of the released code.
        """
        selector = UCB(round_limit=8, arms_per_round=8, examples_per_pull=32)
        settings = {"rounds": 6, "beam": 4, "expansion": Expansion(), "selector": selector, "predictions": 2048}
        return cls(**{**settings, **changes})

    @classmethod
    def reference(cls, **changes: Any) -> APO:
        """The released code's settings: as published, the optimizer LM at temperature 0.7.

        Its default evaluator is brute force; UCB, which its README recommends, is taken here.
        Source: github.com/microsoft/LMOps, prompt_optimization/main.py.
        """
        return cls.paper(**{"writing": Writing(temperature=0.7), **changes})

    def improve(self, bench: Workbench, predictor: str, purse: Purse) -> Iterator[Round]:
        rng = bench.rng(f"APO {predictor}")
        incumbent = bench.known[0].candidate
        hardness = self._hardness(bench, incumbent, predictor, purse)
        sizes = self._sizes(purse.left, len(bench.dev))
        note_cuts(self, bench, predictor, rounds=sizes.rounds)
        beam = [score.candidate for score in wordings(bench, incumbent, predictor)][: sizes.beam]
        batches = minibatches(bench.pool, sizes.expansion, rng, hardness, max(1, sizes.rounds))
        expander = Expander(
            bench,
            predictor,
            sizes.expansion,
            self.metaprompts,
            self.writing,
            self.threshold,
            self.told_cost,
            self.preference,
            rng,
        )
        made: dict[Candidate, Proposal] = {}
        rounds: list[JSON] = []
        met = {score.candidate for score in bench.known}
        for number in range(1, (self.rounds or MOST_ROUNDS) + 1):
            parents = beam[: self._parents(purse.left - sizes.finals, len(beam), sizes.expansion)]
            if not parents:
                break
            successors = expander.expand(parents, next(batches))
            made.update(successors)
            yield round_of(bench, f"{predictor}: round {number}, {len(successors)} successors", tuple(successors))

            # What other searches have found meanwhile competes as well.
            others = [score.candidate for score in wordings(bench, incumbent, predictor)]
            others = [candidate for candidate in others if candidate not in met and candidate not in made]
            met.update(others)
            arms = list(dict.fromkeys([*beam, *others[: sizes.beam], *successors]))
            share = max(0, purse.left - sizes.finals) // max(1, sizes.rounds + 1 - number)
            contest = self._contest(len(arms), len(bench.dev), sizes, share)
            order = list(range(len(arms)))
            for standings in self.selector.rounds(contest, self._pull(bench, arms, set(successors), made), rng):
                order = standings.ranking
            beam = [arms[arm] for arm in order[: sizes.beam]]
            if beam[0] in made and purse.left >= sizes.finals:
                full_score(bench, beam[0], made[beam[0]])
            rounds.append(_told(predictor, parents, successors, beam))
            bench.keep(document_of(bench, "apo_rounds", predictor), rounds)
            yield round_of(bench, f"{predictor}: round {number}, {len(beam)} of {len(arms)} stay", tuple(beam))

        scored = {score.candidate for score in bench.known}
        unscored = [candidate for candidate in beam if candidate in made and candidate not in scored]
        finalists = unscored[: purse.left // max(1, len(bench.dev))]
        for finalist in finalists:
            full_score(bench, finalist, made[finalist])
        yield round_of(bench, f"{predictor}: the beam scored on all rows", tuple(finalists))

    def forecast(self, sizes: Sizes) -> Forecast:
        money = sizes.executions // max(1, sizes.predictors)
        difficulty = self._difficulty
        taught = 0 if difficulty is None else min(difficulty.cost(sizes.pool), money // TEACHING)
        each = self._sizes(money - taught, sizes.dev)
        judged = difficulty is not None and "optimizer LM" in difficulty.signals
        asks, executions = (taught, 0) if judged else (0, taught)
        beam = 1
        for number in range((self.rounds or MOST_ROUNDS) if each.rounds else 0):
            left = money - asks - executions - each.finals
            parents = self._parents(left, beam, each.expansion)
            if not parents:
                break
            asks += parents * each.expansion.asks
            executions += parents * (each.expansion.cost - each.expansion.asks)
            share = (money - asks - executions - each.finals) // max(1, each.rounds - number)
            successors = parents * each.expansion.successors
            contest = self._contest(beam + successors, sizes.dev, each, share)
            # Most rows of the parents were paid for when they were successors.
            executions += self.selector.cost(contest) * successors // (beam + successors)
            executions += max(0, sizes.dev - PULLS)  # the first of the beam on the rest of dev
            beam = each.beam
        finals = each.finals if each.rounds else 0
        return Forecast(
            asks=sizes.predictors * asks,
            executions=max(
                0, min(sizes.executions - sizes.predictors * asks, sizes.predictors * (executions + finals))
            ),
            summary=f"APO: for {of_predictors(sizes.predictors)} up to {counted(each.rounds, 'round')} with a beam "
            f"of {each.beam}, expanded on {counted(each.expansion.minibatch, 'row')} of the pool, "
            f"{counted(each.expansion.successors, 'successor')} each, selected on dev.",
            read_characters=2 * (self.writing.max_length or MAX_LENGTH) + each.expansion.errors * CASE,
            reply_tokens=max(
                max(1, each.expansion.paraphrases) * self.writing.max_tokens,
                0 if difficulty is None else difficulty.reply_tokens,
            ),
        )

    # curriculum

    @property
    def _difficulty(self) -> Difficulty | None:
        """What rows are sorted by, where it is to be measured."""
        curriculum = False if self.expansion is None else self.expansion.curriculum
        return curriculum if isinstance(curriculum, Difficulty) else None

    def _hardness(
        self, bench: Workbench, incumbent: Candidate, predictor: str, purse: Purse
    ) -> dict[Example, float] | None:
        difficulty = self._difficulty
        if difficulty is None or not bench.pool:
            return None
        return hardness_of(bench, incumbent, predictor, difficulty, purse.left // TEACHING)

    # sizes

    def _sizes(self, money: int, dev: int) -> _Sizes:
        """The largest of the sizes with which LEAST_ROUNDS rounds can be paid, or the smallest."""
        sized = [self._sized(beam, expansion, money, dev) for beam, expansion in _SIZES]
        wanted = min(LEAST_ROUNDS, self.rounds or LEAST_ROUNDS)
        return next((sizes for sizes in sized if sizes.rounds >= wanted), sized[-1])

    def _sized(self, beam: int, expansion: Expansion, money: int, dev: int) -> _Sizes:
        beam, expansion = self.beam or beam, self.expansion or expansion
        finals = affordable_finalists(beam, money, dev) * dev
        candidates = beam * (expansion.successors + 1)
        selection = self.predictions or candidates * min(PULLS, dev)
        full = max(0, dev - PULLS)  # of the first of the beam, whose other rows the selection has paid for
        rounds = max(0, money - finals) // (beam * expansion.cost + selection + full)
        if rounds == 0 and self._parents(money - finals, 1, expansion):
            rounds = 1  # the first round expands one prompt only
        return _Sizes(beam, expansion, min(self.rounds or MOST_ROUNDS, rounds), finals)

    def _parents(self, left: int, beam: int, expansion: Expansion) -> int:
        """How many of the beam can be expanded, so that every arm can be tried on a row at least."""
        return max(0, min(beam, (left - beam) // (expansion.cost + expansion.successors)))

    # select

    def _contest(self, arms: int, dev: int, sizes: _Sizes, share: int) -> Contest:
        return Contest(arms, dev, sizes.beam, min(share, self.predictions or share))

    def _pull(
        self, bench: Workbench, arms: Sequence[Candidate], new: Set[Candidate], made: Mapping[Candidate, Proposal]
    ) -> Pull:
        """Rewards on rows of dev, less what the prompt's length costs. new: arms that have to be better than equal."""
        pull = puller(bench, arms, made, "execution")
        cost = self.writing.token_cost
        prices = [0.0 if cost is None else cost.of(candidate) for candidate in arms]

        def net(chosen: Sequence[int], examples: Sequence[int]) -> list[list[float]]:
            deducted = [prices[arm] + (NEW if arms[arm] in new else 0.0) for arm in chosen]
            rewards = zip(deducted, pull(chosen, examples), strict=True)
            return [[value - less for value in values] for less, values in rewards]

        return net


def _told(
    predictor: str, parents: Sequence[Candidate], successors: Mapping[Candidate, Proposal], beam: Sequence[Candidate]
) -> JSON:
    """A round for people to read: what was expanded, what came of it and why, and what stayed."""
    made = [
        {
            "instruction": candidate.prompt(predictor).instruction,
            "move": proposal.origin.move,
            "reason": proposal.origin.detail.get("reason", ""),
            "candidate": candidate.digest,
        }
        for candidate, proposal in successors.items()
    ]
    return {
        "expanded": [candidate.prompt(predictor).instruction for candidate in parents],
        "successors": made,
        "beam": [candidate.prompt(predictor).instruction for candidate in beam],
    }


@dataclass(frozen=True)
class _Sizes:
    """What a predictor's search does. finals: executions that are kept for full scores."""

    beam: int
    expansion: Expansion
    rounds: int
    finals: int
