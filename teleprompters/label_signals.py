"""How likely a candidate makes each label on each row: by log-probabilities where the LM gives them, else by sampling.

    found = distributions(bench, candidate, rows, ["positive", "negative"], n=10)
    mutual_information(found), local_entropy(found), misconfidence(found, rows, labels)

Sampling needs nothing but replies: n variants of the candidate at temperature 1 run as any candidate does, so that
budget, cache, journal and resumption are those of `bench.predict`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, TypeVar

from ..signatures.candidate import Candidate, Settings
from ..signatures.canonical import JSON, canonical
from ..signatures.errors import NoLogprobs, ProgramError, ReplyError
from ..signatures.example import Example
from ..signatures.prompt import Prompt
from ..signatures.rules.vectors import quantised
from .base import Messages, Workbench
from .label_statistics import (
    IMPOSSIBLE,
    closeness,
    entropy,
    entropy_of_counts,
    mean_distribution,
    predicted_shares,
    psi,
    smoothed,
    softmax,
)

Source: TypeAlias = Literal["auto", "logprobs", "samples"]

SAMPLES = 10
SAMPLING: Mapping[str, JSON] = {"temperature": 1.0, "top_p": 1.0}
CONTENT_FREE = ("N/A", "[MASK]", "")

_T = TypeVar("_T")


@dataclass(frozen=True)
class Distributions:
    """What a candidate says on each row: a probability for each label, in the order of the labels.

    source: where they come from. Compare candidates by one source only: pass `source=first.source` for the others.
    other: for each row the share of samples that named no label, or could not be read; 1.0 where a prompt did not fit.
    samples, counts: with source "samples", how many were drawn a row, and how many named each label.
    """

    probabilities: tuple[tuple[float, ...], ...]
    source: Literal["logprobs", "samples"]
    other: tuple[float, ...]
    samples: int = 0
    counts: tuple[tuple[int, ...], ...] = ()

    @property
    def reliable(self) -> tuple[int, ...]:
        """Numbers of the rows where at least half of the samples named a label: only they count in statistics."""
        return tuple(row for row, share in enumerate(self.other) if share <= 0.5)

    def entropies(self) -> list[float]:
        """H of each row's distribution; from samples with the correction of `entropy_of_counts`."""
        return [entropy_of_counts(c) for c in self.counts] if self.counts else [entropy(p) for p in self.probabilities]


@dataclass(frozen=True)
class Cost:
    """What `distributions` costs: calls where the LM gives log-probabilities, executions of a candidate where not."""

    calls: int
    executions: int

    @property
    def most(self) -> int:
        """The larger of the two, in executions of a program with one call: what to plan with before it is known."""
        return max(self.calls, self.executions)


def cost(rows: int, labels: int, n: int = SAMPLES) -> Cost:
    """rows x labels calls, or rows x n executions."""
    return Cost(calls=rows * labels, executions=rows * n)


def distributions(
    bench: Workbench,
    candidate: Candidate,
    rows: Sequence[Example],
    labels: Sequence[JSON],
    source: Source = "auto",
    *,
    n: int = SAMPLES,
    per_token: bool = False,
) -> Distributions:
    """p(label | row) under a candidate, over the given labels alone.

    labels: values of the program's only output, or mappings from output names to values.
    source: "logprobs" scores every label after every prompt: one predictor, every output labelled, an LM that tells;
        "samples" counts n replies at temperature 1 (smoothed by 0.5); "auto" takes the first where it can be had.
    n: with many labels at least 4 a label, or use no entropies. A metric with calls of its own is paid for too.
    per_token: compares labels by their mean log-probability per token, where their lengths differ much.
    Raises NoLogprobs and ProgramError with source "logprobs" only, or for labels that the program cannot give.
    """
    answers = as_outputs(candidate, labels)
    why = "" if source != "auto" else not_written(candidate, answers)
    if source != "samples" and not why:
        try:
            found = _by_logprobs(bench, candidate, rows, answers, per_token)
        except NoLogprobs as error:
            if source == "logprobs":
                raise
            why = str(error)
        else:
            bench.log("label distributions", source="logprobs", rows=len(rows), labels=len(labels))
            return found
    bench.log("label distributions", source="samples", rows=len(rows), labels=len(labels), n=n, reason=why)
    return _by_samples(bench, candidate, rows, answers, n)


def _by_logprobs(
    bench: Workbench, candidate: Candidate, rows: Sequence[Example], labels: Sequence[JSON], per_token: bool
) -> Distributions:
    measured = bench.label_distribution(candidate, rows, labels)
    scores = [[one.mean if per_token else one.total for one in row] for row in measured]
    return Distributions(
        tuple(tuple(softmax(row)) for row in scores),
        "logprobs",
        tuple(float(max(row) == IMPOSSIBLE) for row in scores),
    )


