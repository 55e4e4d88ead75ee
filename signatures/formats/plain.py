"""plain: short "Review: ..." lines, for small models that long prompts and markers confuse."""

from __future__ import annotations

import re
from functools import lru_cache

from ..canonical import JSON
from ..prompt import Demo
from ..schema import Field, Schema
from .base import Format, always_shown, read_line
from .markers import CUSTOM_TYPE, LINE_START, Marker, Markers


class PlainFormat(Format):
    """One labelled line an input, one labelled line an output. A single output may be answered without its label."""

    name = "plain"

    def markers(self, names: tuple[str, ...]) -> Markers:
        labels, flags = _labels(names)
        words = "|".join(sorted(map(_pattern, labels.values()), key=len, reverse=True))
        return Markers((Marker.of(f"{LINE_START}[ \\t]*(?:{words})", "[ \\t]*:", ":", flags), CUSTOM_TYPE))

    def system(self, schema: Schema, instruction: str | None) -> str:
        labels = _labels(tuple(schema.by_name))[0]
        said = [(labels[field.name], _remark(field, field in schema.outputs)) for field in schema.by_name.values()]
        return "\n".join([*filter(None, [(instruction or "").strip()]), *(f"{n}: {text}" for n, text in said if text)])

    def label(self, schema: Schema, field: Field) -> str:
        return f"{_labels(tuple(schema.by_name))[0][field.name]}: "

    def closing(self, schema: Schema, asking: bool) -> str:
        # No message may be empty: where all inputs can be missing, it says what is asked for.
        certain = any(always_shown(field) for field in schema.inputs)
        return "" if certain else self.label(schema, schema.outputs[0]).rstrip()

    def answer(self, schema: Schema, demo: Demo) -> str:
        texts = self.texts(schema, demo)
        given = [field for field in schema.outputs if field.name in texts]
        return "\n".join(self.label(schema, field) + texts[field.name] for field in given).strip()

    def find(self, schema: Schema, reply: str) -> dict[str, str]:
        names = tuple(schema.by_name)
        found: dict[str, str] = {}
        name, start, reply = schema.outputs[0].name, 0, "\n" + reply
        for match in [*_line(names).finditer(reply), None]:
            text = reply[start : match.start() if match else len(reply)].strip()
            # What stands before the first label is the first output's, unless that has a label of its own.
            if start > 0 or text:
                found.setdefault(name, text)
            if match is not None:
                name, start = names[(match.lastindex or 1) - 1], match.end()
        return found

    def read(self, schema: Schema, field: Field, found: JSON) -> JSON:
        return read_line(field, self.unescape(schema, found))

    def missing(self, schema: Schema, field: Field) -> str:
        if len(schema.outputs) == 1:
            return f"the reply is empty: write the value of {field.name!r}."
        return f"the reply has no line that begins with '{self.label(schema, field).rstrip()}'."


@lru_cache(maxsize=1024)
def _labels(names: tuple[str, ...]) -> tuple[dict[str, str], re.RegexFlag]:
    """Field name -> label, and how labels are compared.

    Names that would share a label stand as they are and are told apart by case.
    """
    labels = {name: _label(name) for name in names}
    if len({label.casefold() for label in labels.values()}) < len(names):
        return {name: name for name in names}, re.RegexFlag(0)
    return labels, re.IGNORECASE


def _label(name: str) -> str:
    words = name.replace("_", " ").strip() or name
    return words[0].upper() + words[1:]


def _pattern(label: str) -> str:
    return re.escape(label).replace("\\ ", "[ _]")


@lru_cache(maxsize=1024)
def _line(names: tuple[str, ...]) -> re.Pattern[str]:
    """A line that begins with a label; which group matched says whose."""
    labels, flags = _labels(names)
    words = "|".join(f"({_pattern(labels[name])})" for name in names)
    return re.compile(f"{LINE_START}[ \\t]*(?:{words})[ \\t]*:", flags)


def _remark(field: Field, is_output: bool) -> str:
    """What the system message says of a field: its description; the note of an output that is no text and no choice."""
    schema = field.json_schema
    is_choice = "enum" in schema or "const" in schema
    note = field.note if is_output and not field.is_text and not is_choice else ""
    return "; ".join(" ".join(text.split()) for text in (field.description, note) if text)
