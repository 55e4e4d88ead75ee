"""dspy: the state that `dspy.Module.load` reads into a program with the same signatures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ...signatures.candidate import Part
from ...signatures.canonical import JSON
from ...signatures.errors import FrozenError
from ..frozen.document import candidate_of
from .text import json_text

_NOTES = (
    "Use ChatAdapter, the default of dspy 3.4. It asks once more, for JSON, where a reply cannot be read: "
    "ChatAdapter(use_json_adapter_fallback=False) does not.",
    "dspy shows [[ ## marks ## ]] in values as they are; burnish.load() disarms them with a backslash.",
)

_IN_CHAT = ", or compile in that format: teleprompter=RandomDemos(formats=('chat',))"


def to_dspy_state(document: Mapping[str, JSON], paths: Sequence[str], leave_out: Sequence[str]) -> str:
    """leave_out changes nothing: dspy leaves out by itself what a call does not give."""
    candidate = candidate_of(document["predictors"])
    if tuple(paths) != candidate.predictors:
        raise FrozenError(
            f"A dspy state holds all predictors of a program ({', '.join(map(repr, candidate.predictors))}): leave "
            "out --predictor."
        )
    from ...signatures.dspy_bridge import dspy_version

    states = {path: _state(path, candidate[path]) for path in paths}
    state = states["self"] if list(states) == ["self"] else states
    about = {"program": document["digest"], "model": document["lm"]["model"], "notes": list(_NOTES)}
    metadata = {"dependency_versions": {"dspy": dspy_version}, "burnish": about}
    return json_text({**state, "metadata": metadata}, indent=2) + "\n"


def _state(path: str, part: Part) -> dict[str, JSON]:
    prompt = part.prompt
    if reason := _unlike(part) or _unfound(path):
        raise FrozenError(
            f"Predictor {path!r} cannot be exported to dspy: {reason} Use CompiledProgram.load(FILE).to_dspy(), a "
            "dspy.Module that sends what was compiled"
            f"{'' if prompt.format == 'chat' else _IN_CHAT}."
        )
    from ...signatures.dspy_bridge import Example, Predict, chat_messages, dspy_version, schema_of
    from ..to_dspy import signature_of

    template, schema = prompt.template, prompt.schema
    plain = Predict(signature_of(schema).with_instructions(prompt.instruction))
    plain.demos = [Example(demo.values) for demo in prompt.demos]
    names = [field.name for field in schema.inputs]
    shown = chat_messages(plain.signature, plain.demos, dict.fromkeys(names, "-"))
    expected = template.render(dict.fromkeys(names, "-"))
    # A signature that is rebuilt from the file may spell types in another way than the user's own, which will be used.
    around = schema_of(plain.signature) == schema
    if shown[1:-1] != expected[1:-1] or (around and shown != expected):
        raise FrozenError(
            f"Predictor {path!r} cannot be exported to dspy: dspy {dspy_version} renders its demonstrations or its "
            "instruction in another way, for one because they hold [[ ## marks ## ]] that burnish disarms. Use "
            "CompiledProgram.load(FILE).to_dspy(), a dspy.Module that sends what was compiled."
        )
    config = {name: value for name, value in part.settings.params.items() if value is not None}
    # `Predict.load_state` takes attributes under any name; dspy itself does not save the parameters.
    state: dict[str, JSON] = {**plain.dump_state(), "config": config}
    return state


def _unlike(part: Part) -> str:
    """Why dspy cannot send the same messages; "" where it may."""
    prompt = part.prompt
    if prompt.rule is not None and prompt.demos:
        return f"its demonstrations are picked anew for each query by {prompt.rule.selector!r}."
    if prompt.format != "chat":
        return f"its format is {prompt.format!r}, and dspy's ChatAdapter sends 'chat' only."
    if prompt.position != "system" and prompt.instruction.strip():
        return f"its instruction stands at {prompt.position!r}, and dspy puts it into the system message only."
    if any(demo.note for demo in prompt.demos):
        return "its demonstrations have notes, which dspy does not show."
    return ""


def _unfound(path: str) -> str:
    nested = re.search(r"\]\[", path)
    return "dspy does not look for predictors in lists within lists." if nested else ""
