"""The transition of PromptAgent: a prompt tried on rows, what the optimizer LM says of it, and the prompts after it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields

from ..signatures.candidate import Candidate
from ..signatures.example import Example
from .asking import Writing, ask_for
from .base import Workbench
from .metaprompts import MetaPrompt, load, own
from .reflection import Case, Group, Reflection, Reflections, cases, errors, listed, reflect
from .replies import all_instructions, passages

CALLS = 2  # to the optimizer LM: the feedback, the rewrite


@dataclass(frozen=True)
class PromptAgentMetaPrompts:
    """Your own meta-prompts for PromptAgent; None: ours.

    Each is a text with {{slots}}, or the name of a file that holds it. feedback asks what is wrong with the prompt:
    {{instruction}}, {{cases}}. rewrite asks for better ones: {{instruction}}, {{cases}}, {{feedback}}, {{path}} (the
    prompts from the root to this one), and as you like {{count}} and {{cost}}. The ascend twins have the same slots and
    are sent when everything that was tried went well.

    Raises ValueError on a text without its slots.
    """

    feedback: str | None = None
    rewrite: str | None = None
    ascend_feedback: str | None = None
    ascend_rewrite: str | None = None

    def __post_init__(self) -> None:
        for name in (one.name for one in fields(self)):
            if (given := getattr(self, name)) is not None:
                slots, optional = ({"instruction", "cases"}, set[str]())
                if name.endswith("rewrite"):
                    slots, optional = slots | {"feedback", "path"}, {"count", "cost"}
                object.__setattr__(self, name, own(given, slots, optional))

    def text(self, name: str) -> MetaPrompt:
        given: str | None = getattr(self, name)
        return load(f"prompt_agent_{name}") if given is None else MetaPrompt(given)


@dataclass(frozen=True)
class Edit:
    """A new instruction, the reflection it answers to, and whether that was one on successes."""

    text: str
    reflection: Reflection
    ascends: bool


@dataclass
class Transition:
    """From a state to new ones, for one predictor.

    batches: rows to try a prompt on, without end. told_cost: what the rewrite is told of the price of tokens.
    """

    bench: Workbench
    predictor: str
    batches: Iterator[list[Example]]
    redraws: int
    prompts: int
    threshold: float
    writing: Writing
    metaprompts: PromptAgentMetaPrompts
    told_cost: Callable[[Candidate], str]
    rng: random.Random
    said: Reflections = field(default_factory=Reflections)

    def __call__(self, path: Sequence[Candidate], count: int, spare: int) -> list[Edit]:
        """New instructions for the path's last candidate, out of `count` batches of rows.

        spare: executions that may be spent on further rows for a batch on which nothing went wrong.
        """
        tried = self._tried(path[-1], count, spare)
        wrong = [found for batch in tried if (found := errors(batch, self.threshold))]
        right = [batch for batch in tried if batch and not errors(batch, self.threshold)]
        lessons = [(lesson, False) for lesson in self._reflect(path[-1], wrong, "feedback")]
        lessons += [(lesson, True) for lesson in self._reflect(path[-1], right, "ascend_feedback")]
        requests = [self._rewrite(path, lesson, ascends) for lesson, ascends in lessons]
        rewritten = ask_for(
            self.bench,
            requests,
            all_instructions,
            temperature=self.writing.warmth,
            max_tokens=self.writing.max_tokens,
            purpose="rewrite",
        )
        return [
            Edit(text, lesson, ascends)
            for (lesson, ascends), replies in zip(lessons, rewritten, strict=True)
            for texts in replies
            for text in texts[-self.prompts :]  # a writer that thinks aloud settles at the end
        ]

    def _tried(self, candidate: Candidate, count: int, spare: int) -> list[list[Case]]:
        """Batches of cases, each drawn anew for a few times while nothing in it is wrong."""
        tried = self._cases(candidate, [next(self.batches) for _ in range(count)])
        for _ in range(self.redraws):
            correct = [number for number, batch in enumerate(tried) if not errors(batch, self.threshold)]
            again = [next(self.batches) for _ in correct]
            spare -= sum(map(len, again))
            if not correct or spare < 0:
                break
            for number, batch in zip(correct, self._cases(candidate, again), strict=True):
                tried[number] = batch
        return tried

    def _cases(self, candidate: Candidate, batches: Sequence[Sequence[Example]]) -> list[list[Case]]:
        rows = list(dict.fromkeys(row for batch in batches for row in batch))
        found = {case.example: case for case in cases(self.bench, candidate, rows)}
        return [[found[row] for row in batch] for batch in batches]

    def _reflect(self, candidate: Candidate, groups: Sequence[Sequence[Case]], name: str) -> list[Reflection]:
        metaprompt, instruction = self.metaprompts.text(name), candidate.prompt(self.predictor).instruction
        return reflect(
            self.bench,
            [Group(candidate, tuple(group)) for group in groups],
            {},  # all that is known of the candidate is shown, so there are no other cases to show
            request=lambda group: metaprompt.fill(
                instruction=instruction, cases=listed(group.cases, candidate, self.predictor)
            ),
            read=_feedback,
            said=self.said,
            writing=self.writing,
            rng=self.rng,
            purpose=name.replace("_", " "),
        )

    def _rewrite(self, path: Sequence[Candidate], lesson: Reflection, ascends: bool) -> str:
        instructions = [candidate.prompt(self.predictor).instruction for candidate in path]
        return self.metaprompts.text("ascend_rewrite" if ascends else "rewrite").fill(
            instruction=instructions[-1],
            cases=listed(lesson.about.cases, path[-1], self.predictor),
            feedback=lesson.text,
            path="\n\n".join(f"Version {number}:\n{text}" for number, text in enumerate(instructions, start=1)),
            count=str(self.prompts),
            cost=self.told_cost(path[-1]),
        )


def _feedback(reply: str) -> list[str] | None:
    """All of the reply, as published; of a tagged one what is in the tags."""
    found = passages(reply, "feedback")
    return ["\n\n".join(found)] if found else None
