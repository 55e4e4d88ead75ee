"""Format: from a Prompt to a Template, from a reply to typed values. One engine; each format says how things look.

A format is a small class: its markers, its system text, how an input and an answer are laid out, and how a reply is
taken apart. Where the instruction stands, demonstrations, notes, escaping, slots and value rules are done here, alike
for all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import ClassVar

from ..canonical import JSON, canonical
from ..errors import ReplyError, SchemaError
from ..prompt import Demo, Message, Part, Prompt, Slot, Template
from ..rules import check_rule
from ..rules.vectors import dimensions
from ..schema import Field, Schema
from ..values import read, to_text
from .markers import Markers


class Format(ABC):
    """How prompts look and replies are read. Stateless; `version` changes whenever a rendered byte does."""

    name: ClassVar[str]
    version: ClassVar[int] = 1
    gap: ClassVar[str] = "\n"  # between the parts of a user message
    answer_gap: ClassVar[str] = "\n"  # between an instruction at the answer's start and the answer
    absent: ClassVar[str] = ""  # what an optional input that is not given leaves in its slot

    # What each format says of itself.

    def refusal(self, schema: Schema) -> str:
        """Why this format cannot show these fields, and what to do; "" when it can."""
        return ""

    @abstractmethod
    def markers(self, names: tuple[str, ...]) -> Markers:
        """The markers of this format for fields of these names."""

    @abstractmethod
    def system(self, schema: Schema, instruction: str | None) -> str:
        """The system text. instruction: None when it stands elsewhere. "" for no system message."""

    @abstractmethod
    def label(self, schema: Schema, field: Field) -> str:
        """What stands before an input's value."""

    def end(self, schema: Schema, field: Field) -> str:
        """What stands after an input's value."""
        return self.gap

    def inputs(
        self, schema: Schema, fields: Sequence[Field], texts: Mapping[str, str] | None, lead: tuple[str, str]
    ) -> list[Part]:
        """The inputs of one question: with their texts for a demonstration, as slots when texts is None.

        lead: the name of the input whose value the instruction precedes, and the instruction; ("", "") for none.
        """
        parts: list[Part] = []
        for field in fields:
            before, after = self.label(schema, field), self.end(schema, field)
            if field.name == lead[0]:
                before += f"{lead[1]}\n"
            if texts is not None:
                parts += [before, texts[field.name], after]
            elif always_shown(field):
                parts += [before, Slot(field.name), after]
            else:
                parts.append(Slot(field.name, before, after))
        return parts

    def closing(self, schema: Schema, asking: bool) -> str:
        """What ends a user message; asking: in the message that asks, as opposed to a demonstration's."""
        return ""

    def opening(self, schema: Schema, demo: Demo) -> str:
        """What begins a demonstration's user message."""
        return ""

    def ordered(self, schema: Schema, demos: Sequence[Demo]) -> Sequence[Demo]:
        """The order in which fixed demonstrations stand."""
        return demos

    @abstractmethod
    def answer(self, schema: Schema, demo: Demo) -> str:
        """A demonstration's assistant message."""

    @abstractmethod
    def find(self, schema: Schema, reply: str) -> Mapping[str, JSON]:
        """Output field -> what the reply gives it, still escaped; fields that the reply lacks are left out."""

    @abstractmethod
    def missing(self, schema: Schema, field: Field) -> str:
        """Why a reply without this output cannot be used, and what to write."""

    # What is alike for all.

    def template(self, prompt: Prompt) -> Template:
        """The prompt rendered once to literal text with slots.

        Raises SchemaError on fields that the format cannot show, on an instruction that holds a marker, on a
        demonstration without any input or without any output, on a contrastive one without a note, on an unknown rule,
        and on a demonstration without a vector where the rule compares vectors.
        """
        schema = prompt.schema
        if refusal := self.refusal(schema):
            raise SchemaError(refusal)
        self._check(prompt)
        instruction = prompt.instruction if prompt.position == "system" else None
        system = self.system(schema, instruction)
        demos = self.ordered(schema, prompt.demos)
        tail = [Message("user", _joined(self._user(prompt, None)))]
        if prompt.position == "answer_begin" and prompt.instruction.strip():
            tail.append(Message("assistant", (prompt.instruction.strip(),)))
        return Template(
            format=self.name,
            schema=schema,
            head=(Message("system", (system,)),) if system else (),
            demos=tuple(self._demo(prompt, demo) for demo in demos),
            tail=tuple(tail),
            rule=prompt.rule,
            demo_inputs=tuple(_inputs_json(schema, demo) for demo in demos) if prompt.rule else (),
            response_schema_json=self.response_schema(schema),
            demo_vectors=tuple(demo.vector or "" for demo in demos) if prompt.rule and prompt.rule.encoder else (),
        )

    def response_schema(self, schema: Schema) -> str | None:
        """Canonical JSON Schema text that a server may hold the reply to, or None."""
        return None

    def render(
        self, template: Template, inputs: Mapping[str, object], vector: str | None = None
    ) -> list[dict[str, str]]:
        """The messages of one call. Raises SchemaError on a missing required or an unknown input."""
        return template.renderer.render(inputs, vector)

    def parse(self, template: Template, reply: str) -> dict[str, JSON]:
        """Output field -> value in JSON form. A missing optional output takes its default, or null.

        Raises ReplyError with a reason that an LM can act on.
        """
        schema = template.schema
        found = self.find(schema, _without_prefill(template, reply))
        values = {}
        for field in schema.outputs:
            if field.name in found:
                values[field.name] = self.read(schema, field, found[field.name])
            elif field.required:
                raise ReplyError(self.missing(schema, field))
            else:
                values[field.name] = field.default
        return values

    def read(self, schema: Schema, field: Field, found: JSON) -> JSON:
        """An output's value from what `find` found. Raises ReplyError."""
        return read(field, self.unescape(schema, found))

    def show(self, markers: Markers, field: Field, value: object) -> str:
        """The escaped text of a value."""
        return markers.escape(value if type(value) is str else to_text(field, value))

    def markers_of(self, schema: Schema) -> Markers:
        return _markers(self, tuple(schema.by_name))

    def escape(self, schema: Schema, text: str) -> str:
        """A text of data with this format's markers, and dspy's custom-type markers, disarmed. Reversible."""
        return self.markers_of(schema).escape(text)

    def unescape(self, schema: Schema, text: str) -> str:
        """What was escaped: `unescape(schema, escape(schema, text)) == text`."""
        return self.markers_of(schema).unescape(text)

    def count_escapes(self, schema: Schema, values: Mapping[str, object]) -> int:
        """How many markers are escaped when these field values are shown."""
        markers, fields = self.markers_of(schema), schema.by_name
        return sum(markers.count(to_text(fields[name], value)) for name, value in values.items() if name in fields)

    def _check(self, prompt: Prompt) -> None:
        marker = self.markers_of(prompt.schema).first(prompt.instruction)
        if marker is not None:
            raise SchemaError(
                f"the instruction contains the reserved marker {marker!r}, which stands for a field in format "
                f"{self.name!r}. Say it in other words."
            )
        for number, demo in enumerate(prompt.demos, 1):
            self._check_demo(prompt.schema, demo, f"demonstration {number} of {len(prompt.demos)}")
        if prompt.rule is not None:
            check_rule(prompt.rule)
            if prompt.rule.encoder is not None:
                _check_vectors(prompt.demos)

    def _check_demo(self, schema: Schema, demo: Demo, which: str) -> None:
        has_input = any(field.name in demo.values for field in schema.inputs)
        has_output = any(field.name in demo.values for field in schema.outputs)
        if not is_complete(schema, demo) and not (has_input and has_output):
            lacks = "an output" if has_input else "an input"
            raise SchemaError(
                f"{which} has no value for {lacks} of the predictor; it holds {_listed(demo.values)}, the fields are "
                f"{_listed(schema.by_name)}. Give it at least one input and one output."
            )
        if demo.kind == "contrastive" and not (demo.note and demo.note.strip()):
            raise SchemaError(f"{which} is contrastive and has no note that says what is wrong with it. Give it one.")

    def _demo(self, prompt: Prompt, demo: Demo) -> tuple[Message, ...]:
        question = "".join(str(part) for part in self._user(prompt, demo)).strip()
        answer = self.answer(prompt.schema, demo)
        if prompt.position == "answer_begin" and prompt.instruction.strip():
            answer = f"{prompt.instruction.strip()}{self.answer_gap}{answer}"
        return Message("user", (question,)), Message("assistant", (answer,))

    def _user(self, prompt: Prompt, demo: Demo | None) -> list[Part]:
        """A user message: a demonstration's, all literal, or the one that asks, with slots."""
        schema, instruction = prompt.schema, prompt.instruction.strip()
        fields = [field for field in schema.inputs if demo is None or field.name in demo.values]
        texts = None if demo is None else self.texts(schema, demo)
        certain = next((field.name for field in fields if demo is not None or always_shown(field)), None)
        position = prompt.position if instruction else "system"
        lead = ("", "")
        parts: list[Part] = []
        if position == "question_begin" and certain is not None:
            lead = (certain, instruction)
        elif position in ("before_question", "question_begin"):
            parts.append(f"{instruction}\n\n")
        if demo is not None:
            parts.append(self.opening(schema, demo))
        parts += self.inputs(schema, fields, texts, lead)
        if position == "question_end":
            parts.append(f"{instruction}{self.gap}")
        if demo is not None and demo.note:
            parts.append(f"{self.escape(schema, demo.note.strip())}{self.gap}")
        parts.append(self.closing(schema, demo is None))
        return parts

    def texts(self, schema: Schema, demo: Demo) -> dict[str, str]:
        """Field -> the escaped text of each value that a demonstration holds."""
        markers, fields = self.markers_of(schema), schema.by_name
        return {name: self.show(markers, fields[name], value) for name, value in demo.values.items() if name in fields}


