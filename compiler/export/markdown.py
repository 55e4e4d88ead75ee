"""markdown: the whole program on a page, to be read and reviewed: messages as they are sent, with `{{name}}` slots."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ...signatures.candidate import Part
from ...signatures.canonical import JSON
from ...signatures.schema import Field
from ..frozen.document import candidate_of, verdict_of
from .outline import SlottedMessage, inputs_of, slotted
from .text import json_text

_BACKTICKS = re.compile(r"`+")


def to_markdown(document: Mapping[str, JSON], paths: Sequence[str], leave_out: Sequence[str]) -> str:
    candidate = candidate_of(document["predictors"])
    lines = ["# Compiled program", ""]
    lines += [f"- digest: `{document['digest']}`", f"- model: {_code(document['lm']['model'])}"]
    lines += [f"- prompts: the {document['holds']}'s", f"- verdict: {_line(str(verdict_of(document)))}", ""]
    for path in paths:
        lines += _predictor(path, candidate[path], leave_out)
    return "\n".join(lines).rstrip("\n") + "\n"


def _predictor(path: str, part: Part, leave_out: Sequence[str]) -> Iterator[str]:
    template, settings = part.prompt.template, part.settings
    yield from (f"## Predictor {_code(path)}", "")
    yield f"- format: {_code(template.format)}, the instruction at {_code(part.prompt.position)}"
    yield f"- parameters: {_code(json_text(settings.params))}"
    if settings.reply_policy == "reask":
        yield "- a reply that cannot be read: asked once more, with the reason"
    if template.response_schema is not None:
        yield f"- replies are held to the JSON Schema {_code(json_text(template.response_schema))}"
    yield from ("", "| | field | type | description |", "|---|---|---|---|")
    for side, fields in (("input", template.schema.inputs), ("output", template.schema.outputs)):
        yield from (_row(side, field) for field in fields if side == "output" or field.name not in leave_out)
    yield ""
    inputs = inputs_of(template, leave_out)
    # Without its rule a template shows every demonstration that the rule picks from.
    messages = slotted(replace(template, rule=None), inputs)
    first, last = len(template.head), len(messages) - len(template.tail)
    for message in messages[:first]:
        yield from _message(message.role, message)
    if template.rule is not None and template.demos:
        yield from (
            f"{_code(template.rule.selector)} picks {template.rule.k} of the following {len(template.demos)} "
            f"demonstrations for each query ({_code(template.rule.order)}).",
            "",
        )
    for number, message in enumerate(messages[first:last]):
        yield from _message(f"demonstration {number // 2 + 1}, {message.role}", message)
    for message in messages[last:]:
        yield from _message(message.role, message)


def _message(title: str, message: SlottedMessage) -> Iterator[str]:
    text = "".join(part if isinstance(part, str) else f"{{{{{part.name}}}}}" for part in message.parts)
    fence = "`" * max(3, 1 + max(map(len, _BACKTICKS.findall(text)), default=0))
    yield from (f"**{title}**", "", f"{fence}text", text, fence, "")


def _row(side: str, field: Field) -> str:
    needed = "" if field.required or side == "output" else ", may be left out"
    return f"| {side}{needed} | {_code(field.name)} | {_code(field.type_name)} | {_line(field.description)} |"


def _code(text: str) -> str:
    """A code span, also within a table."""
    text = " ".join(text.split())
    ticks = "`" * (1 + max(map(len, _BACKTICKS.findall(text)), default=0))
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{space}{text}{space}{ticks}".replace("|", "\\|")


def _line(text: str) -> str:
    """Plain text on one line in which nothing is markup."""
    return re.sub(r"([\\`*_\[\]<&|~])", r"\\\1", " ".join(text.split()))
