"""What searches for instructions have in common: one predictor after the other, each with its share of the budget."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..signatures.candidate import Candidate
from .asking import Writing
from .base import Round, Score, Teleprompter, Workbench
from .token_cost import prompt_tokens

SIZE_CUT = "size cut by the budget"


@dataclass(frozen=True)
class Purse:
    """What one predictor's search may spend: all that is left, but for what later predictors are to have.

    kept: executions that are not for this predictor.
    """

    bench: Workbench
    kept: int

    @property
    def left(self) -> int:
        """Executions of the student, or calls to the optimizer LM, that are likely to be had still."""
        return max(0, self.bench.remaining.expected - self.kept)

    def sure(self, candidate: Candidate) -> int:
        """About how many executions of a candidate are sure to fit: long prompts reserve more than the student's."""
        remaining = self.bench.remaining
        if remaining.tokens is None and remaining.usd is None:
            return self.left
        longer = prompt_tokens(candidate) / max(1, prompt_tokens(self.bench.student))
        return max(0, int(remaining.evaluations / max(1.0, longer)) - self.kept)


class InstructionSearch(Teleprompter):
    """A search whose optimizer LM writes instructions.

    Predictors are taken in turn, in the program's order, the others held at their best: two instructions that change at
    once cannot be told apart by one score. Each gets an equal share of what is left. A turn starts from the best that
    anyone has found so far (`bench.known`), so the search can run beside others and build on them.
    """

    writing: Writing

    def search(self, bench: Workbench) -> Iterator[Round]:
        bench.score([bench.student])
        paths = bench.student.predictors
        for turn, predictor in enumerate(paths):
            left = bench.remaining.expected
            yield from self.improve(bench, predictor, Purse(bench, left - left // (len(paths) - turn)))

    @property
    def embeds_queries(self) -> bool:
        return False

    @abstractmethod
    def improve(self, bench: Workbench, predictor: str, purse: Purse) -> Iterator[Round]:
        """The search for one predictor's instruction. Starts from `bench.known[0]`."""

    def preference(self, score: Score) -> float:
        cost = self.writing.token_cost
        return score.mean if cost is None else cost.value(score)

    def told_cost(self, candidate: Candidate) -> str:
        """What the meta-prompt says of the price of tokens; "" where nothing is said of it."""
        cost = self.writing.token_cost
        return "" if cost is None else f"\n\n{cost.told(candidate)}"


def note_cuts(search: Teleprompter, bench: Workbench, predictor: str, **sizes: int) -> None:
    """Says in the log, and with it in the compiled file, which sizes that the user gave the budget does not pay for.

    sizes: name = what it comes to. A size at its default is the budget's to choose.
    """
    for name, affordable in sizes.items():
        wanted = getattr(search, name)
        if wanted not in (None, getattr(type(search), name, None)) and affordable < wanted:
            title = type(search).__name__
            bench.log(SIZE_CUT, search=title, predictor=predictor, size=name, wanted=wanted, affordable=affordable)


def document_of(bench: Workbench, name: str, predictor: str) -> str:
    """What a document about one predictor is called in the run folder."""
    return name if len(bench.student.predictors) == 1 else f"{name}_{predictor}"


def round_of(bench: Workbench, name: str, proposed: Sequence[Candidate] = ()) -> Round:
    """A round with the best that is known now."""
    return Round(name, tuple(proposed), next(iter(bench.known), None))


def wordings(bench: Workbench, incumbent: Candidate, predictor: str) -> list[Score]:
    """What is known of the incumbent with other instructions of this predictor, itself included, best first."""
    instruction = incumbent.prompt(predictor).instruction
    return [s for s in bench.known if s.candidate.with_prompt(predictor, instruction=instruction) == incumbent]