def always_shown(field: Field) -> bool:
    """Whether an input is part of every question: given by the caller, or by its default."""
    return field.required or field.default_json is not None


def read_line(field: Field, text: str) -> JSON:
    """The value that a text stands for, or else its first line that is not blank: models go on to explain themselves.

    Raises ReplyError with what is wrong with the whole text.
    """
    try:
        return read(field, text)
    except ReplyError:
        first = next((line for line in text.splitlines() if line.strip()), "")
        with suppress(ReplyError):
            return read(field, first)
        raise


def is_complete(schema: Schema, demo: Demo) -> bool:
    """Whether a demonstration gives every field a value other than null."""
    return all(demo.values.get(name) is not None for name in schema.by_name)


@lru_cache(maxsize=1024)
def _markers(form: Format, names: tuple[str, ...]) -> Markers:
    return form.markers(names)


def _without_prefill(template: Template, reply: str) -> str:
    """The reply without the beginning that the template wrote for it, which some servers repeat."""
    for last in template.tail[-1:]:
        prefill = "".join(part for part in last.parts if isinstance(part, str))
        if last.role == "assistant" and reply.lstrip().startswith(prefill):
            return reply.lstrip()[len(prefill) :]
    return reply


def _check_vectors(demos: Sequence[Demo]) -> None:
    for number, demo in enumerate(demos, 1):
        if demo.vector is None:
            raise SchemaError(
                f"demonstration {number} of {len(demos)} has no vector, and the rule compares vectors. Embed its "
                "inputs: demo.with_vector(bench.embed([prompt.question(demo.values)])[0])."
            )
        if dimensions(demo.vector) != dimensions(demos[0].vector or ""):
            raise SchemaError(
                f"the vector of demonstration {number} of {len(demos)} is not as long as that of the first: they come "
                "from different encoders. Embed all of them with one."
            )


def _joined(parts: Sequence[Part]) -> tuple[Part, ...]:
    """The same parts with neighbouring literals made one, so that what renders alike is equal."""
    joined: list[Part] = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        elif part:
            joined.append(part)
    return tuple(joined)


def _inputs_json(schema: Schema, demo: Demo) -> str:
    return canonical({field.name: demo.values[field.name] for field in schema.inputs if field.name in demo.values})


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(map(repr, names)) or "nothing"
