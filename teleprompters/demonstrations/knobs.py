"""Knobs of demonstrations: what is taken out of them or made wrong, to see what the program makes use of.

Each is a function from shots to shots, in the same order, that leaves all else as it is. Source: Min et al. 2022,
arXiv 2202.12837, sections 4 and 5, inputs of another domain as in its released code.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

from ...signatures.canonical import JSON, canonical
from ...signatures.example import Example
from ...signatures.prompt import Demo
from ..draws import draw
from ..induction import as_text
from ..pairs import from_trace
from .base import Shot, Supply

LabelSource: TypeAlias = Literal["gold", "uniform", "prior", "silver"]
Label: TypeAlias = Mapping[str, JSON]

LABEL_SOURCES: tuple[LabelSource, ...] = ("gold", "uniform", "prior", "silver")


def partly_right(shots: Sequence[Shot], labels: Sequence[Label], share: float, rng: random.Random) -> list[Shot]:
    """A share of the shots (rounded) keep their label; each other one gets a different label, all equally likely.

    labels: the values of each class (`Supply.labels()`). Raises ValueError on a share outside 0 to 1 and on one class.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"partly_right(share={share}) must be from 0 to 1.")
    _several(labels)
    kept = set(draw(range(len(shots)), round(share * len(shots)), rng))
    return [
        shot
        if place in kept
        else relabelled(shot, _one_of([label for label in labels if not _has(shot, label)], rng.random()))
        for place, shot in enumerate(shots)
    ]


def labelled_from(supply: Supply, shots: Sequence[Shot], source: LabelSource, rng: random.Random) -> list[Shot]:
    """The shots with labels of another source.

    "gold": as they are. "uniform": each class equally likely, the right one too. "prior": as likely as it is among the
    supply's shots. "silver": what the program says without demonstrations, one execution a shot; where it says nothing
    that can be used the label stays. Raises ValueError on another source, and without classes where one is drawn.
    """
    if source == "gold":
        return list(shots)
    if source == "silver":
        outcomes = supply.bench.predict(supply.candidate, [shot.row for shot in shots])
        said = [from_trace(outcome, supply.predictor, supply.schema) or {} for outcome in outcomes]
        names = supply.answered
        return [
            relabelled(shot, {name: one[name] for name in names if name in one})
            for shot, one in zip(shots, said, strict=True)
        ]
    if source not in LABEL_SOURCES:
        raise ValueError(f"labels from {source!r}: known are {', '.join(map(repr, LABEL_SOURCES))}.")
    labels = supply.labels()
    _several(labels)
    if source == "uniform":
        return [relabelled(shot, _one_of(labels, rng.random())) for shot in shots]
    counts = Counter(supply.answer(shot) for shot in supply.shots)
    weights = [counts[answer] for answer in supply.classes]
    return [relabelled(shot, labels[_weighted(weights, rng.random())]) for shot in shots]


def cyclic(labels: Sequence[Label]) -> dict[str, Label]:
    """Each label's canonical text -> the label after it; the first one after the last."""
    _several(labels)
    return {canonical(dict(one)): after for one, after in zip(labels, [*labels[1:], labels[0]], strict=True)}


def mapped(shots: Sequence[Shot], mapping: Mapping[str, Label]) -> list[Shot]:
    """The shots with each label replaced by another one; a label that the mapping lacks stays."""
    return [relabelled(shot, _after(shot.demo.values, mapping)) for shot in shots]


def mapped_rows(rows: Sequence[Example], mapping: Mapping[str, Label]) -> list[Example]:
    """Rows to be tested on under the same mapping: what is right on them moves on as well."""
    return [replace(row, data=Example.of({**row.values, **_after(row.values, mapping)}, ()).data) for row in rows]


def inputs_only(supply: Supply, shots: Sequence[Shot]) -> list[Shot]:
    """Outputs without text. Formats show no demonstration that lacks all outputs, so an empty place stays."""
    return [_with(shot, {field.name: "" for field in supply.schema.outputs}) for shot in shots]


def labels_only(supply: Supply, shots: Sequence[Shot]) -> list[Shot]:
    """Inputs without text; the empty places stay, as above."""
    return [_asking(shot, {field.name: "" for field in supply.schema.inputs}) for shot in shots]


def out_of_domain(supply: Supply, shots: Sequence[Shot], texts: Sequence[str], rng: random.Random) -> list[Shot]:
    """The first text among the inputs replaced by one from elsewhere, of about as many words.

    texts: sentences of another domain, drawn with weight exp(-gap^2 / 50) for a gap in words, each at most once while
    there are others. Raises ValueError on no texts and on a predictor without a text input.
    """
    name = next((field.name for field in supply.schema.inputs if field.is_text), None)
    if not texts or name is None:
        raise ValueError("inputs of another domain need texts, and a predictor with a text among its inputs.")
    left: list[str] = []
    replaced = []
    for shot in shots:
        left = left or list(texts)
        words = len(as_text(shot.demo.values.get(name, "")).split())
        gaps = [abs(len(text.split()) - words) for text in left]
        least = min(gaps)  # divided out, so that far lengths do not all have weight 0
        weights = [math.exp((least * least - gap * gap) / 50) for gap in gaps]
        replaced.append(_asking(shot, {name: left.pop(_weighted(weights, rng.random()))}))
    return replaced


def relabelled(shot: Shot, label: Label) -> Shot:
    """The shot with these outputs instead."""
    return _with(shot, label)


def _with(shot: Shot, values: Label) -> Shot:
    return replace(shot, demo=replace(shot.demo, data=Demo.of({**shot.demo.values, **values}).data))


def _asking(shot: Shot, inputs: Label) -> Shot:
    """The shot with these inputs instead, without a vector, which was of the others."""
    changed = _with(shot, inputs)
    return replace(changed, demo=replace(changed.demo, vector=None))


def _has(shot: Shot, label: Label) -> bool:
    return all(shot.demo.values.get(name) == value for name, value in label.items())


def _after(values: Mapping[str, JSON], mapping: Mapping[str, Label]) -> Label:
    names = next(iter(mapping.values())).keys()
    return mapping.get(canonical({name: values[name] for name in names if name in values}), {})


def _one_of(labels: Sequence[Label], chance: float) -> Label:
    return labels[int(chance * len(labels))]


def _weighted(weights: Sequence[float], chance: float) -> int:
    left = chance * sum(weights)
    for place, weight in enumerate(weights):
        left -= weight
        if left < 0:
            return place
    return len(weights) - 1


def _several(labels: Sequence[Label]) -> None:
    if len(labels) < 2:
        raise ValueError(
            f"{len(labels)} classes: wrong labels need at least 2. Answers that are nearly all different are no "
            "classes."
        )
