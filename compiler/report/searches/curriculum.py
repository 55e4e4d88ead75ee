"""CurriculumICL: sets of demonstrations in the orders that were compared, and how hard those of the finalist are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ....signatures.canonical import JSON
from ..html import Html, table, tag
from ..material import Material, Scored
from ..prompts_section import values
from .parts import MOST, bar, picture

ORDERS = ("easy to hard", "hard to easy", "random")


def pictures(material: Material) -> Iterator[Html]:
    found: dict[tuple[str, int], dict[str, Scored]] = {}
    for record in material.whole:
        detail = record.detail
        if record.teleprompter == "CurriculumICL" and "order" in detail and "set" in detail:
            orders = found.setdefault((str(detail.get("predictor", "")), int(detail["set"])), {})
            orders.setdefault(str(detail["order"]), record)
    if not found:
        return
    names = list(dict.fromkeys(name for orders in found.values() for name in (*ORDERS, *orders)))
    rows = []
    for (predictor, number), orders in list(found.items())[:MOST]:
        cells = [_cell(orders.get(name), material) for name in names]
        rows.append((f"set {number}" if predictor == "self" else f"{predictor}: set {number}", *cells))
    explained = "Each set of demonstrations in the orders that were tried: the mean score on dev."
    drawn = table(("set", *names), rows, caption="Sets and orders")
    yield picture("The orders", explained, drawn, *_finalist(material))


def _cell(record: Scored | None, material: Material) -> Html | str:
    if record is None:
        return "not tried"
    mark = [tag("span", "finalist", class_="mark winner")] if record.candidate == material.finalist else []
    return tag("span", bar(record.mean, material), " ", mark)


def _finalist(material: Material) -> Iterator[Html]:
    """The demonstrations of the finalist in their order, with how each was measured."""
    record = material.record_of.get(material.finalist)
    said = material.candidates.get(material.finalist, {})
    if record is None or not isinstance(record.detail.get("rows"), Mapping):
        return
    words = said.get(str(record.detail.get("predictor", "")))
    reasons = list(record.detail["rows"].values())
    if words is None or len(words.demos) != len(reasons):
        return
    items = [_shown(demo, reason) for demo, reason in zip(words.demos, reasons, strict=True)]
    yield tag("h4", f"The finalist's set, {record.detail['order']}")
    yield tag("ol", items, class_="demos")


def _shown(demo: Mapping[str, JSON], reason: JSON) -> Html:
    return tag("li", values(demo["values"]), tag("p", str(reason), class_="quiet"))
