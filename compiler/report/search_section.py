"""Every candidate: its score over the calls of the run, and a table to sort and search."""

from __future__ import annotations

from .html import Html, section, tag
from .material import Material
from .numbers import many, points


def search_section(material: Material) -> Html:
    if not material.records:
        return section("search", "Search", tag("p", "No candidate was recorded in what this report is made of."))
    best = max(material.whole, key=lambda record: record.mean)
    student = material.record_of.get(material.student)
    said = (
        f"{many(len(material.records), 'candidate')}, scored on dev over "
        f"{material.records[-1].spent.calls:,} calls. The best has {points(best.mean)}"
        + ("" if student is None else f", the student {points(student.mean)}")
        + ". Scores on dev flatter the best: what the gain is, only the held-out rows tell."
    )
    chart = tag("div", class_="chart", id_="candidates-chart", role="img", aria_label=f"{said} The table has them all.")
    find = tag("label", "Find ", tag("input", type_="search", id_="candidates-find", placeholder="instruction, move"))
    controls = tag("div", find, tag("span", id_="candidates-count", role="status"), class_="controls")
    return section(
        "search",
        "Search",
        tag("p", said),
        tag("div", chart, class_="only-script"),
        controls,
        tag("div", id_="candidates-table", class_="scrolls", tabindex=0, role="region", aria_label="All candidates"),
        tag("div", id_="candidates-pages", class_="pages"),
        tag("div", id_="candidate", class_="panel", hidden=True, tabindex=-1, aria_live="polite"),
    )
