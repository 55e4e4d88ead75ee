"""SelfRefine: the reasoning of demonstrations reviewed and written anew, as long as it leads to the right answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias

from ....signatures.candidate import Candidate
from ....signatures.canonical import canonical
from ....signatures.errors import ReplyError
from ....signatures.example import Example
from ....signatures.prompt import Demo
from ....signatures.schema import Field
from ....signatures.values import read
from ...asking import ask_for, check_kinds
from ...induction import written_inputs
from ...metaprompts import MetaPrompt, load, own
from ...replies import tagged
from ..base import Chosen, Selector, Shot, Signal, Supply
from ..select.random_sets import Random
from ..select.signals import purse_of
from .chains import reasoners, reasoning_field

Review: TypeAlias = tuple[int, str]  # score from 0 to 10, and what is to be mended; "" for nothing


@dataclass(frozen=True)
class SelfRefine(Selector):
    """The sets of another selector, the reasoning in them polished by the optimizer LM.

    In turn, at most `rounds` times: it reviews the reasoning, with a score from 0 to 10, and writes it anew in view of
    all attempts and reviews so far, without being shown the right answer. What it writes counts only when the answer
    that it ends in is the demonstration's own. A demonstration is done when the review finds nothing to mend or gives
    `enough` points, or when a rewrite ends in another answer. Of its attempts, the first one too, the one with the most
    points is shown; of equal ones the first.

    by: chooses the sets; polished are fixed sets alone, for a rule's pool would take a review of every row of it.
    temperature, max_tokens: of the optimizer LM. feedback, rewrite: your own meta-prompts, with {{question}} and
    {{reasoning}}, and with {{question}}, {{attempts}} and {{form}}.

    Cost: 2 * (1 + 2 * `rounds`) calls a demonstration, for each may be sent once more, and what `by` costs; a
    demonstration is polished once, in however many sets it stands, and about half of the supply's money, at most, is
    spent on all of them.
    Refused where no predictor writes free text before its answer. Raises ValueError on sizes below 1 and meta-prompts
    without their slots.
    Source: Madaan et al. 2023, arXiv 2303.17651: review and rewrite with the whole history, four attempts at most.
    Differs on purpose: it polishes demonstrations and not replies; the answer is checked, since without a checker the
    published gain on arithmetic is near zero and right reasoning gets worse; the attempt with the best review is kept,
    not the last.
    """

    by: Selector = Random()
    rounds: int = 2
    enough: int = 9
    temperature: float = 0.7
    max_tokens: int = 1024
    feedback: str | None = None
    rewrite: str | None = None

    signals: ClassVar[tuple[Signal, ...]] = ("optimizer LM",)

    def __post_init__(self) -> None:
        check_kinds("SelfRefine", by=(self.by, Selector))
        for name in ("rounds", "enough", "max_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"SelfRefine({name}={getattr(self, name)}) must be at least 1.")
        if self.temperature < 0:
            raise ValueError(f"SelfRefine(temperature={self.temperature}) must be at least 0.")
        for name, slots in (("feedback", {"question", "reasoning"}), ("rewrite", {"question", "attempts", "form"})):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, own(getattr(self, name), slots))

    def refusal(self, candidate: Candidate) -> str:
        if reasoners(candidate):
            return self.by.refusal(candidate)
        return (
            "SelfRefine polishes reasoning, and no predictor of this program writes free text before its answer. "
            "Declare it with burnish.ChainOfThought, or leave SelfRefine out."
        )

    def unfit_rows(self, candidate: Candidate, pool: Sequence[Example]) -> str:
        return self.by.unfit_rows(candidate, pool)

    def select(self, supply: Supply) -> Iterator[Chosen]:
        money, purse = supply.money // 2, purse_of(supply, 1.0)  # scores of earlier sets come out of the purse, too
        polished: dict[Shot, tuple[Shot, str]] = {}
        for chosen in self.by.select(replace(supply, money=supply.money - money)):
            if chosen.rule is not None or reasoning_field(supply.schema) is None:
                supply.bench.log("reasoning not polished", predictor=supply.predictor, rule=chosen.rule is not None)
                yield chosen
                continue
            affordable = min(money, purse.left) // self._most
            new = [shot for shot in chosen.shots if shot not in polished][:affordable]
            money -= len(new) * self._most
            polished.update(zip(new, self.polish(supply, new), strict=True))
            pairs = [polished.get(shot, (shot, "")) for shot in chosen.shots]
            reasons = [f"{why}; {how}" if how else why for why, (_, how) in zip(chosen.reasons, pairs, strict=True)]
            yield Chosen(tuple(shot for shot, _ in pairs), tuple(reasons))

    def cost(self, shots: int, k: int, dev: int) -> int:
        return k * self._most + self.by.cost(shots, k, dev)

    def asks(self, shots: int, k: int, dev: int) -> int:
        return k * self._most + self.by.asks(shots, k, dev)

    def embeddings(self, shots: int, k: int, dev: int) -> int:
        return self.by.embeddings(shots, k, dev)

    @property
    def embeds_queries(self) -> bool:
        return self.by.embeds_queries

    @property
    def reply_tokens(self) -> int:
        return max(self.max_tokens, self.by.reply_tokens)

    @property
    def _most(self) -> int:
        """Calls that one demonstration takes at most: the first review, rewrites and reviews, each sent once more."""
        return 2 * (1 + 2 * self.rounds)

    def polish(self, supply: Supply, shots: Sequence[Shot]) -> list[tuple[Shot, str]]:
        """Each shot with the best of its attempts, and what was done with it in words, or ""."""
        field = reasoning_field(supply.schema)
        if field is None:
            return [(shot, "") for shot in shots]
        attempts = {
            n: [_Attempt(str(shot.demo.values[field.name]))]
            for n, shot in enumerate(shots)
            if shot.demo.values.get(field.name)
        }
        unfinished = self._reviewed(supply, shots, attempts, list(attempts))
        for _ in range(self.rounds):
            rewritten = self._rewritten(supply, shots, attempts, unfinished)
            unfinished = self._reviewed(supply, shots, attempts, rewritten)
        return [self._best(supply, shot, field, attempts.get(n, [])) for n, shot in enumerate(shots)]

    def _reviewed(
        self, supply: Supply, shots: Sequence[Shot], attempts: dict[int, list[_Attempt]], numbers: Sequence[int]
    ) -> list[int]:
        """Adds a review to the last attempt of each of these; which of them are still to be mended."""
        meta = MetaPrompt(self.feedback) if self.feedback else load("self_refine_feedback")
        texts = [
            meta.fill(question=self._question(supply, shots[n]), reasoning=attempts[n][-1].reasoning) for n in numbers
        ]
        found = ask_for(
            supply.bench,
            texts,
            _review,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            purpose="review of reasoning",
        )
        unfinished = []
        for n, reviews in zip(numbers, found, strict=True):
            if reviews:
                attempts[n][-1] = replace(attempts[n][-1], points=reviews[0][0], review=reviews[0][1])
                if reviews[0][1] and reviews[0][0] < self.enough:
                    unfinished.append(n)
        return unfinished

    def _rewritten(
        self, supply: Supply, shots: Sequence[Shot], attempts: dict[int, list[_Attempt]], numbers: Sequence[int]
    ) -> list[int]:
        """Adds an attempt to each of these where it leads to the right answer; which of them it did."""
        answer = supply.schema.outputs[-1]
        meta = MetaPrompt(self.rewrite) if self.rewrite else load("self_refine_rewrite")
        texts = [
            meta.fill(
                question=self._question(supply, shots[n]),
                attempts="\n\n".join(one.shown(number) for number, one in enumerate(attempts[n], start=1)),
                form=answer.note or f"a {answer.type_name}",
            )
            for n in numbers
        ]
        found = ask_for(
            supply.bench,
            texts,
            _rewrite,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            purpose="reasoning written anew",
        )
        right = []
        for n, rewrites in zip(numbers, found, strict=True):
            if rewrites and agrees(answer, rewrites[0][1], shots[n]):
                attempts[n].append(_Attempt(rewrites[0][0]))
                right.append(n)
            elif rewrites:
                supply.bench.log("rewrite left out: another answer", predictor=supply.predictor)
        return right

    def _best(self, supply: Supply, shot: Shot, field: Field, attempts: Sequence[_Attempt]) -> tuple[Shot, str]:
        if len(attempts) < 2:
            return shot, ""
        best = max(attempts, key=lambda one: one.points)
        if best is attempts[0]:
            return shot, f"its own reasoning stays, best of {len(attempts)} attempts"
        demo = replace(shot.demo, data=Demo.of({**shot.demo.values, field.name: best.reasoning}).data)
        return replace(shot, demo=demo), f"reasoning polished, from {attempts[0].points} to {best.points} points"

    def _question(self, supply: Supply, shot: Shot) -> str:
        return written_inputs(supply.schema, shot.demo.values)


@dataclass(frozen=True)
class _Attempt:
    """points: of its review; -1 while it has none, so that what was never reviewed is never preferred."""

    reasoning: str
    points: int = -1
    review: str = ""

    def shown(self, number: int) -> str:
        return f"Attempt {number}:\n{self.reasoning}\nReview: {self.review}"


def _review(reply: str) -> Review | None:
    """None where there are no points from 0 to 10."""
    feedback, score = tagged(reply, "feedback"), tagged(reply, "score")
    try:
        points = int(float((score or "").split("/")[0]))
    except (ValueError, OverflowError):
        return None
    is_done = feedback is None or feedback.strip(" .!*").upper() == "DONE"
    return (points, "" if is_done or feedback is None else feedback) if 0 <= points <= 10 else None


def _rewrite(reply: str) -> tuple[str, str] | None:
    reasoning, answer = tagged(reply, "reasoning"), tagged(reply, "answer")
    return (reasoning, answer) if reasoning and answer else None


def agrees(answer: Field, said: str, shot: Shot) -> bool:
    """Whether a text stands for the value that the demonstration has as its answer."""
    right = shot.demo.values.get(answer.name)
    if isinstance(right, str):
        return _plain(said) == _plain(right)
    try:
        return canonical(read(answer, said)) == canonical(right)
    except ReplyError:
        return False


def _plain(text: str) -> str:
    return " ".join(text.casefold().strip(" .!\"'`").split())
