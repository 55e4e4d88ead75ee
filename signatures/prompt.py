"""Prompt, Demo, Template: what a predictor says, before and after it is rendered to literal text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from .canonical import JSON, canonical, digest
from .errors import SchemaError
from .schema import Schema

if TYPE_CHECKING:
    from .formats.renderer import Renderer
    from .rules import Index

Position: TypeAlias = Literal["system", "before_question", "question_begin", "question_end", "answer_begin"]
POSITIONS: tuple[Position, ...] = get_args(Position)


@dataclass(frozen=True)
class Demo:
    """One demonstration: field values in JSON form (in the order given), an optional note, and its kind.

    data: JSON text of {field: value}. Fields may be missing: the demonstration is then incomplete.
    kind: "worked" shows how it is done; "contrastive" shows a wrong answer, marked as wrong by its note.
    vector: of its inputs, for a rule that compares vectors; see `with_vector`.
    """

    data: str
    note: str | None = None
    kind: Literal["worked", "contrastive"] = "worked"
    vector: str | None = None

    @classmethod
    def of(
        cls,
        values: Mapping[str, JSON],
        note: str | None = None,
        kind: Literal["worked", "contrastive"] = "worked",
    ) -> Demo:
        return cls(json.dumps(dict(values), ensure_ascii=False, allow_nan=False), note, kind)

    @cached_property
    def values(self) -> dict[str, JSON]:
        loaded: dict[str, JSON] = json.loads(self.data)
        return loaded

    def with_vector(self, vector: Sequence[float]) -> Demo:
        """This demonstration with what an encoder made of its inputs (`Prompt.question`), kept in bytes."""
        from .rules.vectors import quantised

        return replace(self, vector=quantised(vector))

    def to_json(self) -> dict[str, JSON]:
        vector = {} if self.vector is None else {"vector": self.vector}
        return {"values": self.values, "note": self.note, "kind": self.kind, **vector}

    @classmethod
    def from_json(cls, data: dict[str, JSON]) -> Demo:
        return replace(cls.of(data["values"], data["note"], data["kind"]), vector=data.get("vector"))


@dataclass(frozen=True)
class DemoRule:
    """Picks demonstrations per query out of a prompt's `demos`, which are then the rule's pool.

    selector: "bm25" and "tfidf" compare words and need nothing else; "vectors" compares what an encoder makes of the
        inputs, so that each demonstration has a vector (`Demo.with_vector`) and each query costs a call to the encoder.
    k: how many. order: "closest_last" puts the best match next to the query, "closest_first" puts it on top,
        "as_pooled" leaves those picked in the order of the pool.
    encoder: name of the encoder that made the vectors (`bench.encoder`).
    A demonstration whose inputs equal the query's is never picked.
    """

    selector: str = "bm25"
    k: int = 4
    order: Literal["closest_last", "closest_first", "as_pooled"] = "closest_last"
    encoder: str | None = None

    def to_json(self) -> dict[str, JSON]:
        encoder = {} if self.encoder is None else {"encoder": self.encoder}
        return {"selector": self.selector, "k": self.k, "order": self.order, **encoder}

    @classmethod
    def from_json(cls, data: dict[str, JSON]) -> DemoRule:
        return cls(data["selector"], data["k"], data["order"], data.get("encoder"))


@dataclass(frozen=True)
class Prompt:
    """Schema, instruction, where the instruction stands, demonstrations (fixed, or a pool with a rule) and format."""

    schema: Schema
    instruction: str
    demos: tuple[Demo, ...] = ()
    format: str = "chat"
    position: Position = "system"
    rule: DemoRule | None = None

    def __post_init__(self) -> None:
        if self.position not in POSITIONS:
            raise SchemaError(f"position {self.position!r} is unknown. Known: {', '.join(POSITIONS)}.")

    @cached_property
    def template(self) -> Template:
        """The prompt rendered once to literal text with slots."""
        from .formats import get_format

        return get_format(self.format).template(self)

    def reply(self, outputs: Mapping[str, JSON]) -> str:
        """The reply that gives these outputs, as the format writes it in a demonstration."""
        from .formats import get_format

        return get_format(self.format).answer(self.schema, Demo.of(outputs)).strip()

    def question(self, values: Mapping[str, object]) -> str:
        """The inputs among these values as one text, as an encoder is given a demonstration or a query."""
        from .rules import question

        return question(self.schema, values)

    @cached_property
    def digest(self) -> str:
        """The digest of the template: prompts that render alike are the same prompt."""
        return self.template.digest

    def with_(self, **changes: object) -> Prompt:
        """A copy with some of its parts changed: `prompt.with_(instruction="...", demos=())`."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def to_json(self) -> dict[str, JSON]:
        return {
            "schema": self.schema.to_json(),
            "instruction": self.instruction,
            "demos": [demo.to_json() for demo in self.demos],
            "format": self.format,
            "position": self.position,
            "rule": None if self.rule is None else self.rule.to_json(),
        }

    @classmethod
    def from_json(cls, data: dict[str, JSON]) -> Prompt:
        return cls(
            schema=Schema.from_json(data["schema"]),
            instruction=data["instruction"],
            demos=tuple(Demo.from_json(demo) for demo in data["demos"]),
            format=data["format"],
            position=data["position"],
            rule=None if data["rule"] is None else DemoRule.from_json(data["rule"]),
        )


