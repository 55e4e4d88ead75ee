"""xml: each input and output between tags of its name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from ..prompt import Demo
from ..schema import Field, Schema
from .base import Format
from .markers import CUSTOM_TYPE, Marker, Markers


class XmlFormat(Format):
    """`<review>...</review>`. The tags are signs, not XML: values stand between them as they are."""

    name = "xml"

    def markers(self, names: tuple[str, ...]) -> Markers:
        tags = "|".join(map(re.escape, names))
        return Markers((Marker.of("<", rf"/?(?:{tags})\s*>", ">", re.IGNORECASE), CUSTOM_TYPE))

    def system(self, schema: Schema, instruction: str | None) -> str:
        parts = [_list("The question gives, each between tags:", schema.inputs)] if schema.inputs else []
        parts.append(
            _list("Answer with, each between tags of its name, in this order, and nothing else:", schema.outputs)
        )
        if instruction and instruction.strip():
            parts.append(instruction.strip())
        return "\n\n".join(parts)

    def label(self, schema: Schema, field: Field) -> str:
        return f"<{field.name}>\n"

    def end(self, schema: Schema, field: Field) -> str:
        return f"\n</{field.name}>\n"

    def closing(self, schema: Schema, asking: bool) -> str:
        tags = ", then ".join(f"<{field.name}>...</{field.name}>" for field in schema.outputs)
        return f"Answer with {tags}." if asking else ""

    def answer(self, schema: Schema, demo: Demo) -> str:
        texts = self.texts(schema, demo)
        given = [field.name for field in schema.outputs if field.name in texts]
        return "\n".join(f"<{name}>\n{texts[name]}\n</{name}>" for name in given)

    def find(self, schema: Schema, reply: str) -> dict[str, str]:
        opening = _opening(tuple(field.name for field in schema.outputs))
        found: dict[str, str] = {}
        match = opening.search(reply)
        while match is not None:
            name = match[1]
            end = reply.find(f"</{name}>", match.end())
            if end < 0:  # never closed: it ends where the next output begins, or with the reply
                following = opening.search(reply, match.end())
                end = following.start() if following else len(reply)
            found.setdefault(name, reply[match.end() : end].strip())
            match = opening.search(reply, end)
        return found

    def missing(self, schema: Schema, field: Field) -> str:
        return f"the reply has no field {field.name!r}: write <{field.name}>, the value, and </{field.name}>."


@lru_cache(maxsize=1024)
def _opening(names: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(f"<({'|'.join(map(re.escape, names))})>")


def _list(title: str, fields: Sequence[Field]) -> str:
    return "\n".join([title, *(_item(field) for field in fields)])


def _item(field: Field) -> str:
    said = [text for text in (field.description, field.note) if text]
    return f"<{field.name}> ({field.type_name})" + (f": {'; '.join(said)}" if said else "")
