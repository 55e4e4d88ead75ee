"""Whether a program gives one answer to nearly everything: a gain over a broken program can hide that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..signatures.canonical import canonical

if TYPE_CHECKING:
    from ..teleprompters.base import Outcome
    from .evaluate import Job

NEARLY_ALL = 0.9  # of the rows
SAYS = "The finalist answers "  # how the sentence begins; it stands beside the verdict wherever that is shown


def one_answer(done: Sequence[tuple[Job, Outcome]]) -> str | None:
    """A sentence where one value of an output stands on nearly all rows, though the labels differ; None otherwise.

    done: the finalist on held-out rows.
    """
    for name in {name: None for _, outcome in done for name in outcome.outputs}:
        labels = Counter(canonical(job.example.labels[name]) for job, _ in done if name in job.example.labels)
        answers = Counter(canonical(outcome.outputs[name]) for _, outcome in done if name in outcome.outputs)
        answer, times = answers.most_common(1)[0]
        right = labels[answer]
        if labels.total() == len(done) and times >= NEARLY_ALL * len(done) > right:
            return (
                f"{SAYS}{name}={answer} on {times} of {len(done)} held-out rows, and that is right on "
                f"{right}: it hardly looks at its inputs. Better than the program it began with is not good."
            )
    return None
