"""StepByStep: a sentence that makes the program think before it answers, appended to its instruction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..signatures.candidate import Candidate
from .base import Forecast, Origin, Round, Sizes, Teleprompter, Workbench
from .demonstrations.generate.chains import reasoners
from .instruction_search import round_of
from .wording import counted

TRIGGERS = (
    "Let's think step by step.",
    "Work the answer out in small steps, and check each step before the next.",
    "First write down what is given and what is asked for, then reason from one to the other.",
)


@dataclass(frozen=True)
class StepByStep(Teleprompter):
    """Zero-shot chain of thought: each trigger sentence behind the instruction there is, scored on all of dev.

    triggers: sentences to try, the likeliest first; the best stays, or none where none helps. Predictors that write
    free text before their answer are taken in turn, the others held at their best.

    Cost: one execution of dev for each trigger and such predictor; no optimizer calls. Triggers that can no longer be
    scored whole are left out. Refused where no predictor has room to think: there the sentence would only add words to
    the prompt. Raises ValueError on no triggers or an empty one.
    Source: Kojima et al. 2022, arXiv 2205.11916, section 3 and table 4; the first trigger is theirs. Differs on
    purpose: the sentence ends the instruction instead of beginning the reply, and one call gives reasoning and answer
    as fields, where the paper makes a second call to have the answer extracted.
    """

    triggers: tuple[str, ...] = TRIGGERS

    def __post_init__(self) -> None:
        if not isinstance(self.triggers, tuple) or not self.triggers or not all(one.strip() for one in self.triggers):
            raise ValueError(f"StepByStep(triggers={self.triggers!r}): give a tuple of sentences.")

    def refusal(self, student: Candidate) -> str:
        if reasoners(student):
            return ""
        return (
            "StepByStep asks for reasoning, and no predictor of this program has a text output before its answer to "
            "write it in. Declare it with burnish.ChainOfThought, or add an output field before the answer."
        )

    def search(self, bench: Workbench) -> Iterator[Round]:
        bench.score([bench.student])
        for turn, predictor in enumerate(reasoners(bench.student)):
            start = bench.known[0].candidate
            instruction = start.prompt(predictor).instruction
            texts = [f"{instruction.rstrip()}\n\n{trigger}".strip() for trigger in self.triggers]
            admitted = bench.admit(start, predictor, texts)
            for number, candidate in enumerate(admitted):
                if (turn or number) and bench.remaining.expected < len(bench.dev):
                    return
                trigger = candidate.prompt(predictor).instruction[len(instruction.rstrip()) :].strip()
                origin = Origin("StepByStep", "trigger", {"predictor": predictor, "trigger": trigger})
                bench.score([candidate], origin=origin, parents=[start])
                yield round_of(bench, f"{predictor}: {trigger}", [candidate])
            if not admitted:
                yield round_of(bench, f"{predictor}: no trigger admitted")

    @property
    def embeds_queries(self) -> bool:
        return False

    def forecast(self, sizes: Sizes) -> Forecast:
        executions = sizes.dev * (1 + sizes.predictors * len(self.triggers))
        return Forecast(
            asks=0,
            executions=min(sizes.executions, executions),
            summary=f"StepByStep: {counted(len(self.triggers), 'trigger sentence')} for each predictor that reasons, "
            f"each scored on {counted(sizes.dev, 'row')} of dev; no optimizer calls.",
        )
