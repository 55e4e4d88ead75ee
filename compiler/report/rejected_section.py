"""What was turned down, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import fmean

from ..score_range import fraction
from .html import Html, opens, section, table, tag
from .material import Material, Row
from .numbers import many, points

MOST = 200  # listed in the page's own text; scripts show all of them
_QUIET = {
    "reply dropped": "replies of the optimizer LM with no instruction in them",
    "reflection repeated": "reflections that said nothing new",
    "set left out": "sets of demonstrations left out",
    "parts that do not go together": "combinations of parts that do not go together",
}


def rejected_section(material: Material) -> Html:
    reasons = counted(material)
    inside: list[Html] = [*_scored(material)]
    if reasons:
        inside.append(tag("ul", [tag("li", f"{reason}: {number:,}") for reason, number in reasons], class_="notes"))
    if material.rejections:
        find = tag("label", "Find ", tag("input", type_="search", id_="rejected-find"))
        inside.append(tag("div", find, tag("span", id_="rejected-count", role="status"), class_="controls"))
        inside.append(tag("div", _table(material), id_="rejected-table"))
        inside.append(tag("div", id_="rejected-pages", class_="pages"))
    inside += _dropped(material)
    if not reasons and not material.dropped:
        inside.append(tag("p", "No proposal was turned down before it was scored."))
    return section("rejected", "Rejected", inside)


def _scored(material: Material) -> Iterator[Html]:
    """Those that came to the end of dev: nothing is wrong with them but that another one was better."""
    heads = (material.student, material.finalist)
    others = sum(one.candidate not in heads and not one.rejected for one in material.whole)
    if others:
        were = f"{many(others, 'candidate')} besides student and finalist {'was' if others == 1 else 'were'} scored"
        table_ = tag("a", "the table of all", href="#search")
        yield tag("p", were, " on as many rows of dev and did not come out ahead: see ", table_, ".")


def counted(material: Material) -> Sequence[tuple[str, int]]:
    """Why and how often, the most frequent first."""
    if material.rejections:
        found = Counter(f"rejected, {one.reason}" for one in material.rejections)
    else:
        counts = material.evidence.get("events", {})
        found = Counter({f"rejected, {k[10:]}": n for k, n in counts.items() if k.startswith("rejected: ")})
    counts = material.evidence.get("events", {})
    found.update({what: counts[event] for event, what in _QUIET.items() if counts.get(event)})
    if late := sum(bool(record.rejected) for record in material.records):
        found["scored, then ruled out"] = late
    return found.most_common()


def _table(material: Material) -> Html:
    rows = [(one.reason, one.sentence, one.text or "") for one in material.rejections[:MOST]]
    return table(
        ("reason", "in words", "proposal"), rows, caption="Proposals that guard rails turned down", is_text=True
    )


def _dropped(material: Material) -> Iterator[Html]:
    """Candidates that were begun and not scored on all of dev: others were better on the first rows, or money ended."""
    if not material.dropped:
        return
    dev = [row for row in material.rows if row.split == "dev"]
    items = []
    for digest in material.dropped[:MOST]:
        said = material.candidates.get(digest)
        if said is not None:
            words = [tag("p", f"{words.instruction}") for words in said.values()]
            shown = sum(len(one.demos) for one in said.values())
            told = _so_far(digest, dev, material) + (f"; {many(shown, 'demonstration')}" if shown else "")
            items.append(tag("li", tag("span", told, class_="quiet"), words))
    summary = f"{many(len(material.dropped), 'candidate')} given up before all of dev was scored"
    why = (
        "Others were better on the rows that were looked at first, or the budget ended. Rows of dev are looked at in "
        "the same order for all; beside each score stands the student's on the same rows."
    )
    yield opens(summary, tag("p", why, class_="quiet"), tag("ul", items, class_="dropped"))


def _so_far(digest: str, dev: Sequence[Row], material: Material) -> str:
    """What a candidate had on the rows that it was run on, beside the student's score on these."""
    found = [(material.outcome(digest, row), material.outcome(material.student, row)) for row in dev]
    pairs = [(one.score, other.score) for one, other in found if one is not None and other is not None]
    if not pairs:
        return f"{digest[:12]}, not run"
    mean, student = (points(fraction(fmean(side), material.score_range)) for side in zip(*pairs, strict=True))
    return f"{digest[:12]}, {many(len(pairs), 'row')}: {mean}, the student {student}"
