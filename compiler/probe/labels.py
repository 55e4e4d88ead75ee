"""The same demonstrations with wrong labels: does the model use what they show, or only that they are there?"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, TypeAlias

from ...signatures.canonical import JSON, canonical
from ...signatures.prompt import Demo, Prompt
from ...signatures.schema import Field
from .base import Omitted, PromptPerturbation, Subject, Variant

# Output field -> its labels, in a fixed order.
Labels: TypeAlias = Mapping[str, Sequence[JSON]]

_TRIES = 20  # random labellings drawn until one differs from those shown


class WrongLabels(PromptPerturbation):
    """Demonstrations whose labels are changed, for outputs that take one of a few values.

    Fixed demonstrations and the pool of a rule alike; a rule compares inputs, so it picks the same ones. Demonstrations
    that are marked as wrong stay as they are.
    """

    family = "labels"
    title: ClassVar[str]

    def of(self, subject: Subject, path: str) -> Iterator[Variant | Omitted]:
        prompt = subject.candidate.prompt(path)
        labels = labels_of(prompt)
        if not any(is_worked(demo, labels) for demo in prompt.demos):
            what = "no output takes one of a few values" if prompt.demos else "the prompt has no demonstrations"
            yield self.omitted(path, self.title, what)
            return
        for name, demos in self.relabelled(subject, path, labels):
            yield self.changed(subject, path, name, demos=demos)

    @abstractmethod
    def relabelled(self, subject: Subject, path: str, labels: Labels) -> Iterator[tuple[str, tuple[Demo, ...]]]:
        """The name of each variant, and the demonstrations with their labels changed."""


class FlippedLabels(WrongLabels):
    """Every label replaced by the next one of the list, the last by the first: all of them wrong, the same way.

    A model that follows the mapping which the demonstrations show now answers with the other labels.
    """

    title = "flipped"

    def relabelled(self, subject: Subject, path: str, labels: Labels) -> Iterator[tuple[str, tuple[Demo, ...]]]:
        def flip(name: str, value: JSON) -> JSON:
            known = list(labels[name])
            return known[(known.index(value) + 1) % len(known)]

        demos = subject.candidate.prompt(path).demos
        yield self.title, tuple(with_labels(demo, labels, flip) for demo in demos)


class RandomLabels(WrongLabels):
    """Every label replaced by one drawn at random from the list, which leaves some of them right.

    Source: Min et al. 2022, "Rethinking the Role of Demonstrations", arXiv 2202.12837: on many tasks random labels
    barely lower the score, so that what demonstrations show is the format and the set of labels.
    """

    title = "random"

    def relabelled(self, subject: Subject, path: str, labels: Labels) -> Iterator[tuple[str, tuple[Demo, ...]]]:
        demos = subject.candidate.prompt(path).demos
        rng = subject.rng("labels", path)

        def draw(name: str, value: JSON) -> JSON:
            return labels[name][int(rng.random() * len(labels[name]))]

        found: list[tuple[Demo, ...]] = []
        for _ in range(_TRIES * subject.draws):
            drawn = tuple(with_labels(demo, labels, draw) for demo in demos)
            if drawn != demos and drawn not in found and len(found) < subject.draws:
                found.append(drawn)
        for number, drawn in enumerate(found, 1):
            yield f"{self.title} {number}", drawn


def labels_of(prompt: Prompt) -> Labels:
    """The outputs of a prompt that take one of a few values, and these values in a fixed order.

    Declared ones (Literal, enum, bool) in the order of the declaration; else the values in the demonstrations, where
    there are at least two and each stands there twice on average.
    """
    found = {field.name: declared(field) or _seen(prompt.demos, field) for field in prompt.schema.outputs}
    return {name: values for name, values in found.items() if len(values) > 1}


def declared(field: Field) -> Sequence[JSON]:
    """The values that the field's type lists; none where it lists none."""
    schema = field.json_schema
    if schema.get("type") == "boolean":
        return [True, False]
    values = schema.get("enum", [])
    return list(values) if isinstance(values, list) else []


def _seen(demos: Sequence[Demo], field: Field) -> Sequence[JSON]:
    shown = [demo.values[field.name] for demo in demos if demo.values.get(field.name) is not None]
    distinct = sorted({canonical(value): value for value in shown}.items())
    return [value for _, value in distinct] if 2 * len(distinct) <= len(shown) else []


def is_worked(demo: Demo, labels: Labels) -> bool:
    """Whether a demonstration shows a label as the right one."""
    return demo.kind == "worked" and any(demo.values.get(name) in known for name, known in labels.items())


def with_labels(demo: Demo, labels: Labels, change: Callable[[str, JSON], JSON]) -> Demo:
    """The demonstration with its labels changed and all else as it is. change: (output, label) -> label."""
    if not is_worked(demo, labels):
        return demo
    values = {
        name: change(name, value) if name in labels and value in labels[name] else value
        for name, value in demo.values.items()
    }
    return replace(demo, data=json.dumps(values, ensure_ascii=False, allow_nan=False))
