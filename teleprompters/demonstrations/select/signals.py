"""What selectors go by: one function a signal, a number for each shot, so that several selectors can share them.

Signals that cost something are told a purse and stop when it is empty: what they had no money for is None.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

from ....signatures.candidate import Candidate
from ....signatures.canonical import JSON, canonical
from ....signatures.errors import NoLogprobs, ProgramError
from ....signatures.example import Example
from ...base import Origin, Outcome
from ...draws import shuffled
from ...induction import written
from ...instruction_search import Purse
from ...label_signals import as_outputs, distributions, not_written, place_of, sampled
from ...label_statistics import entropy_of_counts
from ...wording import counted
from ..base import FEW_LABELS, Chosen, Shot, Supply
from ..vectors import centrality, vectors_of
from .influence_estimates import Run
from .random_sets import Random

By: TypeAlias = Literal["auto", "probabilities", "flips"]

CHOOSING = 0.75  # the share of the money that goes into a choice; the rest puts it in order and scores further sets
FEW_PROBABILITIES = 4  # each label costs a call, and a probability tells about as much as three answers
AT_ONCE = 16  # sets that are executed together before the purse is looked at again


def purse_of(supply: Supply, share: float = CHOOSING) -> Purse:
    """A purse with a share of the supply's money in it."""
    return Purse(supply.bench, max(0, supply.bench.remaining.expected - int(share * supply.money)))


def everything(supply: Supply) -> Iterator[Chosen]:
    """The only set, where there is nothing to choose."""
    if supply.shots:
        yield Chosen.of(supply.shots, "one of all there are")


def nothing_to_choose(supply: Supply) -> bool:
    return len(supply.shots) <= supply.k


def at_random(supply: Supply, selector: str, needs: int) -> Iterator[Chosen]:
    """A random set, where the money does not reach for what the selector goes by."""
    supply.bench.log(
        "no money to choose: demonstrations drawn at random",
        predictor=supply.predictor,
        selector=selector,
        money=supply.money,
        needs=needs,
    )
    yield from Random().select(supply)


def without_classes(supply: Supply, selector: str) -> Iterator[Chosen]:
    """A random set, where answers are no classes, or all the same, for a selector that compares classes."""
    supply.bench.log(
        "needs classes: demonstrations drawn at random",
        predictor=supply.predictor,
        selector=selector,
        outputs=answer_names(supply),
        answers=len(_label_counts(supply)),
    )
    yield from Random().select(supply)


# what the program answers


def answer_names(supply: Supply) -> tuple[str, ...]:
    """Outputs of the program that rows of the pool have labels for; where they have none, those of its last predictor.

    Of several predictors any may give them.
    """
    return _answer_names(supply.candidate, supply.bench.pool)


def _answer_names(candidate: Candidate, pool: Sequence[Example]) -> tuple[str, ...]:
    outputs = [field.name for path in candidate.predictors for field in candidate.prompt(path).schema.outputs]
    known = [name for name in outputs if any(row.labels.get(name) is not None for row in pool)]
    last = [field.name for field in candidate.prompt(candidate.predictors[-1]).schema.outputs]
    return tuple(dict.fromkeys(known or last))


def program_labels(supply: Supply) -> list[dict[str, JSON]]:
    """The program's answers in the labels of the pool, the most frequent first, as output names and values.

    None where they are too many to be classes.
    """
    return _few_labels(_label_counts(supply))


