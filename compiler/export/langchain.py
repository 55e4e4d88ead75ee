"""langchain: a ChatPromptTemplate in LangChain's own JSON form, for `langchain_core.load.loads`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...signatures.canonical import JSON
from .outline import AS_JSON, SlottedMessage, outline
from .text import json_text

_FIXED = {"system": "SystemMessage", "user": "HumanMessage", "assistant": "AIMessage"}
_TYPES = {"system": "system", "user": "human", "assistant": "ai"}


def to_langchain(document: Mapping[str, JSON], paths: Sequence[str], leave_out: Sequence[str]) -> str:
    (path,) = paths
    shape = outline(document, path, leave_out)
    about = {
        "predictor": shape.path,
        "program": shape.program,
        "inputs": {one.name: AS_JSON if one.in_json else one.writing for one in shape.inputs},
        "notes": [*shape.notes, *shape.trimming_note],
        "request": {"model": shape.model, **shape.params},
    }
    template = _constructed(
        ["prompts", "chat", "ChatPromptTemplate"],
        {
            "input_variables": [one.name for one in shape.inputs],
            "messages": [_message(message) for message in shape.messages],
            "metadata": {"burnish": about},
        },
    )
    return json_text(template, indent=2) + "\n"


def _message(message: SlottedMessage) -> JSON:
    if not message.inputs:
        content = "".join(map(str, message.parts))
        kind = {"content": content, "type": _TYPES[message.role]}
        return _constructed(["schema", "messages", _FIXED[message.role]], kind)
    template = "".join(
        part.replace("{", "{{").replace("}", "}}") if isinstance(part, str) else f"{{{part.name}}}"
        for part in message.parts
    )
    prompt = _constructed(
        ["prompts", "prompt", "PromptTemplate"],
        {
            "input_variables": [one.name for one in message.inputs],
            "template": template,
            "template_format": "f-string",
        },
    )
    return _constructed(["prompts", "chat", f"{_FIXED[message.role]}PromptTemplate"], {"prompt": prompt})


def _constructed(name: Sequence[str], arguments: Mapping[str, JSON]) -> dict[str, JSON]:
    return {"lc": 1, "type": "constructor", "id": ["langchain", *name], "kwargs": dict(arguments)}
