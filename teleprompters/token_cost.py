"""TokenCost: what the length of a prompt costs, in the words of a meta-prompt and in the comparison of candidates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..signatures.candidate import Candidate
from ..signatures.prompt import Template
from .base import Score

BYTES_PER_TOKEN = 4  # no tokenizer is at hand for every model; English text has about this many


@dataclass(frozen=True)
class TokenCost:
    """What prompt tokens cost.

    usd_per_million: the price of a million prompt tokens, which the optimizer LM is told (0.15, for example).
    penalty: what 100 prompt tokens are worth, in units of the score: 0.01 gives up one point of 100 for a prompt
        that is 100 tokens shorter. 0.0: the optimizer LM is told, and candidates are compared by their scores alone.

    Raises ValueError on a negative or infinite number.
    """

    usd_per_million: float
    penalty: float = 0.0

    def __post_init__(self) -> None:
        for value in (self.usd_per_million, self.penalty):
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{self}: price and penalty are finite and at least 0.")

    def value(self, score: Score) -> float:
        """The mean score less the penalty for the length of the prompt."""
        return score.mean - self.of(score.candidate)

    def of(self, candidate: Candidate) -> float:
        """The penalty for the length of a candidate's prompt, in units of the score."""
        return self.penalty * prompt_tokens(candidate) / 100

    def told(self, candidate: Candidate) -> str:
        """The paragraph of a meta-prompt that tells the optimizer LM the price, and how long the prompt is now."""
        return (
            f"Every word of the instruction is paid for at every call: a prompt token costs "
            f"${self.usd_per_million / 1e6:.8f}, and the whole prompt has about {prompt_tokens(candidate)} tokens now. "
            "Leave out what does not help."
        )


def prompt_tokens(candidate: Candidate) -> int:
    """About how many tokens the literal text of all its prompts has, inputs not counted: UTF-8 bytes by four.

    Of demonstrations that are picked per query, as many count as are picked, at their mean length.
    """
    return sum(_bytes(part.prompt.template) for _, part in candidate.parts) // BYTES_PER_TOKEN


def front(scores: Sequence[Score]) -> list[Score]:
    """The scores that no other one beats in accuracy without being longer, shortest prompt first."""
    best: list[Score] = []
    for score in sorted(scores, key=lambda score: (prompt_tokens(score.candidate), -score.mean)):
        if not best or score.mean > best[-1].mean:
            best.append(score)
    return best


def _bytes(template: Template) -> int:
    fixed = [*template.head, *template.tail]
    shown = [message for demo in template.demos for message in demo]
    size = sum(len(part.encode()) for message in fixed for part in message.parts if isinstance(part, str))
    demos = sum(len(part.encode()) for message in shown for part in message.parts if isinstance(part, str))
    if template.rule is not None and template.demos:
        demos = demos * min(template.rule.k, len(template.demos)) // len(template.demos)
    return size + demos