def _by_samples(
    bench: Workbench, candidate: Candidate, rows: Sequence[Example], answers: Sequence[Mapping[str, JSON]], n: int
) -> Distributions:
    counts = [[0] * len(answers) for _ in rows]
    for number in range(n):
        for row, outcome in enumerate(bench.predict(sampled(candidate, number), rows)):
            said = _named(outcome.outputs, answers)
            if said is not None and outcome.failure is None:
                counts[row][said] += 1
    return Distributions(
        tuple(tuple(smoothed(row)) for row in counts),
        "samples",
        tuple(1 - sum(row) / n for row in counts),
        n,
        tuple(map(tuple, counts)),
    )


def sampled(candidate: Candidate, number: int) -> Candidate:
    """The candidate as it gives its sample of this number: temperature 1, nothing cut off, a seed, no second ask."""
    for path, part in candidate.parts:
        params = {**part.settings.params, **SAMPLING, "seed": number}
        candidate = candidate.with_part(path, replace(part, settings=Settings.of(part.settings.role, "none", **params)))
    return candidate


def is_sample(candidate: Candidate) -> bool:
    """Whether a candidate is one of `sampled`: run for what it says, never to be selected."""
    return all(
        {"temperature": 1.0, "top_p": 1.0}.items() <= part.settings.params.items() for _, part in candidate.parts
    )


# labels


def as_outputs(candidate: Candidate, labels: Sequence[JSON]) -> list[dict[str, JSON]]:
    """Each label as output names and values. A label that is no such mapping is the value of the only output.

    Raises ProgramError for fewer than two labels, equal ones, and bare values where the program has several outputs.
    """
    outputs = [field.name for field in candidate.prompt(candidate.predictors[-1]).schema.outputs]
    # Of several predictors any may give the program's outputs; of one it is known which they are.
    names = outputs if len(candidate.predictors) == 1 else None
    answers = [_as_outputs(label, outputs, names) for label in labels]
    if len(answers) < 2 or len({canonical(answer) for answer in answers}) < len(answers):
        raise ProgramError(f"labels={list(labels)!r:.200}: give at least two, all different. Nothing was spent.")
    return answers


def _as_outputs(label: JSON, outputs: Sequence[str], names: Sequence[str] | None) -> dict[str, JSON]:
    if isinstance(label, Mapping) and label and (names is None or set(label) <= set(names)):
        return dict(label)
    if len(outputs) != 1:
        raise ProgramError(
            f"The label {label!r:.80} does not say which output it is of: there are {', '.join(outputs)}. Give labels "
            f"as mappings, such as {{{outputs[-1]!r}: ...}}. Nothing was spent."
        )
    return {outputs[0]: label}


def written(prompt: Prompt, labels: Sequence[JSON]) -> list[str]:
    """Each label as the reply that gives it. Raises ProgramError where that is none that could be read again."""
    outputs = [field.name for field in prompt.schema.outputs]
    return [_written(prompt, _as_outputs(label, outputs, outputs)) for label in labels]


def _written(prompt: Prompt, answer: Mapping[str, JSON]) -> str:
    missing = [field.name for field in prompt.schema.outputs if field.name not in answer]
    if missing:
        raise ProgramError(
            f"The label {dict(answer)!r:.80} says nothing of the output {missing[0]!r}, so its reply cannot be written "
            "and has no likelihood. Use samples (source='samples'), or give every output. Nothing was spent."
        )
    reply = prompt.reply(answer)
    try:
        prompt.template.parse(reply)
    except ReplyError as error:
        raise ProgramError(
            f"The label {dict(answer)!r:.80} is no answer of the program: {error} Give values that its output fields "
            "can hold. Nothing was spent."
        ) from error
    return reply


def rendered(
    prompt: Prompt, rows: Sequence[Example], embed: Callable[[Sequence[str]], list[list[float]]]
) -> list[Messages]:
    """The messages that a prompt makes of each row. embed: `bench.embed`, where its rule picks by vectors."""
    template = prompt.template
    vectors: list[str | None] = [None] * len(rows)
    if template.encoder is not None:
        vectors = [quantised(one) for one in embed([template.question(row.input_values) for row in rows])]
    return [template.render(row.input_values, vector) for row, vector in zip(rows, vectors, strict=True)]


def not_written(candidate: Candidate, answers: Sequence[Mapping[str, JSON]]) -> str:
    """Why the replies that give these labels are not known, or ""."""
    if len(candidate.predictors) > 1:
        return f"the program has {len(candidate.predictors)} predictors"
    outputs = [field.name for field in candidate.prompt(candidate.predictors[0]).schema.outputs]
    missing = [name for answer in answers for name in outputs if name not in answer]
    return f"the labels say nothing of the output {missing[0]!r}" if missing else ""


