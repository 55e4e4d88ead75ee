"""ABO: the steps of the instruction and their demonstration, refinement by refinement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ....signatures.canonical import JSON
from ..html import Html, opens, tag
from ..material import Material
from .parts import MOST, bar, documents, picture, rest, text

_EXPLAINED = "Every version of the steps in the order in which it was tried. One that is accepted is refined next."


def pictures(material: Material) -> Iterator[Html]:
    for told, found in documents(material, "abo"):
        if not isinstance(found, Mapping) or "pairs" not in found:
            continue
        pairs = found["pairs"]
        drawn = [_version(one, material) for one in pairs[:MOST]]
        yield picture(f"The steps{told}", _EXPLAINED, tag("ol", drawn, class_="rounds"), *rest(len(pairs), "versions"))


def _version(one: Mapping[str, JSON], material: Material) -> Html:
    is_finalist = one["candidate"] == material.finalist
    name = f"refinement {one['refinement']}" if one.get("refinement") else one["move"]
    marks = [tag("span", "accepted" if one["accepted"] else "refused", class_="mark" + (" winner" * one["accepted"]))]
    marks += [tag("span", "finalist", class_="mark winner")] if is_finalist else []
    obeyed = one["obedience"]
    facts = [tag("span", "dev ", bar(one["dev"], material))]
    facts += [] if obeyed is None else [tag("span", f"obeys {100 * obeyed:.0f} % of its steps")]
    inside = [tag("ol", [tag("li", step) for step in one["steps"]], class_="steps")]
    if reasons := one.get("reasons"):
        inside.append(tag("div", tag("h5", "why it was refined"), [text(reason) for reason in reasons]))
    if one["demonstration"]:
        inside.append(opens("the demonstration", text(one["demonstration"])))
    summary = tag("span", name, " ", marks)
    return tag("li", opens(summary, tag("div", facts, class_="row"), inside, is_open=is_finalist))
