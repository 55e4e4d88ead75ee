"""Docstrings for the site: plain text becomes Markdown, a list where arguments are explained one after the other."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension

ARGUMENT = re.compile(r"^(\*{0,2}\w+(?:(?:, | and )\*{0,2}\w+)*): (?=\S)")


class PlainDocstrings(Extension):
    """`name: what it is` at the start of a line begins an item of a list; the lines after it belong to it."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(text: str) -> str:
    lines = []
    inside = False
    for line in text.splitlines():
        named = ARGUMENT.match(line)
        if named and not named[1].startswith(("Source", "Raises", "Cost", "Returns", "Begin")):
            if not inside:
                lines.append("")
            names = re.sub(r"\*{0,2}\w+", lambda found: found[0] if found[0] == "and" else f"`{found[0]}`", named[1])
            line = f"- {names}: {line[named.end() :]}"
            inside = True
        elif not line.strip() or re.match(r"(Source|Raises|Returns|Cost)\b", line):
            if inside:
                lines.append("")
            inside = False
        elif inside and not line.startswith(" "):
            line = f"    {line}"
        lines.append(line)
    return "\n".join(lines)
