"""Objectives beside the score: what a candidate costs to run, the front of both, and which point of it ships."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ...signatures.canonical import JSON
from ..base import Outcome, Score, Workbench
from ..token_cost import BYTES_PER_TOKEN, prompt_tokens


class Cost(ABC):
    """What an execution of a candidate costs; less is better. Implementations are frozen dataclasses.

    unit: of what `of` gives, for tables.
    """

    unit: str

    @property
    def name(self) -> str:
        return type(self).__name__

    @abstractmethod
    def of(self, bench: Workbench, score: Score) -> float:
        """The cost of the candidate of a score, from its text or from its outcomes on the rows of the score."""


@dataclass(frozen=True)
class PromptTokens(Cost):
    """The length of the prompts, inputs not counted: about how many tokens their text has."""

    unit = "tokens"

    def of(self, bench: Workbench, score: Score) -> float:
        return float(prompt_tokens(score.candidate))


@dataclass(frozen=True)
class Dollars(Cost):
    """What a thousand executions cost, on average over the rows that were scored; 0 where no price is known."""

    unit = "dollars a thousand"

    def of(self, bench: Workbench, score: Score) -> float:
        outcomes = _outcomes(bench, score)
        return 1000 * math.fsum(outcome.spend.usd for outcome in outcomes) / len(outcomes)


@dataclass(frozen=True)
class Latency(Cost):
    """About how long an execution takes, from the calls it makes and the tokens that these read and write.

    An estimate, since measured times would differ from run to run, and with them what is chosen; give the speeds of
    your server. Replies are reckoned with four bytes a token.

    prompt, reply: tokens a second. call: seconds that a call takes beside its tokens.
    Raises ValueError on speeds that are not positive.
    """

    prompt: float = 2000.0
    reply: float = 50.0
    call: float = 0.2
    unit = "seconds"

    def __post_init__(self) -> None:
        if not (self.prompt > 0 and self.reply > 0 and self.call >= 0):
            raise ValueError(f"{self}: speeds are positive, in tokens a second.")

    def of(self, bench: Workbench, score: Score) -> float:
        outcomes = _outcomes(bench, score)
        calls = sum(outcome.spend.calls for outcome in outcomes)
        written = sum(len(step.reply.encode()) for outcome in outcomes for step in outcome.trace) / BYTES_PER_TOKEN
        read = max(0.0, sum(outcome.spend.tokens for outcome in outcomes) - written)
        return (calls * self.call + read / self.prompt + written / self.reply) / len(outcomes)


@dataclass(frozen=True)
class Point:
    """A candidate with its score on dev and its costs, in the order of the objectives."""

    score: Score
    costs: tuple[float, ...]

    def costs_no_more_than(self, other: Point) -> bool:
        return all(mine <= its for mine, its in zip(self.costs, other.costs, strict=True))

    def to_json(self) -> dict[str, JSON]:
        costs = [round(cost, 9) for cost in self.costs]
        return {"candidate": self.score.candidate.digest, "dev": self.score.mean, "costs": costs}


ROUNDING = 1e-9  # one row that is lost is one standard error exactly, on paper

Rule: TypeAlias = Callable[[Sequence[Point]], Point]


def pareto(points: Sequence[Point]) -> list[Point]:
    """The points that no other one beats in something without being worse in anything; the best score first.

    Of points that are equal in all, the first.
    """
    kept: list[Point] = []
    for point in sorted(points, key=lambda point: (-point.score.mean, point.costs)):
        if not any(other.costs_no_more_than(point) for other in kept):
            kept.append(point)
    return kept


def one_standard_error(points: Sequence[Point]) -> Point:
    """The cheapest of those whose score is within one standard error of the best; cheapest in the first cost.

    The error is that of the difference to the best on the same rows: two candidates that are right on the same rows
    are told apart by few of them.
    Source: the one-standard-error rule of Breiman et al. 1984, Classification and Regression Trees, 3.4.3.
    """
    best = max(points, key=lambda point: point.score.mean)
    close = [point for point in points if _lags(best, point) <= _standard_error(best, point) + ROUNDING]
    return min(close, key=lambda point: (point.costs, -point.score.mean))


def _lags(best: Point, other: Point) -> float:
    return best.score.mean - other.score.mean


def _standard_error(best: Point, other: Point) -> float:
    differences = [a - b for a, b in zip(best.score.values, other.score.values, strict=True)]
    if len(differences) < 2:
        return 0.0
    mean = math.fsum(differences) / len(differences)
    return math.sqrt(math.fsum((d - mean) ** 2 for d in differences) / (len(differences) - 1) / len(differences))


def _outcomes(bench: Workbench, score: Score) -> list[Outcome]:
    rows = {row.digest: row for row in bench.dev}
    return bench.predict(score.candidate, [rows[digest] for digest in score.examples])
