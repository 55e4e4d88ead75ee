"""Example by example: where the finalist wins and loses, with the messages that were sent and what came back."""

from __future__ import annotations

from .columns import Columns
from .html import Html, section, tag
from .material import Material
from .numbers import many

_RESULTS = ("all", "wins", "losses", "both right", "both wrong", "failures")


def examples_section(material: Material, data: Columns) -> Html:
    if not data.evaluations:
        return section(
            "examples", "Examples", tag("p", "Outcomes of single rows are in the run folder, not in the file.")
        )
    told = (
        f"{many(data.evaluations, 'evaluation')}: candidates on {many(data.dev, 'row')} of dev"
        + (f", student and finalist on {many(data.held, 'held-out row')}" if data.held else "")
        + ". Open a row to read what was sent and what came back"
        + ("." if data.executions == data.evaluations else f"; {data.executions:,} of them have it.")
    )
    choose = tag("label", "Candidate ", tag("select", id_="examples-candidate"))
    against = tag("label", "beside ", tag("select", id_="examples-baseline"))
    split = tag("label", "rows ", tag("select", id_="examples-split"))
    results = [tag("option", name, value=name) for name in _RESULTS]
    result = tag("label", "show ", tag("select", results, id_="examples-result"))
    find = tag("label", "find ", tag("input", type_="search", id_="examples-find"))
    count = tag("span", id_="examples-count", role="status")
    return section(
        "examples",
        "Examples",
        tag("p", told),
        tag("div", choose, against, split, result, find, count, class_="controls"),
        tag("div", id_="examples-list"),
        tag("div", id_="examples-pages", class_="pages"),
    )
