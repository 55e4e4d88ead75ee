"""What it takes to make the same file again."""

from __future__ import annotations

import json
from collections.abc import Iterator

from .html import Html, opens, section, tag
from .material import Material
from .settings import SHORT, call, model, models_used, plain

_SAME = "The same program, rows, models, versions and seed give the same file, byte for byte."


def provenance_section(material: Material) -> Html:
    facts = list(reproduction(material))
    shown = tag(
        "dl", [tag("div", tag("dt", name), tag("dd", tag("code", value))) for name, value in facts], class_="facts"
    )
    whole = json.dumps(material.provenance, indent=1, ensure_ascii=False)
    return section(
        "reproduce",
        "Reproduce",
        tag("p", _SAME, class_="quiet"),
        _command(material),
        shown,
        opens("all settings as JSON", tag("pre", whole)),
    )


def _command(material: Material) -> Html | None:
    if not (typed := material.run.get("command")):
        return None
    copy = tag("button", "Copy", type_="button", class_="copy only-script", aria_label="Copy the command")
    return tag("div", tag("pre", typed, class_="command", tabindex=0, aria_label="The command"), copy, class_="typed")


def reproduction(material: Material) -> Iterator[tuple[str, str]]:
    """Names and values: of the file, of what went in, of what ran it."""
    if material.document is not None:
        yield "file", material.document["digest"]
    yield "run", material.name
    found = material.provenance
    if "program" in found:
        yield "program", f"{material.program}, digest {found['program'][:SHORT]}"
    for split, used in material.rows_used.items():
        first = "" if used.used in (0, used.given) else f", the first {used.used:,} used"
        yield f"rows, {split}", f"{used.given:,}{first}, digest {found['data'][split]['digest'][:SHORT]}"
    for name in ("metric", "min_gain", "seed"):
        if name in found:
            yield name.replace("_", " "), str(found[name])
    if "teleprompter" in found:
        yield "search", call(found["teleprompter"])
    if "budget" in found:
        yield "budget", plain(found["budget"])
    for roles, told in models_used(material).items():
        yield f"LM, {roles}", model(told)
    if "versions" in found:
        yield "versions", plain(found["versions"])
