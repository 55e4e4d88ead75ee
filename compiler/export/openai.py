"""openai: the body of the request, with `{{name}}` where a value goes, and what is to be known of each slot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...signatures.canonical import JSON
from .outline import AS_JSON, Input, Outline, outline
from .text import json_text


def to_openai(document: Mapping[str, JSON], paths: Sequence[str], leave_out: Sequence[str]) -> str:
    (path,) = paths
    shape = outline(document, path, leave_out)
    slots = _slots(shape)
    messages = [
        {"role": m.role, "content": "".join(p if isinstance(p, str) else slots[p.name] for p in m.parts)}
        for m in shape.messages
    ]
    exported = {
        "predictor": shape.path,
        "program": shape.program,
        "slots": {one.name: _slot(one, slots[one.name]) for one in shape.inputs},
        "notes": [*shape.notes, *shape.trimming_note],
        "request": {"model": shape.model, "messages": messages, **shape.params},
    }
    return json_text(exported, indent=2) + "\n"


def _slot(one: Input, sign: str) -> dict[str, JSON]:
    return {"slot": sign, "type": one.field.type_name, "write": AS_JSON if one.in_json else one.writing}


def _slots(shape: Outline) -> dict[str, str]:
    """Input -> what stands for it: its name in braces, in more of them where the prompt itself says as much."""
    said = [part for message in shape.messages for part in message.parts if isinstance(part, str)]
    slots: dict[str, str] = {}
    for one in shape.inputs:
        braces = 2
        while any("{" * braces + one.name + "}" * braces in text for text in said):
            braces += 1
        slots[one.name] = "{" * braces + one.name + "}" * braces
    return slots
