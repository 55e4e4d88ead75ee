"""chat: headers like `[[ ## label ## ]]`, byte for byte what dspy 3.4's ChatAdapter sends."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterable, Sequence

from ..errors import SchemaError
from ..prompt import Demo
from ..schema import Field, Schema
from .base import Format, is_complete
from .markers import BREAKS, CUSTOM_TYPE, LINE_START, Marker, Markers

_MARKERS = Markers((Marker.of(r"\[", r"\[ ## \w+ ## \]\]", " ## ]]"), CUSTOM_TYPE))
_HEADER = re.compile(rf"{LINE_START}[^\S{BREAKS}]*\[\[ ## (\w+) ## \]\]")
_COMPLETED = "[[ ## completed ## ]]"


class ChatFormat(Format):
    """dspy's own format. Equal to `ChatAdapter.format` for position `system`, fixed demonstrations without notes and
    data free of reserved markers."""

    name = "chat"
    gap = "\n\n"
    answer_gap = "\n\n"

    def markers(self, names: tuple[str, ...]) -> Markers:
        if "completed" in names:
            raise SchemaError("a field is called 'completed', which is the end marker of format 'chat'. Rename it.")
        return _MARKERS

    def system(self, schema: Schema, instruction: str | None) -> str:
        text = (
            f"Your input fields are:\n{_descriptions(schema.inputs)}\n"
            f"Your output fields are:\n{_descriptions(schema.outputs)}\n"
            f"{_structure(schema)}"
        )
        return text if instruction is None else f"{text}\n{_objective(schema, instruction)}"

    def label(self, schema: Schema, field: Field) -> str:
        return f"[[ ## {field.name} ## ]]\n"

    def closing(self, schema: Schema, asking: bool) -> str:
        if not asking:
            return ""
        wanted = ", then ".join(f"`[[ ## {field.name} ## ]]`{_type(field)}" for field in schema.outputs)
        return (
            f"Respond with the corresponding output fields, starting with the field {wanted}, "
            f"and then ending with the marker for `{_COMPLETED}`."
        )

    def opening(self, schema: Schema, demo: Demo) -> str:
        if is_complete(schema, demo):
            return ""
        return "This is an example of the task, though some input or output fields are not supplied.\n\n"

    def ordered(self, schema: Schema, demos: Sequence[Demo]) -> Sequence[Demo]:
        return sorted(demos, key=lambda demo: is_complete(schema, demo))  # incomplete ones first, as dspy has them

    def answer(self, schema: Schema, demo: Demo) -> str:
        texts = self.texts(schema, demo)
        lacking = "Not supplied for this particular example. "
        body = _sections((field.name, texts.get(field.name, lacking)) for field in schema.outputs)
        return f"{body}\n\n{_COMPLETED}\n"

    def find(self, schema: Schema, reply: str) -> dict[str, str]:
        reply = "\n" + reply
        headers = list(_HEADER.finditer(reply))
        ends = [*(header.start() for header in headers[1:]), len(reply)]
        found: dict[str, str] = {}
        for header, end in zip(headers, ends, strict=False):  # a reply without headers has an end and no field
            found.setdefault(header[1], reply[header.end() : end].strip())
        return found

    def missing(self, schema: Schema, field: Field) -> str:
        return f"the reply has no field {field.name!r}: write the line [[ ## {field.name} ## ]] and the value below it."


def _descriptions(fields: Sequence[Field]) -> str:
    lines = (f"{i}. `{field.name}` ({field.type_name}): {field.description}" for i, field in enumerate(fields, 1))
    return "\n".join(lines).strip()


def _structure(schema: Schema) -> str:
    parts = [
        "All interactions will be structured in the following way, with the appropriate values filled in.",
        _sections((field.name, f"{{{field.name}}}") for field in schema.inputs),
        _sections((field.name, f"{{{field.name}}}{_note(field)}") for field in schema.outputs),
        _COMPLETED,
    ]
    return "\n\n".join(parts)


def _objective(schema: Schema, instruction: str) -> str:
    text = textwrap.dedent(inspect.cleandoc(instruction or _default_instruction(schema)))
    return f"In adhering to this structure, your objective is: {(chr(10) + ' ' * 8).join(['', *text.splitlines()])}"


def _default_instruction(schema: Schema) -> str:
    inputs = ", ".join(f"`{field.name}`" for field in schema.inputs)
    outputs = ", ".join(f"`{field.name}`" for field in schema.outputs)
    return f"Given the fields {inputs}, produce the fields {outputs}."


def _sections(pairs: Iterable[tuple[str, str]]) -> str:
    return "\n\n".join(f"[[ ## {name} ## ]]\n{text}" for name, text in pairs).strip()


def _note(field: Field) -> str:
    return f"        # note: the value you produce {field.note}" if field.note else ""


def _type(field: Field) -> str:
    return "" if field.type_name == "str" else f" (must be formatted as a valid Python {field.type_name})"
