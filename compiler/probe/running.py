"""Running the subject and its variants as production runs a frozen file, and scoring what comes back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...signatures.candidate import Candidate
from ...signatures.canonical import JSON, canonical
from ...signatures.errors import ReplyError
from ..callbacks import Callback, CallEnded
from ..frozen.compiled import predictor_document
from ..frozen.scoring import score_of
from .base import Inputs

if TYPE_CHECKING:
    from ..lm import LM, Client, Encoder
    from ..metrics import Metric


@dataclass(frozen=True)
class Answers:
    """What came back, in the order of the rows.

    failed: for each row whether its reply gave no outputs; such a row scores the bottom. reasons: how often each.
    cut: replies that ended at max_tokens. outputs: of the rows that did not fail.
    """

    scores: tuple[float, ...]
    failed: tuple[bool, ...]
    reasons: Mapping[str, int]
    cut: int
    outputs: tuple[Mapping[str, Any], ...]

    def most_given(self, name: str) -> tuple[Any, int] | None:
        """The commonest value of an output and on how many rows it was given; None where no row gave one."""
        return most_common(output[name] for output in self.outputs if name in output)


@dataclass(frozen=True)
class Runner:
    """Runs candidates in place of the one in a document, through one client."""

    document: Mapping[str, JSON]
    client: Client
    lm: LM
    encoder: Encoder | None
    program: object
    metric: Metric
    examples: Sequence[Any]
    concurrency: int

    def run(self, candidate: Candidate, inputs: Inputs) -> Answers:
        """Raises what ends a run and is no failure of the program: LMError, BudgetError, MetricError, ..."""
        from ..runtime.cached_sender import through
        from ..runtime.program import FrozenProgram

        cut = _Cut()
        embedding = None if self.encoder is None or not candidate.encoders else through(self.client, self.encoder)
        predictors = {path: predictor_document(part) for path, part in candidate.parts}
        frozen = FrozenProgram(
            {**self.document, "predictors": predictors},
            lm=through(self.client, self.lm),
            program=self.program,
            encoder=embedding,
            callbacks=[cut],
        )
        results = frozen.batch(inputs, self.concurrency)
        failures = Counter(str(result) for result in results if isinstance(result, ReplyError))
        return Answers(
            scores=tuple(
                score_of(self.metric, row, result) for row, result in zip(self.examples, results, strict=True)
            ),
            failed=tuple(isinstance(result, ReplyError) for result in results),
            reasons=dict(failures),
            cut=len(cut.replies),
            outputs=tuple(dict(result) for result in results if not isinstance(result, ReplyError)),
        )

    def constant(self, outputs: Mapping[str, JSON]) -> tuple[float, ...]:
        """The scores of a program that gives these outputs whatever it is asked."""
        return tuple(score_of(self.metric, row, outputs) for row in self.examples)


class _Cut(Callback):
    """Notes the replies that ended at max_tokens."""

    def __init__(self) -> None:
        self.replies: list[CallEnded] = []

    def on_call_ended(self, event: CallEnded) -> None:
        if event.finish_reason == "length":
            self.replies.append(event)


def majority(metric: Metric, outputs: Sequence[str], examples: Sequence[Any]) -> dict[str, JSON] | None:
    """The labels that most rows have, as outputs; None where rows hold none, or hardly any two rows have the same.

    outputs: of the program; for a metric that states what it reads, only that counts.
    """
    columns = dict([metric.reads]) if metric.reads is not None else {name: name for name in outputs}
    if not columns or any(column not in row for row in examples for column in columns.values()):
        return None
    labels = [{name: row[column] for name, column in columns.items()} for row in examples]
    found = most_common(label for label in labels if not any(isinstance(v, list | dict) for v in label.values()))
    return None if found is None or found[1] < 2 else found[0]


def most_common(values: Any) -> tuple[Any, int] | None:
    """The commonest value, the first of equally common ones, and its count."""
    by_text: dict[str, list[Any]] = {}
    for value in values:
        by_text.setdefault(canonical(str(value)), []).append(value)
    if not by_text:
        return None
    same = max(by_text.values(), key=len)
    return same[0], len(same)
