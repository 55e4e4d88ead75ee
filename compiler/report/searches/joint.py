"""Joint: which part of the prompt brought what, and which arm of the portfolio had the calls."""

from __future__ import annotations

from collections.abc import Iterator

from ...score_range import fraction
from ..html import Content, Html, table, tag
from ..material import Material
from ..numbers import change
from .parts import bar, picture

_PARTS = "One part of the finalist after the other put back to the student's: mean score on dev with it and without."
_PORTFOLIO = "Arms take turns, more of them those that brought more. Gain: what an arm's turns added to the best."


def pictures(material: Material) -> Iterator[Html]:
    found = material.kept.get("joint") or material.evidence.get("findings", {}).get("joint", {})
    if not found:
        return
    rows: list[list[Content]]
    if parts := found.get("parts"):
        rows = []
        for part in parts:
            without = part["without"]
            alone = "not scored" if without is None else bar(without, material)
            brought = "" if without is None else change(_share(part["with"], material) - _share(without, material))
            name = part["kind"] if part["predictor"] == "self" else f"{part['kind']} of {part['predictor']}"
            rows.append([name, part["source"], alone, bar(part["with"], material), brought])
        drawn = table(
            ("part", "made by", "without it", "with it", "brings"),
            rows,
            caption="What each part of the prompt brings, in points on dev",
            numbers=(4,),
        )
        yield picture("The parts", _PARTS, drawn)
    if arms := found.get("portfolio"):
        most = max(1, max(arm["calls"] for arm in arms))
        low, high = material.score_range
        rows = []
        for arm in arms:
            drawn = tag("span", tag("i", style=f"width:{100 * arm['calls'] / most:.1f}%"), class_="bar")
            calls = tag("span", drawn, f"{arm['calls']:,}", class_="score")
            rows.append([arm["arm"], arm["turns"], calls, change(arm["gain"] / (high - low))])
        drawn = table(
            ("arm", "turns", "calls", "gain"), rows, caption="Who had the calls of the search", numbers=(1, 3)
        )
        yield picture("The portfolio", _PORTFOLIO, drawn)
    if len(front := found.get("front", [])) > 1:
        units = [cost["unit"] for cost in found["objectives"]]
        rows = [
            [point["candidate"][:12], bar(point["dev"], material), *(f"{cost:g}" for cost in point["costs"])]
            for point in front
        ]
        drawn = table(
            ("candidate", "dev", *units), rows, caption="Score against cost", numbers=range(2, 2 + len(units))
        )
        yield picture("The front", "Candidates that no other one beats in score without costing more.", drawn)


def _share(score: float, material: Material) -> float:
    return fraction(score, material.score_range)
