"""What a probe found: each variant beside the program as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ...signatures.canonical import JSON
from ..evidence import LEVEL, Comparison, compare
from .base import Omitted, Variant
from .running import Answers

State: TypeAlias = Literal["worse", "better", "held", "undecided"]

MARGIN = 0.1  # of the score range: a score "holds" where a drop of this size is ruled out


@dataclass(frozen=True)
class Finding:
    """A variant beside the program as it is. The intervals of all findings hold together.

    score: comparison of the scores, `gain` being variant minus as it is. unparsed: the same for the share of replies
    that gave no outputs. reason: the commonest of theirs. cut: replies that ended at max_tokens. instruction: that a
    model wrote.
    """

    family: str
    name: str
    predictor: str | None
    score: Comparison
    unparsed: Comparison
    reason: str = ""
    cut: int = 0
    instruction: str | None = None

    @property
    def state(self) -> State:
        return state_of(self.score)

    @property
    def title(self) -> str:
        return self.name + (f" ({self.predictor})" if self.predictor not in (None, "self") else "")

    def to_json(self) -> dict[str, JSON]:
        score, unparsed = self.score.to_json(), self.unparsed.to_json()
        return {**vars(self), "score": score, "unparsed": unparsed, "state": self.state}


@dataclass(frozen=True)
class Majority:
    """A program that gives the commonest label to every row, beside the program as it is. No call is made for it."""

    label: str
    score: Comparison


@dataclass(frozen=True)
class Found:
    """What a probe of a frozen file found.

    rows: scored. as_is, as_is_unparsed: the program's mean score, as a fraction of the metric's range, and the share of
        its replies that gave no outputs.
    comparisons: how many intervals of scores hold together. findings: one for each variant. omitted: what was not done,
        and why.
    given: the output that it gave most, and on what share of the rows.
    calls: that were paid for. planned: that they could be at most. notes: on the rows.
    """

    file: str
    model: str
    metric: str
    rows: int
    seed: int
    as_is: float
    as_is_unparsed: float
    comparisons: int
    findings: tuple[Finding, ...]
    omitted: tuple[Omitted, ...]
    majority: Majority | None = None
    given: tuple[str, float] | None = None
    calls: int = 0
    planned: int = 0
    notes: tuple[str, ...] = field(default=())

    def of(self, family: str) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.family == family)


def findings(
    as_is: Answers, variants: Sequence[tuple[Variant, Answers]], score_range: tuple[float, float], comparisons: int
) -> tuple[Finding, ...]:
    """Each variant compared with the program as it is.

    comparisons: how many intervals of a kind are to hold together with LEVEL, by Bonferroni's correction.
    """
    level = together(comparisons)
    return tuple(
        Finding(
            variant.family,
            variant.name,
            variant.predictor,
            compare(as_is.scores, answers.scores, score_range=score_range, level=level),
            compare([float(failed) for failed in as_is.failed], [float(f) for f in answers.failed], level=level),
            _commonest(answers.reasons),
            answers.cut,
            None
            if variant.family != "wording" or variant.predictor is None
            else variant.candidate.prompt(variant.predictor).instruction,
        )
        for variant, answers in variants
    )


def together(comparisons: int) -> float:
    """The level of one interval where so many are to hold together with LEVEL."""
    return 1 - (1 - LEVEL) / max(1, comparisons)


def state_of(score: Comparison) -> State:
    low, high = score.interval
    if high < 0:
        return "worse"
    if low > 0:
        return "better"
    return "held" if low > -MARGIN else "undecided"


def _commonest(reasons: Mapping[str, int]) -> str:
    return max(reasons, key=lambda reason: (reasons[reason], reason)) if reasons else ""
