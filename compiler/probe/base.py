"""What a probe changes and what it leaves alone: the subject, its variants, and the perturbations that make them."""

from __future__ import annotations

import hashlib
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from ...signatures.candidate import Candidate
from ...signatures.canonical import canonical
from ...signatures.schema import Field

Family: TypeAlias = Literal["labels", "demonstrations", "inputs", "order", "format", "wording"]
Inputs: TypeAlias = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Subject:
    """The program as it is, and the rows it is probed on.

    inputs: of each row. fields: what the program takes; none for a module, whose code decides. predictors: paths of
    those that are changed, one at a time. draws: how many orders, wordings and random labellings.
    """

    candidate: Candidate
    inputs: Inputs
    fields: Mapping[str, Field]
    predictors: tuple[str, ...]
    seed: int = 0
    draws: int = 3

    def rng(self, *purpose: str) -> random.Random:
        """Draws for one purpose, the same for the same seed. Only its `random()` is used, which Python keeps stable."""
        seeded = canonical([self.seed, "probe", *purpose]).encode()
        return random.Random(int.from_bytes(hashlib.sha256(seeded).digest(), "big"))


@dataclass(frozen=True)
class Variant:
    """The subject with one thing changed.

    predictor: whose prompt was changed; None where the rows were. is_unwritten: the candidate is still the subject's
    own, and gets an instruction that a model is yet to write.
    """

    family: Family
    name: str
    predictor: str | None
    candidate: Candidate
    inputs: Inputs
    is_unwritten: bool = False


@dataclass(frozen=True)
class Omitted:
    """A change that was not made or not scored, and why."""

    family: Family
    name: str
    predictor: str | None
    reason: str


class Perturbation(ABC):
    """One way to change a program that ought, or ought not, to change its score. Each is one file."""

    family: ClassVar[Family]

    @abstractmethod
    def variants(self, subject: Subject) -> Iterator[Variant | Omitted]:
        """What becomes of the subject; an Omitted where this cannot be done to it. Makes no call."""


class PromptPerturbation(Perturbation):
    """A change of one predictor's prompt."""

    def variants(self, subject: Subject) -> Iterator[Variant | Omitted]:
        for path in subject.predictors:
            yield from self.of(subject, path)

    @abstractmethod
    def of(self, subject: Subject, path: str) -> Iterator[Variant | Omitted]:
        """The variants that differ from the subject in the prompt of this predictor."""

    def changed(self, subject: Subject, path: str, name: str, **changes: object) -> Variant:
        """The subject with parts of one prompt changed. Raises SchemaError where the new prompt cannot be rendered."""
        candidate = subject.candidate.with_prompt(path, **changes)
        _ = candidate.prompt(path).template
        return Variant(self.family, name, path, candidate, subject.inputs)

    def omitted(self, path: str, name: str, reason: str) -> Omitted:
        return Omitted(self.family, name, path, reason)
