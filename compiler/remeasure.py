"""Further metrics on outcomes that are there already: the program does not run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..signatures.canonical import digest
from ..teleprompters.base import Outcome, Spend
from .budget import Account
from .evaluate import Evaluator, Job
from .execution import Execution, RowFailure, Spoken
from .fast_path import Answers
from .metrics import Metric


@dataclass
class Remeasure(Evaluator):
    """An evaluator whose program has answered before: what it runs is the metric alone, and its judge."""

    answered: Mapping[tuple[str, str], Outcome] = field(default_factory=dict)

    @property
    def is_fast(self) -> bool:
        return True

    def worst(self, job: Job, account: Account = "search") -> Spend:
        return super().worst(job, account) if self.is_measured else Spend()

    def _answer(self, jobs: Mapping[int, Job], executions: Mapping[int, Execution]) -> Answers:
        answers: Answers = {}
        for index, job in jobs.items():
            outcome = self.answered[job.candidate.digest, job.example.digest]
            if outcome.failure is not None:
                answers[index] = RowFailure(outcome.failure, outcome.reason)
            else:
                answers[index] = Spoken(outcome.outputs, "")
        return answers


def remeasure(
    evaluator: Evaluator, metric: Metric, done: Sequence[tuple[Job, Outcome]], account: Account
) -> list[float]:
    """Scores of a further metric, one an outcome; the lowest score where the program failed.

    Raises BudgetSpent when the account does not pay for the calls of the metric's judge.
    """
    answered = {(job.candidate.digest, job.example.digest): outcome for job, outcome in done}
    measuring = Remeasure(
        evaluator.program,
        metric,
        evaluator.lms,
        evaluator.client,
        evaluator.ledger,
        evaluator.journal,
        evaluator.concurrency,
        evaluator.on_block,
        answered=answered,
    )
    purpose = f"report {digest(metric.identity)}"
    jobs = [Job(job.candidate, job.example, purpose) for job, _ in done]
    try:
        return [outcome.score for block in measuring.run(jobs, account) for _, outcome in block]
    finally:
        measuring.close()
