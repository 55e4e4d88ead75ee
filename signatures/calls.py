"""What calls of predictors are made of, for those who search, those who run and those who only call: small values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from .canonical import JSON

Messages: TypeAlias = Sequence[Mapping[str, str]]
FailureKind: TypeAlias = Literal["unparsed", "refused", "truncated", "overflow", "program_error"]


@dataclass(frozen=True)
class Spend:
    """Distinct requests and what they cost. usd is 0.0 where no price is known."""

    calls: int = 0
    tokens: int = 0
    usd: float = 0.0

    def __add__(self, other: Spend) -> Spend:
        return Spend(self.calls + other.calls, self.tokens + other.tokens, self.usd + other.usd)


@dataclass(frozen=True)
class Step:
    """One predictor's call within an execution: its path, inputs and outputs in JSON form, and the reply's text.

    outputs: empty when the reply could not be used; what was replied is still there.
    """

    path: str
    inputs: Mapping[str, JSON]
    outputs: Mapping[str, JSON]
    reply: str
