"""Parts: what a candidate can be taken apart into and put together from, each named by the digest of its content."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from ...signatures.candidate import Candidate
from ...signatures.canonical import JSON, digest
from ...signatures.errors import SchemaError

Kind: TypeAlias = Literal["lm", "settings", "format", "position", "instruction", "demonstrations"]
WHOLE = "the program"  # stands for a predictor in slots that are not of one of them
NAME = 12  # characters of a digest that name a part


@dataclass(frozen=True)
class Slot:
    """One exchangeable place of a program: a kind of part of one predictor, or of the whole program."""

    predictor: str
    kind: Kind

    def __str__(self) -> str:
        return f"{self.predictor}.{self.kind}"


@dataclass(frozen=True)
class Part:
    """What can stand in a slot. name: of its content, equal for equal contents. value: what a candidate holds."""

    name: str
    value: Any = field(compare=False)

    @classmethod
    def of(cls, kind: Kind, value: Any) -> Part:
        return cls(digest(_json(kind, value))[:NAME], value)


Parts: TypeAlias = Mapping[Slot, Part]


def parts_of(candidate: Candidate) -> dict[Slot, Part]:
    """All parts of a candidate, predictor by predictor. Which LM runs it is one choice for the whole program."""
    first = candidate[candidate.predictors[0]]
    found: dict[Slot, Part] = {Slot(WHOLE, "lm"): Part.of("lm", first.settings.role)}
    for path, part in candidate.parts:
        prompt = part.prompt
        values: dict[Kind, Any] = {
            "format": prompt.format,
            "position": prompt.position,
            "instruction": prompt.instruction,
            # A set, its order and the rule that picks from it are one part: neither means anything without the others.
            "demonstrations": (prompt.demos, prompt.rule),
            "settings": (part.settings.params_json, part.settings.reply_policy),
        }
        found |= {Slot(path, kind): Part.of(kind, value) for kind, value in values.items()}
    return found


def with_parts(candidate: Candidate, parts: Parts) -> Candidate:
    """The candidate with these parts in place of its own."""
    for slot, part in parts.items():
        if slot.kind == "lm":
            for path, held in candidate.parts:
                candidate = candidate.with_part(path, replace(held, settings=replace(held.settings, role=part.value)))
        elif slot.kind == "settings":
            held = candidate[slot.predictor]
            params, policy = part.value
            settings = replace(held.settings, params_json=params, reply_policy=policy)
            candidate = candidate.with_part(slot.predictor, replace(held, settings=settings))
        elif slot.kind == "demonstrations":
            demos, rule = part.value
            candidate = candidate.with_prompt(slot.predictor, demos=demos, rule=rule)
        else:
            candidate = candidate.with_prompt(slot.predictor, **{slot.kind: part.value})
    return candidate


def renders(candidate: Candidate) -> str:
    """ "" for a candidate whose prompts can be written in their formats, else why they cannot."""
    try:
        _ = candidate.digest
    except SchemaError as error:
        return str(error)
    return ""


def changed(before: Candidate, after: Candidate) -> dict[Slot, Part]:
    """The parts of `after` that `before` does not have."""
    old = parts_of(before)
    return {slot: part for slot, part in parts_of(after).items() if part != old[slot]}


class Pools:
    """The parts that each slot can hold, growing; and who brought each of them."""

    def __init__(self, student: Candidate) -> None:
        self._pools: dict[Slot, dict[str, Part]] = {slot: {} for slot in parts_of(student)}
        self._sources: dict[tuple[Slot, str], str] = {}
        self.add(parts_of(student), "student")

    def __len__(self) -> int:
        """How many parts there are in all slots together."""
        return len(self._sources)

    def add(self, parts: Parts, source: str) -> bool:
        """Whether any of them is new. source: the first to bring a part is named for it."""
        is_new = False
        for slot, part in parts.items():
            if part.name not in self._pools[slot]:
                self._pools[slot][part.name] = part
                self._sources[slot, part.name] = source
                is_new = True
        return is_new

    def source(self, slot: Slot, part: Part) -> str:
        return self._sources.get((slot, part.name), "")

    def sizes(self) -> dict[str, int]:
        return {str(slot): len(pool) for slot, pool in self._pools.items()}

    def open(self) -> Iterator[tuple[Slot, Mapping[str, Part]]]:
        """The slots with a choice, and their parts by name, in the order in which they came."""
        return ((slot, pool) for slot, pool in self._pools.items() if len(pool) > 1)


def _json(kind: Kind, value: Any) -> JSON:
    if kind == "demonstrations":
        demos, rule = value
        return [kind, [demo.to_json() for demo in demos], None if rule is None else rule.to_json()]
    return [kind, list(value) if isinstance(value, tuple) else value]