@dataclass(frozen=True)
class Slot:
    """Where the text of an input field goes. `before` and `after` vanish with an optional input that is not given."""

    field: str
    before: str = ""
    after: str = ""


Part: TypeAlias = str | Slot


@dataclass(frozen=True)
class Message:
    """One chat message: literal text and slots."""

    role: Literal["system", "user", "assistant"]
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Template:
    """A prompt rendered once. `render(inputs)` fills the slots; `parse(reply)` gives typed values in JSON form.

    format: name of the format whose value rules fill the slots and whose grammar reads the reply.
    head, demos, tail: the messages before the demonstrations, one tuple of messages a demonstration (no slots in
        them), and the messages that ask the question.
    demo_inputs: JSON text of each demonstration's inputs, what a rule compares with the query; empty without a rule.
    demo_vectors: the vectors of these inputs; empty unless the rule compares vectors.
    rule: picks from `demos` per query; None shows all of them in order.
    response_schema_json: canonical JSON Schema text to constrain the reply with where the server can, or None.
    """

    format: str
    schema: Schema
    head: tuple[Message, ...]
    demos: tuple[tuple[Message, ...], ...]
    tail: tuple[Message, ...]
    rule: DemoRule | None = None
    demo_inputs: tuple[str, ...] = ()
    response_schema_json: str | None = None
    demo_vectors: tuple[str, ...] = ()

    def render(self, inputs: Mapping[str, object], vector: str | None = None) -> list[dict[str, str]]:
        """The messages of one call: [{"role": ..., "content": ...}].

        inputs: field name -> Python or JSON value. vector: of `question(inputs)`, in bytes, where `encoder` is given.
        Raises SchemaError on a missing required or an unknown field, and where the vector is missing.
        """
        from .formats import get_format

        return get_format(self.format).render(self, inputs, vector)

    @property
    def encoder(self) -> str | None:
        """Name of the encoder that embeds each query; None where the rule needs none, or there is no rule."""
        return self.rule.encoder if self.rule is not None and self.demos else None

    def question(self, inputs: Mapping[str, object]) -> str:
        """The text whose vector `render` takes. Raises SchemaError on a missing required or an unknown field."""
        from .rules import question

        self.renderer.check(inputs)
        return question(self.schema, inputs)

    def longest(self, inputs: Mapping[str, object]) -> list[dict[str, str]]:
        """Messages at least as long as those of `render`, whatever its rule picks: with the longest demonstrations."""
        return self.renderer.longest(inputs)

    def parse(self, reply: str) -> dict[str, JSON]:
        """Output field -> value in JSON form, checked against the schema. Raises ReplyError with the reason."""
        from .formats import get_format

        return get_format(self.format).parse(self, reply)

    @property
    def response_schema(self) -> dict[str, JSON] | None:
        """The JSON Schema to constrain the reply with, parsed."""
        return None if self.response_schema_json is None else json.loads(self.response_schema_json)

    @cached_property
    def renderer(self) -> Renderer:
        """This template made ready to be filled; what `render` uses."""
        from .formats.renderer import Renderer

        return Renderer(self)

    @cached_property
    def demo_index(self) -> Index:
        """What the rule looks demonstrations up in."""
        from .rules import index_of

        return index_of(self)

    @cached_property
    def digest(self) -> str:
        return digest(self.to_json())

    def to_json(self) -> dict[str, JSON]:
        return {
            "format": self.format,
            "schema": self.schema.to_json(),
            "head": [_message_json(message) for message in self.head],
            "demos": [[_message_json(message) for message in demo] for demo in self.demos],
            "tail": [_message_json(message) for message in self.tail],
            "rule": None if self.rule is None else self.rule.to_json(),
            "demo_inputs": list(self.demo_inputs),
            "response_schema": None if self.response_schema_json is None else json.loads(self.response_schema_json),
            **({"demo_vectors": list(self.demo_vectors)} if self.demo_vectors else {}),
        }

    @classmethod
    def from_json(cls, data: dict[str, JSON]) -> Template:
        return cls(
            format=data["format"],
            schema=Schema.from_json(data["schema"]),
            head=tuple(_message(m) for m in data["head"]),
            demos=tuple(tuple(_message(m) for m in demo) for demo in data["demos"]),
            tail=tuple(_message(m) for m in data["tail"]),
            rule=None if data["rule"] is None else DemoRule.from_json(data["rule"]),
            demo_inputs=tuple(data["demo_inputs"]),
            response_schema_json=None if data["response_schema"] is None else canonical(data["response_schema"]),
            demo_vectors=tuple(data.get("demo_vectors", ())),
        )


def _message_json(message: Message) -> dict[str, JSON]:
    parts = [
        p if isinstance(p, str) else {"slot": p.field, "before": p.before, "after": p.after} for p in message.parts
    ]
    return {"role": message.role, "parts": parts}


def _message(data: dict[str, JSON]) -> Message:
    parts = (p if isinstance(p, str) else Slot(p["slot"], p["before"], p["after"]) for p in data["parts"])
    return Message(data["role"], tuple(parts))
