"""ProTeGi's Expand: errors, what caused them in words, instructions rewritten against it, and paraphrases of these."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from ..signatures.candidate import Candidate
from ..signatures.example import Example
from ..signatures.prompt import Demo
from .asking import Writing, ask_for, check_kinds
from .base import Origin, Score, Workbench
from .demonstrations.base import Shot, Supply
from .demonstrations.difficulty import Difficulty
from .demonstrations.pacing import Pacing
from .draws import dealt, draw
from .induction import Proposal, Query, admitted, proposals
from .metaprompts import MetaPrompt, load, own
from .pairs import labels_from_row
from .reflection import Case, Group, Reflection, Reflections, cases, errors, listed, reflect
from .replies import all_instructions, passages

REJECTION = 16  # successors, and errors, that successor rejection looks at


@dataclass(frozen=True)
class Expansion:
    """How a prompt of the beam is expanded.

    minibatch: pool rows it is run on, the same for the whole beam. groups, errors: gradients are asked for on so many
    groups of so many of its errors, `reasons` for each group. edits: rewritten instructions for each reason.
    paraphrases: of each rewritten instruction and of the parent's. successors: how many of all these stay.
    reject_on_errors: those that mend most of the minibatch's errors stay (16 of them are run on 16 errors); False: a
        random choice.
    curriculum: minibatches go through the pool from short inputs to long ones; a difficulty, such as SuccessRate():
        from easy rows to hard ones, measured once with at most a quarter of the money; False: they are dealt at random.
    pacing: with a curriculum, the rows of a round are drawn from the share of the pool that the curve has opened by
        then; None: one stretch of the pool after the other.
    """

    minibatch: int = 64
    groups: int = 4
    errors: int = 4
    reasons: int = 1
    edits: int = 1
    paraphrases: int = 2
    successors: int = 8
    reject_on_errors: bool = False
    curriculum: bool | Difficulty = False
    pacing: Pacing | None = None

    def __post_init__(self) -> None:
        check_kinds("Expansion", curriculum=(self.curriculum, bool | Difficulty), pacing=(self.pacing, Pacing | None))
        least = (self.minibatch, self.groups, self.errors, self.reasons, self.edits, self.successors)
        if min(least) < 1 or self.paraphrases < 0:
            raise ValueError(f"{self}: sizes are at least 1, paraphrases at least 0.")
        if self.pacing is not None and not self.curriculum:
            raise ValueError(f"{self}: a pacing opens rows by their difficulty. Give a curriculum too, such as True.")

    @property
    def asks(self) -> int:
        """Calls to the optimizer LM for one parent."""
        edited = self.groups * self.reasons * self.edits
        return self.groups + self.groups * self.reasons + (edited + 1) * self.paraphrases

    @property
    def cost(self) -> int:
        """All calls and executions for one parent."""
        return self.minibatch + self.asks + (REJECTION**2 if self.reject_on_errors else 0)


@dataclass(frozen=True)
class APOMetaPrompts:
    """Your own meta-prompts, each a text or the name of a file that holds it; None: ours.

    gradient: with {{instruction}}, {{errors}} and {{count}}. edit: with these and {{reason}}; it may have {{cost}}.
    paraphrase: with {{instruction}}.
    """

    gradient: str | None = None
    edit: str | None = None
    paraphrase: str | None = None

    def __post_init__(self) -> None:
        shown = {"instruction", "errors", "count"}
        for name, slots in (("gradient", shown), ("edit", shown | {"reason"}), ("paraphrase", {"instruction"})):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, own(getattr(self, name), slots, {"cost"} if name == "edit" else set()))


@dataclass
class Expander:
    """Expands the prompts of one predictor's beam, round after round.

    told_cost: what the meta-prompt for edits says of the price of tokens. preference: what successors are compared by.
    """

    bench: Workbench
    predictor: str
    expansion: Expansion
    metaprompts: APOMetaPrompts
    writing: Writing
    threshold: float
    told_cost: Callable[[Candidate], str]
    preference: Callable[[Score], float]
    rng: random.Random

    def __post_init__(self) -> None:
        self._said = Reflections()

    def expand(self, beam: Sequence[Candidate], minibatch: Sequence[Example]) -> dict[Candidate, Proposal]:
        """Successors of the whole beam: edited along the gradients, paraphrased, and some of them kept."""
        wrong = {parent: errors(cases(self.bench, parent, minibatch), self.threshold) for parent in beam}
        edited = self._edits(self._gradients(wrong))
        made = admitted(
            self.bench, self.predictor, [*edited, *self._paraphrases(beam, edited)], max_length=self.writing.max_length
        )
        kept: dict[Candidate, Proposal] = {}
        for parent in beam:
            children = [child for child, proposal in made.items() if proposal.parent == parent]
            kept.update({child: made[child] for child in self._kept(children, wrong[parent])})
        return kept

    def _gradients(self, wrong: Mapping[Candidate, Sequence[Case]]) -> list[Reflection]:
        """What caused some groups of each parent's errors; nothing for a parent that makes none."""
        metaprompt = MetaPrompt(self.metaprompts.gradient) if self.metaprompts.gradient else load("apo_gradient")
        size = self.expansion

        def request(group: Group) -> str:
            return metaprompt.fill(
                **self._about(group), count="one reason" if size.reasons == 1 else f"{size.reasons} different reasons"
            )

        groups = [
            Group(parent, tuple(draw(found, size.errors, self.rng)))
            for parent, found in wrong.items()
            for _ in range(size.groups if found else 0)
        ]
        return reflect(
            self.bench,
            groups,
            wrong,
            request=request,
            read=lambda reply: (passages(reply, "reason") or [])[-size.reasons :] or None,
            said=self._said,
            writing=self.writing,
            rng=self.rng,
            purpose="APO gradient",
        )

    def _edits(self, gradients: Sequence[Reflection]) -> list[Proposal]:
        """The instruction rewritten against each gradient, on the errors that it was found with."""
        metaprompt = MetaPrompt(self.metaprompts.edit) if self.metaprompts.edit else load("apo_edit")
        count = self.expansion.edits
        requests = [
            metaprompt.fill(
                **self._about(gradient.about),
                reason=gradient.text,
                count="an instruction" if count == 1 else f"{count} different instructions",
                cost=self.told_cost(gradient.about.candidate),
            )
            for gradient in gradients
        ]
        found = ask_for(
            self.bench,
            requests,
            all_instructions,
            temperature=self.writing.warmth,
            max_tokens=self.writing.max_tokens,
            purpose="APO edit",
        )
        return [
            Proposal(text, gradient.about.candidate, self._origin("edit", reason=gradient.text[:500]))
            for gradient, replies in zip(gradients, found, strict=True)
            for texts in replies
            for text in texts[-count:]  # a writer that thinks aloud settles at the end
        ]

    def _paraphrases(self, beam: Sequence[Candidate], edited: Sequence[Proposal]) -> list[Proposal]:
        """Other wordings of each edited instruction and of the parents' own."""
        if not self.expansion.paraphrases:
            return []
        metaprompt = MetaPrompt(self.metaprompts.paraphrase) if self.metaprompts.paraphrase else load("ape_resample")
        texts = [(proposal.text, proposal.parent) for proposal in edited]
        texts += [(parent.prompt(self.predictor).instruction, parent) for parent in beam]
        origin = self._origin("paraphrase")
        return proposals(
            self.bench,
            [Query(metaprompt.fill(instruction=text), parent, origin) for text, parent in texts if text.strip()],
            self.expansion.paraphrases,
            temperature=self.writing.warmth,
            max_tokens=self.writing.max_tokens,
            purpose="APO paraphrase",
        )

    def _kept(self, children: Sequence[Candidate], wrong: Sequence[Case]) -> list[Candidate]:
        """At most `successors` of them: those that mend most of the errors, or a random choice."""
        most = self.expansion.successors
        if len(children) <= most:
            return list(children)
        if not (self.expansion.reject_on_errors and wrong):
            return draw(children, most, self.rng)
        rows = [case.example for case in draw(wrong, REJECTION, self.rng)]
        scores = self.bench.score(draw(children, REJECTION, self.rng), rows)
        return [score.candidate for score in sorted(scores, key=self.preference, reverse=True)][:most]

    def _about(self, group: Group) -> dict[str, str]:
        instruction = group.candidate.prompt(self.predictor).instruction.strip()
        return {
            "instruction": instruction or "(no instruction)",
            "errors": listed(group.cases, group.candidate, self.predictor),
        }

    def _origin(self, move: str, **detail: str) -> Origin:
        return Origin("APO", move, {"predictor": self.predictor, **detail})


