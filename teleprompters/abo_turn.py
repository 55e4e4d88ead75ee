"""What ABO knows while it searches for one predictor: what may be spent, what was run, and the record of it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from ..signatures.candidate import Candidate
from ..signatures.canonical import JSON
from ..signatures.example import Example
from .abo_demonstration import TRIES, Pair, Stage
from .abo_steps import Blame
from .base import Round, Score, Workbench
from .draws import draw
from .instruction_search import Purse, document_of, round_of
from .reflection import Case, Reflections

REFINEMENTS, CANDIDATES = (6, 4, 3), 3  # to afford where the budget decides, most first
WRITING = TRIES  # calls that a pair may take to write: its steps, its demonstration, and that once more
LEAST_ROWS, MOST_ROWS = 4, 30  # in a batch where the budget decides


@dataclass(frozen=True)
class Sizing:
    """Refinements, pairs written in each step, pool rows that a pair is run on, failures examined in a refinement."""

    refinements: int
    candidates: int
    batch: int
    failures: int

    @classmethod
    def affordable(
        cls,
        left: int,
        pool: int,
        dev: int,
        *,
        refinements: int | None,
        candidates: int | None,
        batch: int | None,
        failures: int,
    ) -> Sizing:
        """What `left` executions or calls afford. The given numbers are the most.

        When it does not go round, pairs are saved before refinements: mending steps is what this search is about.
        """
        rows = batch or max(LEAST_ROWS, min(MOST_ROWS, left // 16))
        rows = max(0, min(rows, pool, left - WRITING - dev))
        rounds = REFINEMENTS if refinements is None else (refinements,)
        pairs = candidates or CANDIDATES
        ladder = [
            *((most, pairs) for most in rounds),
            *((rounds[-1], fewer) for fewer in range(pairs - 1, 0, -1)),
            *((fewer, 1) for fewer in range(rounds[-1] - 1, -1, -1)),
        ]
        options = [cls(most, number, rows, max(1, min(failures, rows))) for most, number in ladder]
        return next((option for option in options if option.cost(dev) <= left), replace(options[-1], candidates=1))

    def within(self, left: int, dev: int) -> Sizing:
        """With only as many pairs as can be written and run on a batch before one of them is scored on all of dev."""
        return replace(self, candidates=max(1, min(self.candidates, (left - dev) // (WRITING + self.batch))))

    def pair(self, dev: int) -> int:
        """What a pair may cost: to write, to run on a batch, to score on all of dev."""
        return WRITING + self.batch + dev

    def cost(self, dev: int) -> int:
        pairs = self.candidates * self.pair(dev)
        return pairs + self.refinements * (self.failures + pairs)


@dataclass(eq=False)
class Ran:
    """A pair that was run and scored. obeyed: the share of its steps, None where that cannot be seen.

    unexamined: its failures that nobody has looked at yet.
    """

    pair: Pair
    score: Score
    obeyed: float | None
    unexamined: list[Case]

    def taken(self, count: int, rng: random.Random) -> list[Case]:
        """Failures to examine, which count as examined from now on."""
        taken = draw(self.unexamined, count, rng)
        self.unexamined = [case for case in self.unexamined if case not in taken]
        return taken


@dataclass
class Turn:
    """The search for one predictor. incumbent: what it began with. task: what its instruction says, steps apart.

    batches: rows of the pool, over and over. said: the reasons for failures so far. ran: every pair, in order.
    """

    bench: Workbench
    purse: Purse
    sizing: Sizing
    incumbent: Candidate
    stage: Stage
    task: str
    rng: random.Random
    batches: Iterator[list[Example]]
    said: Reflections = field(default_factory=Reflections)
    ran: list[Ran] = field(default_factory=list)
    _accepted: list[Ran] = field(default_factory=list)
    _named: int = 0

    def affordable(self) -> int:
        """How many pairs to write next, so that one of them can be scored on all of dev."""
        return self.sizing.within(self.purse.left, len(self.bench.dev)).candidates

    def is_news(self, blames: Sequence[Blame]) -> bool:
        """Whether any reason is one that no earlier examination gave. Repetitions within one agree, and are welcome."""
        is_new = [self.said.is_new(blame.reason) for blame in blames]
        for blame in blames if not any(is_new) else ():
            self.bench.log("reflection repeated", predictor=self.stage.predictor, text=blame.reason[:500])
        return any(is_new)

    def round(self, name: str, best: Ran | None, *, is_accepted: bool) -> Round:
        """The round that ends a step, once what happened in it is kept for people to read. best: of its pairs."""
        proposed, self._named = self.ran[self._named :], len(self.ran)
        if best is None:
            outcome = "no pair"
        else:
            outcome = f"{'accepted' if is_accepted else 'refused'}, {self._obeys(best)}"
            if is_accepted:
                self._accepted.append(best)
                self.bench.log(
                    "obedience", predictor=self.stage.predictor, candidate=best.pair.candidate.digest, share=best.obeyed
                )
        self._keep()
        candidates = [one.pair.candidate for one in proposed]
        return round_of(self.bench, f"{self.stage.predictor}: {name}: {outcome}", candidates)

    def _obeys(self, one: Ran) -> str:
        if one.obeyed is not None:
            return f"obeys {100 * one.obeyed:.0f} % of its steps"
        return "obedience cannot be seen" if self.stage.place is None else "obedience not measured"

    def _keep(self) -> None:
        self.bench.keep(
            document_of(self.bench, "abo", self.stage.predictor),
            {
                "predictor": self.stage.predictor,
                "task": self.task,
                "steps_executed_in": self.stage.place,
                "pairs": [self._told(one) for one in self.ran],
            },
        )

    def _told(self, one: Ran) -> JSON:
        draft = one.pair.draft
        return {
            "candidate": one.pair.candidate.digest,
            "move": draft.move,
            **draft.detail,
            "steps": list(draft.steps),
            "demonstration": one.pair.demonstration,
            "obedience": one.obeyed,
            "dev": one.score.mean,
            "accepted": one in self._accepted,
        }