def _few_labels(counts: Counter[str]) -> list[dict[str, JSON]]:
    if not 0 < len(counts) <= min(FEW_LABELS, counts.total() // 2):
        return []
    return [json.loads(key) for key in sorted(counts, key=lambda key: (-counts[key], key))]


def labels_of(supply: Supply, selector: str) -> list[dict[str, JSON]]:
    """The same; raises ProgramError where they cannot be compared: one alone, or too many."""
    return _labels_in(supply.candidate, supply.bench.pool, selector)


def without_probabilities(candidate: Candidate, pool: Sequence[Example], selector: str) -> str:
    """Why labels have no probabilities, whatever the LM tells, and what to do; or "". Costs nothing."""
    try:
        labels = _labels_in(candidate, pool, selector)
    except ProgramError as error:
        return str(error)
    why = not_written(candidate, labels)
    return why and f"{selector} takes the probability of labels, and {why}. Use by='flips', which needs scores alone."


def _labels_in(candidate: Candidate, pool: Sequence[Example], selector: str) -> list[dict[str, JSON]]:
    counts = _counted(candidate, pool)
    labels = _few_labels(counts)
    if len(labels) < 2:
        there = f"{counted(len(counts), 'different answer')} in {counted(counts.total(), 'labelled row')}"
        raise ProgramError(
            f"{selector} compares how likely each of a few labels is. The pool has {there} "
            f"({', '.join(_answer_names(candidate, pool))}). Choose by Influence, "
            "InfoScore(by='flips') or Uncertainty, which need answers and scores alone."
        )
    return labels


def _label_counts(supply: Supply) -> Counter[str]:
    return _counted(supply.candidate, supply.bench.pool)


def _counted(candidate: Candidate, pool: Sequence[Example]) -> Counter[str]:
    names = _answer_names(candidate, pool)
    given = [{name: row.labels.get(name) for name in names} for row in pool]
    return Counter(canonical(labels) for labels in given if all(value is not None for value in labels.values()))


def sampled_answers(supply: Supply, rows: Sequence[Example], samples: int) -> list[list[str]]:
    """For each row what the program answered in so many samples at temperature 1; equal texts for equal answers.

    Samples that failed are left out. Costs rows x samples executions.
    """
    names = answer_names(supply)
    answers: list[list[str]] = [[] for _ in rows]
    for number in range(samples):
        for said, outcome in zip(answers, supply.bench.predict(sampled(supply.candidate, number), rows), strict=True):
            if outcome.failure is None:
                said.append(_answer(outcome, names))
    return answers


def _answer(outcome: Outcome, names: Sequence[str]) -> str:
    given = {name: outcome.outputs[name] for name in names if name in outcome.outputs} or outcome.outputs
    return canonical({name: v.strip().casefold() if isinstance(v, str) else v for name, v in given.items()})


def entropy_of_answers(answers: Sequence[str], samples: int) -> float | None:
    """H of the answers to one row, with the correction for their number; None when fewer than half could be read.

    The same answer every time: 0. At most log(samples).
    """
    if 2 * len(answers) < samples:
        return None
    counts = Counter(answers)
    return entropy_of_counts([*counts.values(), *[0] * (samples - len(counts))])


def entropies(supply: Supply, shots: Sequence[Shot], samples: int) -> list[float | None]:
    """How unsure the program is of each shot's row while nothing is shown. shots x samples executions."""
    answers = sampled_answers(supply, [shot.row for shot in shots], samples)
    return [entropy_of_answers(said, samples) for said in answers]


# how a text reads


def surprises(supply: Supply, texts: Sequence[str]) -> list[float | None]:
    """Minus the mean log-probability of each text's tokens: the logarithm of its perplexity. One call a text.

    None for a text that does not fit the context or has no token to measure. Raises NoLogprobs.
    """
    return [surprise(values) for values in supply.bench.text_logprobs(texts)]


def surprise(logprobs: Sequence[float]) -> float | None:
    if not logprobs or min(logprobs) == -math.inf:
        return None
    return -math.fsum(logprobs) / len(logprobs)


def shown_text(supply: Supply, shot: Shot) -> str:
    """A shot as one text, inputs and outputs, without the marks of the prompt's format, which all shots share."""
    return written(supply.schema, shot.demo.values)


def lengths(supply: Supply, shots: Sequence[Shot]) -> list[float]:
    """Characters of inputs and outputs."""
    return [float(len(shown_text(supply, shot))) for shot in shots]


def nearness(supply: Supply, shots: Sequence[Shot]) -> list[float]:
    """The cosine of each shot's inputs with the centre of the shots: of the encoder, else TF-IDF."""
    return [float(cosine) for cosine in centrality(vectors_of(supply, [supply.question(shot) for shot in shots]))]


# influence: scores of sets, out of which `influence_estimates` tells what a shot is worth


def random_runs(
    supply: Supply, shots: Sequence[Shot], count: int, rows: Sequence[Example], purse: Purse, selector: str
) -> list[Run]:
    """Scores of random sets of the supply's size, balanced over classes, in random order; fewer when money runs out.

    All on the same rows, so that sets are compared in pairs. Costs sets x rows executions.
    """
    rng = supply.bench.rng(f"subsets for influences on {supply.predictor}")
    number = {shot: place for place, shot in enumerate(shots)}
    runs: list[Run] = []
    while batch := min(AT_ONCE, count - len(runs), purse.left // max(1, len(rows))):
        sets = [supply.balanced(shuffled(shots, rng)) for _ in range(batch)]
        # A set that is scored on all of dev is a candidate like any other, and says where it comes from.
        origins = [_origin(supply, selector, chosen) for chosen in sets]
        candidates = [supply.showing(chosen) for chosen in sets]
        scores = supply.bench.score(candidates, rows, origin=origins, parents=[supply.candidate])
        runs += [
            Run(tuple(number[shot] for shot in chosen), score.mean) for chosen, score in zip(sets, scores, strict=True)
        ]
    return runs


def _origin(supply: Supply, selector: str, shots: Sequence[Shot]) -> Origin:
    rows: dict[str, JSON] = {shot.row.digest: "drawn at random" for shot in shots}
    return Origin("Demonstrations", "demonstrations", {"predictor": supply.predictor, "select": selector, "rows": rows})


# one-shot information: what a shot does, alone, for other rows


def source_of_gains(supply: Supply, by: By, rows: Sequence[Example]) -> Literal["probabilities", "flips"]:
    """What "auto" comes to: probabilities where the LM tells them and labels are few, else flips, which the log says.

    Raises NoLogprobs and ProgramError with "probabilities" where there are none.
    """
    if by == "flips":
        return "flips"
    try:
        labels = labels_of(supply, "InfoScore(by='probabilities')")
        if by == "auto" and len(labels) > FEW_PROBABILITIES:
            raise ProgramError(f"{len(labels)} labels are dearer than answers: take by='flips'")
        distributions(supply.bench, supply.candidate, rows[:1], labels, "logprobs")
    except (NoLogprobs, ProgramError) as error:
        if by == "probabilities":
            raise
        supply.bench.log("one-shot information", by="flips", predictor=supply.predictor, reason=str(error))
        return "flips"
    supply.bench.log("one-shot information", by="probabilities", predictor=supply.predictor)
    return "probabilities"


def gains(
    supply: Supply,
    shots: Sequence[Shot],
    rows: Sequence[Example],
    by: Literal["probabilities", "flips"],
    purse: Purse,
) -> list[list[float | None]]:
    """c(e, e') = p(y' | e, x') - p(y' | x') for each shot e and each row e' with its label; None where e' is e's row.

    by: "flips" takes what the metric gives, 0 or 1, for the probability of the label (and then c is -1, 0 or 1).
    Costs an execution a pair, or a call for each label. Shorter than the shots when the purse is empty.
    Source: Li and Qiu 2023, arXiv 2302.13539, section 3.1.
    """
    measure = _right if by == "flips" else _probable
    price = 1 if by == "flips" else len(labels_of(supply, "InfoScore"))
    if purse.left < len(rows) * price:
        return []
    base = measure(supply, [()], rows)[0]
    found: list[list[float | None]] = []
    while batch := min(AT_ONCE, len(shots) - len(found), purse.left // max(1, len(rows) * price)):
        some = shots[len(found) : len(found) + batch]
        for shot, values in zip(some, measure(supply, [(shot,) for shot in some], rows), strict=True):
            found.append(
                [
                    None if row == shot.row or value is None or before is None else value - before
                    for row, value, before in zip(rows, values, base, strict=True)
                ]
            )
    return found


def _right(supply: Supply, sets: Sequence[tuple[Shot, ...]], rows: Sequence[Example]) -> list[list[float | None]]:
    others = {chosen: [row for row in rows if all(row != shot.row for shot in chosen)] for chosen in sets}
    whole = [chosen for chosen in sets if len(others[chosen]) == len(rows)]
    scored = dict(zip(whole, supply.bench.score([supply.showing(one) for one in whole], rows), strict=True))
    for chosen in sets:
        if chosen not in scored:  # its own row would be answered by copying
            (scored[chosen],) = supply.bench.score([supply.showing(chosen)], others[chosen])
    values = {chosen: dict(zip(score.examples, score.values, strict=True)) for chosen, score in scored.items()}
    return [[values[chosen].get(row.digest) for row in rows] for chosen in sets]


def _probable(supply: Supply, sets: Sequence[tuple[Shot, ...]], rows: Sequence[Example]) -> list[list[float | None]]:
    labels = labels_of(supply, "InfoScore")
    places = [place_of(row, as_outputs(supply.candidate, labels)) for row in rows]
    found = []
    for chosen in sets:
        told = distributions(supply.bench, supply.showing(chosen), rows, labels, "logprobs")
        found.append([None if y is None else p[y] for p, y in zip(told.probabilities, places, strict=True)])
    return found


def information(values: Sequence[float | None]) -> float | None:
    """The mean gain of one shot over the rows it has one for: its InfoScore, whose sum would count rows."""
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def z_scores(values: Sequence[float | None]) -> list[float]:
    """Each value as standard deviations from the mean; 0, which says nothing, for one that is not known or not finite.

    All 0 where the values are equal.
    """
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return [0.0] * len(values)
    mean = math.fsum(known) / len(known)
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in known) / len(known))
    if spread < 1e-12:
        return [0.0] * len(values)
    return [0.0 if v is None or not math.isfinite(v) else (v - mean) / spread for v in values]