def minibatches(
    pool: Sequence[Example],
    expansion: Expansion,
    rng: random.Random,
    hardness: Mapping[Example, float] | None = None,
    rounds: int = 1,
) -> Iterator[list[Example]]:
    """The rows for each round; without a pacing all of the pool before any comes again.

    hardness: of each row, where it was measured; the short ones come first among equals. rounds: in which a pacing is
    to come to its end.
    """
    size, hard = min(expansion.minibatch, len(pool)), hardness or {}
    if not expansion.curriculum:
        yield from dealt(pool, size, rng)
    ordered = sorted(pool, key=lambda row: (hard.get(row, 0.0), _length(row), row.digest))
    start = 0
    while expansion.pacing is None:
        yield [ordered[(start + place) % len(ordered)] for place in range(size)]
        start += size
    for number in count(1):
        opened = expansion.pacing.open(min(1.0, number / rounds), len(ordered)) if ordered else range(0)
        yield draw(ordered[: max(opened.stop, size)][-max(len(opened), size) :], size, rng)


def hardness_of(
    bench: Workbench, candidate: Candidate, predictor: str, by: Difficulty, money: int
) -> dict[Example, float]:
    """How hard each row of the pool is, shown with what is known of the predictor's fields."""
    schema = candidate.prompt(predictor).schema
    shots = [Shot(row, Demo.of(labels_from_row(row, schema) or row.values)) for row in bench.pool]
    bare = candidate.with_prompt(predictor, demos=(), rule=None)
    supply = Supply(bench, bare, predictor, tuple(shots), len(shots), money)
    return dict(zip(bench.pool, by.measure(supply, shots), strict=True))


def _length(row: Example) -> int:
    return sum(len(str(value)) for value in row.input_values.values())
