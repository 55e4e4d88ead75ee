"""What was turned down, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from .html import Html, opens, section, table, tag
from .material import Material
from .numbers import many

MOST = 200  # listed in the page's own text; scripts show all of them
_QUIET = {
    "reply dropped": "replies of the optimizer LM with no instruction in them",
    "reflection repeated": "reflections that said nothing new",
    "set left out": "sets of demonstrations left out",
    "parts that do not go together": "combinations of parts that do not go together",
}


def rejected_section(material: Material) -> Html:
    reasons = counted(material)
    inside: list[Html] = []
    if reasons:
        inside.append(tag("ul", [tag("li", f"{reason}: {number:,}") for reason, number in reasons], class_="notes"))
    if material.rejections:
        find = tag("label", "Find ", tag("input", type_="search", id_="rejected-find"))
        inside.append(tag("div", find, tag("span", id_="rejected-count", role="status"), class_="controls"))
        inside.append(tag("div", _table(material), id_="rejected-table"))
        inside.append(tag("div", id_="rejected-pages", class_="pages"))
    inside += _dropped(material)
    return section("rejected", "Rejected", inside or tag("p", "Nothing was turned down."))


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
    return table(("reason", "in words", "proposal"), rows, caption="Proposals that guard rails turned down", numbers=())


def _dropped(material: Material) -> Iterator[Html]:
    """Candidates that were begun and not scored on all of dev: others were better on the first rows, or money ended."""
    if not material.dropped:
        return
    items = []
    for digest in material.dropped[:MOST]:
        said = material.candidates.get(digest)
        if said is not None:
            words = [tag("p", f"{words.instruction}") for words in said.values()]
            shown = sum(len(one.demos) for one in said.values())
            told = f"{digest[:12]}" + (f", {many(shown, 'demonstration')}" if shown else "")
            items.append(tag("li", tag("span", told, class_="quiet"), words))
    summary = f"{many(len(material.dropped), 'candidate')} given up before all of dev was scored"
    why = "Others were better on the rows that were looked at first, or the budget ended."
    yield opens(summary, tag("p", why, class_="quiet"), tag("ul", items, class_="dropped"))
