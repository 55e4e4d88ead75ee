"""From many candidates to a few, and from these to the best: rewards for selectors, and full scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from ..signatures.candidate import Candidate
from .bandits import Pull
from .base import Score, Workbench
from .induction import Proposal

Scoring: TypeAlias = Literal["execution", "likelihood"]


def affordable_finalists(wanted: int, executions: int, dev: int) -> int:
    """Full scores take at most half of the money, so that there is a choice to make before them."""
    return max(1, min(wanted, executions // (2 * max(1, dev))))


def puller(bench: Workbench, arms: Sequence[Candidate], made: Mapping[Candidate, Proposal], scoring: Scoring) -> Pull:
    """Rewards of candidates on rows of dev, both by number. made: where they come from; those not in it are known."""

    def pull(chosen: Sequence[int], examples: Sequence[int]) -> list[Sequence[float]]:
        candidates, rows = [arms[arm] for arm in chosen], [bench.dev[number] for number in examples]
        if scoring == "likelihood":
            return [bench.label_logprobs(candidate, rows) for candidate in candidates]
        if len(rows) < len(bench.dev):
            return [score.values for score in bench.score(candidates, rows)]
        return [
            (full_score(bench, one, made[one]) if one in made else bench.score([one], rows)[0]).values
            for one in candidates
        ]

    return pull


def full_score(bench: Workbench, candidate: Candidate, made: Proposal) -> Score:
    """On all of dev, which records the candidate: so it says where it comes from."""
    return bench.score([candidate], origin=made.origin, parents=[made.parent])[0]


def final_scores(bench: Workbench, best: Score, finalists: Mapping[Candidate, Proposal]) -> Score:
    """The best of the incumbent and the finalists on all of dev; the incumbent when they are equal."""
    # One after the other, best guess first: when the budget ends here, what was scored counts.
    for finalist, made in finalists.items():
        score = full_score(bench, finalist, made)
        if score.mean > best.mean:
            best = score
    return best
