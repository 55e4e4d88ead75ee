"""Renderer: a template made ready to be filled in microseconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from ..canonical import canonical
from ..errors import SchemaError
from ..rules import pick
from ..values import to_json

if TYPE_CHECKING:
    from ..prompt import Message, Part, Template
    from ..schema import Field


class Renderer:
    """Fills the slots of one template. Made once a template, on first use (`Template.renderer`)."""

    def __init__(self, template: Template) -> None:
        from . import get_format

        form = get_format(template.format)
        markers = form.markers_of(template.schema)
        fields = {field.name: field for field in template.schema.inputs}
        self._template = template
        self._absent = form.absent
        self._known = frozenset(fields)
        self._required = frozenset(field.name for field in template.schema.inputs if field.required)
        self._show: Callable[[Field, object], str] = lambda field, value: form.show(markers, field, value)
        self._head = [_literal(message) for message in template.head]
        self._demos = [[_literal(message) for message in demo] for demo in template.demos]
        self._fixed = [*self._head, *(message for demo in self._demos for message in demo)]
        self._tail = [(message.role, [self._part(part, fields) for part in message.parts]) for message in template.tail]

    def render(self, inputs: Mapping[str, object], vector: str | None = None) -> list[dict[str, str]]:
        self.check(inputs)
        return self._filled_in(self._fixed if self._template.rule is None else self._picked(inputs, vector), inputs)

    def longest(self, inputs: Mapping[str, object]) -> list[dict[str, str]]:
        """As `render`, but a rule is taken to pick the longest demonstrations that there are."""
        self.check(inputs)
        rule = self._template.rule
        picked = self._demos if rule is None else sorted(self._demos, key=_length, reverse=True)[: rule.k]
        return self._filled_in([*self._head, *(message for demo in picked for message in demo)], inputs)

    def check(self, inputs: Mapping[str, object]) -> None:
        """Raises SchemaError on a missing required or an unknown input."""
        if not (self._required <= inputs.keys() <= self._known):
            self._refuse(inputs)

    def _filled_in(self, fixed: Sequence[dict[str, str]], inputs: Mapping[str, object]) -> list[dict[str, str]]:
        messages = [message.copy() for message in fixed]
        for role, parts in self._tail:
            texts = [
                part if type(part) is str else self._filled(part, inputs)  # type: ignore[arg-type]
                for part in parts
            ]
            # As in a demonstration's messages, no blanks at the ends: a small model sees a difference in a line break.
            messages.append({"role": role, "content": "".join(texts).strip()})
        return messages

    def _filled(self, slot: tuple[Field, str, str, str], inputs: Mapping[str, object]) -> str:
        field, before, after, absent = slot
        if field.name not in inputs:
            return absent
        return before + self._show(field, inputs[field.name]) + after

    def _part(self, part: Part, fields: Mapping[str, Field]) -> str | tuple[Field, str, str, str]:
        """A literal, or a slot with the text that stands in for an input that is not given."""
        if isinstance(part, str):
            return part
        if part.field not in fields:
            raise SchemaError(
                f"the template has a slot for {part.field!r}, which is no input of its schema. It has: "
                f"{', '.join(map(repr, fields))}."
            )
        field = fields[part.field]
        absent = self._absent
        if field.default_json is not None:
            absent = part.before + self._show(field, _typed_default(field)) + part.after
        return field, part.before, part.after, absent

    def _picked(self, inputs: Mapping[str, object], vector: str | None) -> list[dict[str, str]]:
        query = canonical({name: to_json(value) for name, value in inputs.items()})
        return [*self._head, *(message for i in pick(self._template, query, vector) for message in self._demos[i])]

    def _refuse(self, inputs: Mapping[str, object]) -> None:
        takes = ", ".join(map(repr, self._known_in_order()))
        for name in self._known_in_order():
            if name in self._required and name not in inputs:
                raise SchemaError(f"input {name!r} is missing. This predictor takes {takes}.")
        unknown = next(name for name in inputs if name not in self._known)
        raise SchemaError(f"input {unknown!r} is unknown. This predictor takes {takes or 'no inputs'}.")

    def _known_in_order(self) -> list[str]:
        return [field.name for field in self._template.schema.inputs]


def _length(messages: Sequence[Mapping[str, str]]) -> tuple[int, int]:
    return sum(len(message["content"].encode("utf-8", "surrogatepass")) for message in messages), len(messages)


def _literal(message: Message) -> dict[str, str]:
    return {"role": message.role, "content": "".join(part for part in message.parts if isinstance(part, str))}


def _typed_default(field: Field) -> object:
    # Canonical JSON writes 3.0 as 3, a float field shows it as 3.0.
    default = field.default
    return float(default) if type(default) is int and field.json_schema.get("type") == "number" else default
