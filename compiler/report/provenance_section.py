"""What it takes to make the same file again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from ...signatures.canonical import JSON
from .html import Html, opens, section, tag
from .material import Material


def provenance_section(material: Material) -> Html:
    facts = list(reproduction(material))
    shown = tag(
        "dl", [tag("div", tag("dt", name), tag("dd", tag("code", value))) for name, value in facts], class_="facts"
    )
    whole = json.dumps(material.provenance, indent=1, ensure_ascii=False)
    told = "The same program, rows, models, versions and seed give the same file, byte for byte."
    return section(
        "reproduce",
        "Reproduce",
        tag("p", told, class_="quiet"),
        *([tag("pre", material.run["command"], class_="command")] if material.run.get("command") else []),
        shown,
        opens("all settings as JSON", tag("pre", whole)),
    )


def reproduction(material: Material) -> Iterator[tuple[str, str]]:
    """Names and values: of the file, of what went in, of what ran it."""
    if material.document is not None:
        yield "file", material.document["digest"]
    yield "run", material.name
    found = material.provenance
    for name in ("seed", "min_gain", "metric", "program"):
        if name in found:
            yield name.replace("_", " "), str(found[name])
    for split, rows in found.get("data", {}).items():
        yield f"rows, {split}", f"{rows['rows']} ({rows['digest'][:16]})"
    if "teleprompter" in found:
        yield "teleprompter", _flat(found["teleprompter"])
    if "budget" in found:
        yield "budget", _flat(found["budget"])
    for role, model in found.get("models", {}).items():
        yield f"model, {role}", _flat(model)
    if "versions" in found:
        yield "versions", _flat(found["versions"])


def _flat(value: Mapping[str, JSON]) -> str:
    """Settings on a line: those that say nothing are left out."""
    told = {name: one for name, one in value.items() if one not in (None, {}, [], "")}
    return ", ".join(f"{name} {_short(one)}" for name, one in told.items())


def _short(value: JSON) -> str:
    said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return said if len(said) <= 90 else f"{said[:89]}…"
