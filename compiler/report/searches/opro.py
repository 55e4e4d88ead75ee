"""OPRO: the trajectory of instructions and scores that the optimizer LM was shown."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ..html import Html, opens, table, tag
from ..material import Material
from .parts import MOST, bar, documents, picture, rest

_EXPLAINED = "Every instruction in the order in which it came, with its score on the rows of the search."
_POINT = "Point at the chart to read its numbers."


def pictures(material: Material) -> Iterator[Html]:
    for told, trajectory in documents(material, "opro_trajectory"):
        scores = [one["score"] for one in trajectory]
        said = f"Scores of {len(scores)} instructions in the order in which they came; the table below has them."
        canvas = tag("div", class_="chart", data_steps=json.dumps(scores), role="img", aria_label=said)
        chart = tag("div", canvas, tag("p", _POINT, class_="quiet pointed"), class_="only-script")
        rows = []
        for number, one in enumerate(trajectory[:MOST], 1):
            marks = [tag("span", "finalist", class_="mark winner")] if one["candidate"] == material.finalist else []
            cell = tag("div", one["instruction"], " ", marks), tag("div", one["move"], class_="quiet")
            rows.append((number, bar(one["score"], material), cell))
        listed = table(("#", "score", "instruction"), rows, caption=f"The trajectory{told}", numbers=(0,))
        table_ = opens("the trajectory as a table", listed, is_open=len(rows) <= 30)
        yield picture(f"The trajectory{told}", _EXPLAINED, chart, table_, *rest(len(trajectory), "instructions"))
