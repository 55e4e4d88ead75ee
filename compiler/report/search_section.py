"""Every candidate: its score over the calls of the run, and a table to sort and search."""

from __future__ import annotations

from collections.abc import Iterator

from ..score_range import fraction
from .html import Html, section, tag
from .material import Material
from .numbers import many, points

_POINT = "Point at the chart to read its numbers; click to read the candidate."


def search_section(material: Material) -> Html:
    if not material.records:
        return section("search", "Search", tag("p", "No candidate was recorded in what this report is made of."))
    said = f"{many(len(material.records), 'candidate')}, scored on dev over {material.records[-1].spent.calls:,} calls."
    told = f"{said} {' '.join(_best(material))}"
    chart = tag("div", class_="chart", id_="candidates-chart", role="img", aria_label=f"{said} The table has them all.")
    pointed = tag("p", _POINT, class_="quiet pointed")
    find = tag("label", "Find ", tag("input", type_="search", id_="candidates-find", placeholder="instruction, move"))
    controls = tag("div", find, tag("span", id_="candidates-count", role="status"), class_="controls")
    return section(
        "search",
        "Search",
        tag("p", told),
        tag("div", chart, pointed, class_="only-script"),
        controls,
        tag("div", id_="candidates-table", class_="scrolls", tabindex=0, role="region", aria_label="All candidates"),
        tag("div", id_="candidates-pages", class_="pages"),
        tag("div", id_="candidate", class_="panel", hidden=True, tabindex=-1, aria_live="polite"),
    )


def _best(material: Material) -> Iterator[str]:
    """How far the search came, by the number that is called the best everywhere, and why that one is."""
    best, student = material.best, material.record_of.get(material.student)
    if best is None:
        return

    def of(mean: float) -> str:
        return points(fraction(mean, material.score_range))

    if student is best:
        yield f"The student has {of(best.mean)}, and nothing better was found."
    else:
        yield f"The best, #{best.number}, has {of(best.mean)}" + (
            "." if student is None else f", the student {of(student.mean)}."
        )
    others = [record for record in material.whole if record.candidate != best.candidate and not record.rejected]
    above = sum(record.mean > best.mean for record in others)
    equal = sum(record.mean == best.mean for record in others)
    if above:
        were = "was" if above == 1 else "were"
        yield f"{many(above, 'candidate')} had more and {were} not taken: score is not all that this search counts."
    elif equal and student is not best and material.document is not None:
        yield f"{many(equal, 'other')} had as much; of equal ones the shortest prompt is taken."
    yield "Scores on dev flatter the best: what the gain is, only the held-out rows tell."
