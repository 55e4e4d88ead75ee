"""Outline: one predictor as other tools can hold it, a request whose messages are literal text with slots."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ...signatures.canonical import JSON, digest
from ...signatures.errors import FrozenError
from ...signatures.prompt import Template
from ...signatures.schema import Field
from ..frozen.document import candidate_of
from ..frozen.goldens import asked

AS_JSON = "JSON, as json.dumps(value, ensure_ascii=False) writes it"
AS_TEXT = "text"
_AS_PRINTED = "as Python prints it: 3, 0.5, True"
_MARKS = {
    "chat": "such as [[ ## name ## ]]",
    "plain": "a line that begins with the label of a field",
    "xml": "a tag of a field's name",
}


@dataclass(frozen=True)
class Input:
    """An input of the predictor. Its slot takes a text; `writing` says how a value becomes that text.

    in_json: the slot stands in a JSON document and takes one JSON value.
    """

    field: Field
    writing: str
    in_json: bool

    @property
    def name(self) -> str:
        return self.field.name

    @property
    def is_quoted(self) -> bool:
        """Whether the slot takes the JSON of a text, never of anything else."""
        return self.in_json and self.writing == AS_TEXT


Part: TypeAlias = str | Input


@dataclass(frozen=True)
class SlottedMessage:
    role: str
    parts: tuple[Part, ...]

    @property
    def inputs(self) -> tuple[Input, ...]:
        return tuple(part for part in self.parts if isinstance(part, Input))

    @property
    def on_edge(self) -> tuple[Input, ...]:
        """Inputs that begin or end the message, where a call drops the blanks around a value."""
        return tuple(dict.fromkeys(part for part in (self.parts[0], self.parts[-1]) if isinstance(part, Input)))


@dataclass(frozen=True)
class Outline:
    """One predictor: the messages of a call with slots in the place of values, the model and its parameters.

    program: digest of the compiled program. params: the rest of the request's body. notes: in what calls of the
    exported prompt can differ from calls of `burnish.load()`, a sentence each.
    """

    path: str
    program: str
    model: str
    params: Mapping[str, JSON]
    messages: tuple[SlottedMessage, ...]
    inputs: tuple[Input, ...]
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        return f"Predictor {self.path!r} of the compiled program {self.program[:12]}"

    @property
    def trimming_note(self) -> tuple[str, ...]:
        """For tools that put values in as they are."""
        names = [one.name for message in self.messages for one in message.on_edge]
        if not names:
            return ()
        return (
            f"{_listed(names)} stands at the edge of a message: give it without blanks around it and not empty. "
            "burnish.load() drops blanks there.",
        )


def outline(document: Mapping[str, JSON], path: str, leave_out: Sequence[str] = ()) -> Outline:
    """One predictor of a checked document. leave_out: optional inputs that calls do not give.

    Raises FrozenError where demonstrations are picked anew for each query, which no tool but burnish does.
    """
    part = candidate_of(document["predictors"])[path]
    template, model = part.prompt.template, document["lm"]["model"]
    if template.rule is not None and template.demos:
        raise FrozenError(
            f"Predictor {path!r} cannot be exported as one prompt: {template.rule.selector!r} picks "
            f"{template.rule.k} demonstrations anew for each query. Run the file with burnish.load(), compile with "
            "fixed demonstrations, or take --to markdown, which shows what is picked from."
        )
    inputs = inputs_of(template, leave_out)
    body = asked(model).chat([], schema=template.response_schema, **part.settings.params).body
    return Outline(
        path=path,
        program=document["digest"],
        model=model,
        params={name: value for name, value in body.items() if name not in ("model", "messages")},
        messages=slotted(template, inputs),
        inputs=inputs,
        notes=tuple(_notes(document, path, template, inputs, part.settings.reply_policy)),
    )


def check_left_out(document: Mapping[str, JSON], paths: Sequence[str], leave_out: Sequence[str]) -> None:
    """Raises FrozenError on a name that is an optional input of none of the predictors."""
    candidate = candidate_of(document["predictors"])
    fields = [field for path in paths for field in candidate[path].prompt.schema.inputs]
    for name in leave_out:
        found = [field for field in fields if field.name == name]
        if not found or any(field.required for field in found):
            optional = _listed(dict.fromkeys(field.name for field in fields if not field.required)) or "none"
            problem = "every call has to give it" if found else f"{_listed(paths)} takes no such input"
            raise FrozenError(f"The input {name!r} cannot be left out: {problem}. Optional inputs here: {optional}.")


def inputs_of(template: Template, leave_out: Sequence[str]) -> tuple[Input, ...]:
    return tuple(_input(template, field) for field in template.schema.inputs if field.name not in leave_out)


def slotted(template: Template, inputs: Sequence[Input]) -> tuple[SlottedMessage, ...]:
    """Rendered as a call renders them, with signs for values, and taken apart again at these signs."""
    key = digest(template.to_json())
    signs = {f"slot{number}x{key}": one for number, one in enumerate(inputs)}
    rendered = template.render({one.name: sign for sign, one in signs.items()})
    shown = {f'"{sign}"' if one.in_json else sign: one for sign, one in signs.items()}
    borders = re.compile("|".join(f"({re.escape(sign)})" for sign in shown) or "(?!)")
    found: list[SlottedMessage] = []
    for message in rendered:
        pieces = [piece for piece in borders.split(message["content"]) if piece]
        found.append(SlottedMessage(message["role"], tuple(shown.get(piece, piece) for piece in pieces) or ("",)))
    return tuple(found)


def _notes(
    document: Mapping[str, JSON], path: str, template: Template, inputs: Sequence[Input], reply_policy: str
) -> Iterator[str]:
    own = f"this format's own marks ({_MARKS[template.format]}) or " if template.format in _MARKS else ""
    yield (
        "Values go in as they are. burnish.load() also disarms, with a backslash, what looks like "
        f"{own}dspy's <<CUSTOM-TYPE-START-IDENTIFIER>>."
    )
    optional = [one.name for one in inputs if not one.field.required]
    if optional:
        yield (
            f"{_listed(optional)} may be left out of a call of burnish.load(); here it has its slot in every call. "
            f"For calls without it, export with --leave-out {optional[0]}."
        )
    if reply_policy == "reask":
        yield "burnish.load() asks once more where a reply cannot be read; this is the first request only."
    if len(document["predictors"]) > 1:
        yield f"{path!r} is one predictor of several: what it is given and what follows is for your code to do."


def _input(template: Template, field: Field) -> Input:
    in_json = template.format == "json"
    kinds = set(_kinds(field.json_schema, field.json_schema.get("$defs", {}), 8))
    if kinds == {"string"}:
        return Input(field, AS_TEXT, in_json)
    if in_json or kinds <= {"array", "object"}:
        return Input(field, AS_JSON, in_json)
    if kinds <= {"integer", "number", "boolean", "null"}:
        return Input(field, _AS_PRINTED, False)
    return Input(field, f"text as it is; a list or an object as {AS_JSON}; else {_AS_PRINTED}", False)


_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}


def _kinds(schema: JSON, definitions: Mapping[str, JSON], depth: int) -> Iterator[str]:
    """The JSON types that values of a schema can have; "any" where it does not say."""
    if not isinstance(schema, Mapping) or depth == 0:
        yield "any"
    elif "$ref" in schema:
        yield from _kinds(definitions.get(schema["$ref"].rpartition("/")[2]), definitions, depth - 1)
    elif "const" in schema or "enum" in schema:
        for value in schema.get("enum", [schema.get("const")]):
            yield _NAMES.get(type(value), "null")
    elif "type" in schema:
        yield from [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    else:
        several = schema.get("anyOf") or schema.get("oneOf") or [None]
        for one in several:
            yield from _kinds(one, definitions, depth - 1)


def _listed(names: Iterator[str] | Sequence[str] | Mapping[str, object]) -> str:
    return ", ".join(map(repr, names))
