"""Settings of searches and models on a line, as Python would write them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from ...signatures.canonical import JSON
from .material import Material

DIGEST = re.compile(r"[0-9a-f]{64}")
SHORT = 16  # characters of a digest that tell it from others


def call(settings: Mapping[str, JSON]) -> str:
    """Settings with a name as a call, "OPRO(finalists=3)", without those that say nothing."""
    return f"{settings.get('name', '')}({_named(settings)})"


def models_used(material: Material) -> Mapping[str, Mapping[str, JSON]]:
    """Models that the run may have asked, by what for; several that are one model with the same settings as one.

    An optimizer that was asked for nothing, a judge that no metric speaks of, and an LM beside the task's that no
    candidate runs on are left out.
    """
    roles: dict[str, list[str]] = {}
    known: dict[str, Mapping[str, JSON]] = {}
    found = material.provenance.get("models") or material.identity.get("lms", {})
    for role, model in sorted(found.items(), key=lambda one: one[0] != "task"):
        if _is_used(role, material):
            told = {name: value for name, value in model.items() if name != "endpoint"}
            key = json.dumps(told, sort_keys=True)
            known[key] = told
            roles.setdefault(key, []).append(role)
    return {", ".join(names): known[key] for key, names in roles.items()}


def model(told: Mapping[str, JSON]) -> str:
    """ "local/NAME, file b179c9523d0e6a0f, max_tokens 16, temperature 0"."""
    said = [str(told.get("model", ""))]
    local = told.get("local") or {}
    if "sha256" in local:
        said.append(f"file {local['sha256'][:SHORT]}")
    others = {name: value for name, value in local.items() if name not in ("sha256", "cache_prompt")}
    rest = {name: value for name, value in told.items() if name not in ("model", "local", "params")}
    for settings in (told.get("params") or {}, others, rest):
        said += [f"{name} {_value(value)}" for name, value in settings.items() if value not in (None, {}, [], "")]
    return ", ".join(part for part in said if part)


def plain(settings: Mapping[str, JSON]) -> str:
    """ "calls 800", "burnish 0.1.0, dspy 3.4.1"."""
    return ", ".join(f"{name} {_value(value)}" for name, value in settings.items() if value is not None)


def _is_used(role: str, material: Material) -> bool:
    if role == "optimizer":
        return material.has_asked
    if role == "judge":
        models = material.provenance.get("models", {})
        return bool(material.run.get("judges", models.get("judge") != models.get("task")))
    if role in ("task", "encoder") or "outcomes" not in material.run:  # a file alone does not hold all candidates
        return True
    said = (words for candidate in material.candidates.values() for words in candidate.values())
    return any(words.settings.get("role") == role for words in said)


def _named(settings: Mapping[str, JSON]) -> str:
    said = []
    for name, value in settings.items():
        if name != "name" and _says(value):
            is_word = isinstance(value, str) and not DIGEST.fullmatch(value)
            said.append(f"{name}={value!r}" if is_word else f"{name}={_value(value)}")
    return ", ".join(said)


def _says(value: JSON) -> bool:
    """Whether a setting was set to anything: one whose own settings are all left to themselves was not."""
    if value in (None, {}, [], ""):
        return False
    return not (_is_object(value) and value[1] and not any(map(_says, value[1].values())))


def _value(value: JSON) -> str:
    if isinstance(value, str):
        return f"{value[:SHORT]}…" if DIGEST.fullmatch(value) else value
    if _is_object(value):
        return f"{value[0]}({_named(value[1])})"
    if isinstance(value, float):
        return f"{value:g}"
    return json.dumps(value, ensure_ascii=False)


def _is_object(value: JSON) -> bool:
    """Settings of an object within settings: [its class, its own settings]."""
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict)