def _named(outputs: Mapping[str, JSON], answers: Sequence[Mapping[str, JSON]]) -> int | None:
    """Which label the outputs name: equal in all of its values, texts but for case and space at the ends."""
    for place, answer in enumerate(answers):
        if all(name in outputs and _alike(outputs[name], value) for name, value in answer.items()):
            return place
    return None


def _alike(one: JSON, other: JSON) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one.strip().casefold() == other.strip().casefold()
    return canonical(one) == canonical(other)


def place_of(row: Example, answers: Sequence[Mapping[str, JSON]]) -> int | None:
    """Which of the labels, as `as_outputs` gives them, is the row's own; None where it is none of them."""
    return _named(row.values, answers)


# what is read from them; -inf where no row is reliable, so that such a candidate is never chosen


def mutual_information(found: Distributions) -> float:
    """MI = H(mean over rows of p) - mean over rows of H(p): high where answers differ between rows and each is sure.

    From samples with corrected entropies, and then possibly a little below 0: with many labels take n >= 4 L.
    Source: Sorensen et al. 2022, arXiv 2203.11364.
    """
    if not found.reliable:
        return IMPOSSIBLE
    if found.counts:
        together = entropy_of_counts([sum(column) for column in zip(*_kept(found, found.counts), strict=True)])
    else:
        together = entropy(mean_distribution(_kept(found, found.probabilities)))
    return together - _mean(_kept(found, found.entropies()))


def global_entropy(found: Distributions, prior: Sequence[float] | None = None) -> float:
    """GlobalE: the entropy of the shares of rows that each label is predicted for; with a prior, -KL(shares || prior).

    Without one the labels are taken to be balanced. Ties are common, and guessing scores well: look at `other` too.
    Source: Lu et al. 2022, arXiv 2104.08786, section 3.2. The form with a prior is ours.
    """
    if not found.reliable:
        return IMPOSSIBLE
    shares = predicted_shares(_kept(found, found.probabilities))
    return entropy(shares) if prior is None else closeness(shares, prior)


def local_entropy(found: Distributions, prior: Sequence[float] | None = None) -> float:
    """LocalE: the mean over rows of the entropy of each row's distribution; with a prior, of -KL(p || prior).

    Source: Lu et al. 2022, arXiv 2104.08786, section 3.2, who keep high ones. The form with a prior is ours.
    """
    if not found.reliable:
        return IMPOSSIBLE
    if prior is None:
        return _mean(_kept(found, found.entropies()))
    return _mean([closeness(p, prior) for p in _kept(found, found.probabilities)])


def misconfidence(
    found: Distributions, candidate: Candidate, rows: Sequence[Example], labels: Sequence[JSON]
) -> list[float | None]:
    """psi of each row, see `psi`. None where the row's own label is none of them, or its samples say too little.

    Source: Xu and Zhang 2024, arXiv 2401.06301. With samples p(y*) counts as at least 1 / (2 n).
    """
    answers = as_outputs(candidate, labels)
    floor = 1 / (2 * found.samples) if found.samples else 0.0
    places = [place_of(row, answers) for row in rows]
    reliable = set(found.reliable)
    return [
        psi(p, place, floor) if place is not None and number in reliable else None
        for number, (p, place) in enumerate(zip(found.probabilities, places, strict=True))
    ]


def prior_of(found: Distributions) -> list[float]:
    """What a candidate leans to: the mean distribution of the reliable rows, uniform where there is none.

    Over rows without content: the p_cf of contextual calibration; over unlabelled rows: that of batch calibration.
    """
    kept = _kept(found, found.probabilities)
    labels = len(found.probabilities[0])
    return mean_distribution(kept) if kept else [1 / labels] * labels


def content_free(row: Example, texts: Sequence[str] = CONTENT_FREE) -> list[Example]:
    """The row with nothing to say: each text in all of its inputs that are texts. Its labels stay: metrics read them.

    Raises ProgramError for a row without any text among its inputs.
    """
    replaced = [name for name, value in row.input_values.items() if isinstance(value, str)]
    if not replaced:
        raise ProgramError(
            f"{row.place or 'A row'} has no text among its inputs that could be emptied. Calibrate by a batch of rows "
            "instead. Nothing was spent."
        )
    return [
        Example.of({**row.values, **dict.fromkeys(replaced, text)}, row.inputs, f"the content-free row {text!r}")
        for text in texts
    ]


def _kept(found: Distributions, values: Sequence[_T]) -> list[_T]:
    return [values[row] for row in found.reliable]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
