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
        f"{many(data.evaluations, 'evaluation')}; {data.executions:,} of them with their messages and replies. "
        "Open a row to read them."
    )
    choose = tag("label", "Candidate ", tag("select", id_="examples-candidate"))
    against = tag("label", "beside ", tag("select", id_="examples-baseline"))
    split = tag("label", "rows ", tag("select", id_="examples-split"))
    results = [tag("option", name, value=name) for name in _RESULTS]
    result = tag("label", "show ", tag("select", results, id_="examples-result"))
    find = tag("label", "find ", tag("input", type_="search", id_="examples-find"))
    return section(
        "examples",
        "Examples",
        tag("p", told),
        tag("div", choose, against, split, result, find, class_="controls"),
        tag("p", id_="examples-count", role="status", class_="quiet"),
        tag("div", id_="examples-list"),
        tag("div", id_="examples-pages", class_="pages"),
    )
