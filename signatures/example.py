"""Example: one checked row of data, as the search and the compiler see it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from .canonical import JSON, digest


@dataclass(frozen=True)
class Example:
    """One row: JSON text of its values (in column order), which of them are inputs, and where it came from.

    place: "row 17 of reviews.jsonl", for messages. It is no part of the identity.
    """

    data: str
    inputs: tuple[str, ...]
    place: str = ""

    @classmethod
    def of(cls, values: Mapping[str, JSON], inputs: tuple[str, ...], place: str = "") -> Example:
        return cls(json.dumps(dict(values), ensure_ascii=False, allow_nan=False), tuple(inputs), place)

    @cached_property
    def values(self) -> dict[str, JSON]:
        loaded: dict[str, JSON] = json.loads(self.data)
        return loaded

    @property
    def input_values(self) -> dict[str, JSON]:
        return {name: value for name, value in self.values.items() if name in self.inputs}

    @property
    def labels(self) -> dict[str, JSON]:
        return {name: value for name, value in self.values.items() if name not in self.inputs}

    @cached_property
    def digest(self) -> str:
        """sha256 over values and the names of the inputs; the order of columns and the place do not matter."""
        return digest([self.values, sorted(self.inputs)])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Example) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)
