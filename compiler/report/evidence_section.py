"""The verdict and what it rests on."""

from __future__ import annotations

from collections.abc import Iterator

from ..evidence import Comparison, Verdict
from .html import Html, join, section, table, tag
from .material import Material
from .numbers import change, many, p_value, points

_ROWS_FOR = {"pool": "rows to draw from", "dev": "to select on"}
_SAYS = {
    "ship": "The prompts that were found are better.",
    "keep": "No gain worth having.",
    "inconclusive": "The held-out rows do not settle it.",
}


def evidence_section(material: Material) -> Html:
    verdict = material.verdict
    if verdict is None:
        return section("verdict", "Verdict", *_without(material))
    return section(
        "verdict", "Verdict", *_headline(verdict, material), *_comparison(verdict, material), *_notes(material)
    )


def outcome(material: Material) -> str:
    """What the run came to, in a word and a number."""
    verdict = material.verdict
    if verdict is None:
        return material.state
    return verdict.decision + ("" if verdict.gain is None or not verdict.pairs else f" {change(verdict.gain)}")


def rows_said(material: Material) -> str:
    """How many rows were used for what: said in these words wherever the report counts them."""
    said = []
    for split, used in material.rows_used.items():
        if split == "holdout" and not used.used:
            said.append(f"{used.given:,} held out, not compared on")
        elif split == "holdout":
            said.append(f"{used} held out")
        else:
            said.append(f"{used} {_ROWS_FOR[split]}")
    return ", ".join(said)


def _without(material: Material) -> Iterator[Html]:
    badge = tag("span", "no verdict", class_="badge none")
    yield tag("p", badge, f" The run is {material.state}. What it has done so far is below.", class_="headline")


def _headline(verdict: Verdict, material: Material) -> Iterator[Html]:
    badge = tag("span", verdict.decision, class_=f"badge {verdict.decision}")
    holds = f"The file holds the {material.holds}'s prompts."
    said = tag("p", badge, f" {_SAYS[verdict.decision]} {holds}", class_="headline")
    yield tag("div", said, tag("p", _reason(verdict)))
    if material.fuller:
        more = (tag("code", f"burnish report {material.fuller}"), " has its candidates, rows and replies as well.")
        yield tag("p", "This is a report of the file alone: ", *more, class_="quiet")


def _reason(verdict: Verdict) -> str:
    more = "" if verdict.more_needed is None else f" About {verdict.more_needed:,} more held-out rows would settle it."
    return f"Why: {verdict.reason}.{more}"


def _comparison(verdict: Verdict, material: Material) -> Iterator[Html]:
    if verdict.gain is None or verdict.interval is None or verdict.p_value is None or not verdict.pairs:
        yield tag("p", "Student and finalist were not compared on held-out rows.")
        return
    figures = (
        ("student", points(verdict.student_mean), f"mean on {_held_out(verdict, material)}"),
        ("finalist", points(verdict.finalist_mean), f"mean on the same rows{_wins(material)}"),
        ("gain", change(verdict.gain), f"points; 95 %: {_interval(verdict.interval)}"),
        ("p-value", p_value(verdict.p_value), verdict.method),
    )
    yield tag("dl", [tag("div", tag("dt", n), tag("dd", v, tag("small", s))) for n, v, s in figures], class_="figures")
    yield _picture(verdict.gain, verdict.interval, verdict.min_gain)
    rows = [("this metric", *_row(verdict.student_mean, verdict.finalist_mean, verdict.gain, verdict.interval))]
    rows += [(name, *_reported(comparison)) for name, comparison in verdict.report.items()]
    if verdict.report:
        yield table(
            ("metric", "student", "finalist", "gain", "95 % interval"),
            rows,
            caption="All metrics on the held-out rows. Only the first decides.",
            numbers=range(1, 5),
        )


def _held_out(verdict: Verdict, material: Material) -> str:
    used = material.rows_used.get("holdout")
    if used is None or used.used == used.given:
        return many(verdict.pairs, "held-out row")
    return f"{used} held-out rows, which the budget paid for"


def _wins(material: Material) -> str:
    """On how many rows the finalist did better and worse; "" where the outcomes of single rows are not known."""
    better = worse = 0
    for row in material.compared:
        one, other = (material.outcome(who, row) for who in (material.student, material.finalist))
        if one is None or other is None:
            return ""
        better += other.score > one.score
        worse += other.score < one.score
    return f": better on {better:,}, worse on {worse:,}" if material.compared else ""


def _reported(one: Comparison) -> tuple[str, ...]:
    return _row(one.student_mean, one.finalist_mean, one.gain, one.interval)


def _row(student: float | None, finalist: float | None, gain: float, interval: tuple[float, float]) -> tuple[str, ...]:
    return points(student), points(finalist), change(gain), _interval(interval)


def _interval(interval: tuple[float, float]) -> str:
    return f"{change(interval[0])} to {change(interval[1])}"


def _picture(gain: float, interval: tuple[float, float], min_gain: float) -> Html:
    """The interval on a line, with no gain and the smallest gain that is worth having."""
    low, high = min(interval[0], 0.0), max(interval[1], min_gain, 0.0)
    room = 0.08 * (high - low) or 0.05
    low, high = low - room, high + room

    def at(value: float) -> str:
        return f"{100 * (value - low) / (high - low):.2f}%"

    said = (
        f"Gain {change(gain)} points, 95 % interval {_interval(interval)}; no gain at 0, the smallest gain worth "
        f"having at {change(min_gain)}."
    )
    marks = [_mark(at(0.0), "zero"), _mark(at(min_gain), "least")]
    drawn = (
        tag("line", x1=at(interval[0]), x2=at(interval[1]), y1=18, y2=18, class_="span"),
        tag("circle", cx=at(gain), cy=18, r=6, class_="dot"),
    )
    picture = tag("svg", tag("line", x1="0", x2="100%", y1=18, y2=18, class_="axis"), *marks, *drawn, height=36)
    key = (
        tag("span", tag("i", class_="key dot"), f"gain, {change(gain)}"),
        tag("span", tag("i", class_="key span"), f"95 % interval, {_interval(interval)}"),
        tag("span", tag("i", class_="key zero"), "no gain"),
        tag("span", tag("i", class_="key least"), f"worth having, {change(min_gain)}"),
    )
    figure = tag("div", picture, role="img", aria_label=said)
    return tag("figure", figure, tag("figcaption", join(key)), class_="interval")


def _mark(place: str, kind: str) -> Html:
    return tag("line", x1=place, x2=place, y1=4, y2=32, class_=kind)


def _notes(material: Material) -> Iterator[Html]:
    notes = list(material.evidence.get("notes", []))
    failed = {who: kinds for who, kinds in material.evidence.get("unusable", {}).items() if kinds}
    for who, kinds in failed.items():
        said = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
        notes.append(f"Replies that could not be used, which score 0, in {who}: {said}.")
    if notes:
        yield tag("ul", [tag("li", note) for note in notes], class_="notes")
