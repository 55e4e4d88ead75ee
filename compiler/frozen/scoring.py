"""Scoring a frozen file on rows, as `burnish eval` does: through a client, outside any compile."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...signatures.canonical import JSON, digest
from ...signatures.errors import ExampleError, MetricError, ReplyError
from .document import candidate_of, read_document

if TYPE_CHECKING:
    from ..lm import LM, Client
    from ..metrics import Metric


@dataclass(frozen=True)
class Scored:
    """A file's scores, in the order of the rows. failed: how many rows gave no outputs and score the bottom for it."""

    scores: tuple[float, ...]
    failed: int

    @property
    def mean(self) -> float:
        return sum(self.scores) / len(self.scores)

    def to_json(self) -> dict[str, JSON]:
        return {"mean": self.mean, "examples": len(self.scores), "failed": self.failed, "scores": list(self.scores)}


def default_metric(path: str) -> Metric:
    """The built-in metric that the file was compiled with. Raises MetricError when it was a function of the user's."""
    provenance = read_document(path)["provenance"]
    name = str(provenance.get("metric"))
    from .. import metrics

    named = re.fullmatch(r"(\w+)\('(\w+)'\)", name)
    if named is not None and named[1] in metrics.BUILT_IN:
        metric = metrics.metric_by_name(named[1], named[2])
        if digest(metric.identity) == provenance.get("metric_identity"):
            return metric
    raise MetricError(f"{path} was compiled with the metric {name}, which its name alone does not give. Add --metric.")


def same_requests(one: str, other: str) -> bool:
    """Whether two files send the same requests for the same inputs, so that their scores cannot differ."""
    documents = [read_document(path) for path in (one, other)]
    first, second = (
        (candidate_of(d["predictors"]), d["lm"]["model"], d["lm"].get("local"), d["kind"], d["pipeline"])
        for d in documents
    )
    return first == second


def score_document(
    document: Mapping[str, JSON],
    rows: Sequence[Any],
    metric: Metric,
    client: Client,
    lm: LM | None = None,
    program: object = None,
    encoder: object = None,
) -> Scored:
    """The scores of a document on all rows, asked through a client, which decides what is kept and counted."""
    from ..lm import LM
    from ..runtime.answering import same_encoder
    from ..runtime.cached_sender import through
    from ..runtime.program import FrozenProgram

    wanted = candidate_of(document["predictors"]).encoders
    vectors = through(client, same_encoder(encoder, wanted[0])) if wanted else None
    answering = through(client, lm if lm is not None else LM(document["lm"]["model"]))
    frozen = FrozenProgram(document, lm=answering, program=program, encoder=vectors)
    results = frozen.batch([inputs_of(row, frozen.inputs) for row in rows], client.concurrency)
    failed = sum(isinstance(result, ReplyError) for result in results)
    return Scored(tuple(score_of(metric, row, result) for row, result in zip(rows, results, strict=True)), failed)


def inputs_of(row: Any, names: tuple[str, ...]) -> dict[str, JSON]:
    """The inputs of a row: those it says are inputs, else those of these names."""
    marked = getattr(row, "_input_keys", None)
    if marked is None and not names:
        raise ExampleError("A module's file does not tell which columns are its inputs. Name them with --inputs.")
    return {name: row[name] for name in (names if marked is None else marked) if name in row}


def score_of(metric: Metric, row: Any, result: Any) -> float:
    """The score of what one row gave: outputs by name, or the error of a reply that could not be used."""
    from ...signatures.dspy_bridge import Prediction

    if isinstance(result, ReplyError):
        return float(metric.range[0])
    score, _ = metric.measure(row, Prediction.from_completions([dict(result)]))
    return score
