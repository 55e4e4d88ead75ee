"""Where the money went, and what the plan had said before the first call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...signatures.canonical import JSON
from ...teleprompters.base import Spend
from .html import Html, opens, section, table, tag
from .material import Material
from .numbers import count, dollars, duration, spend_of

_ACCOUNTS = {"search": "search", "final": "final comparison", "faults": "attempts that may have been billed in vain"}
_SHARES = {"search": "search", "final": "final comparison", "faults": "faults"}
STUDENT = "running the student"


def money_section(material: Material) -> Html:
    return section("money", "Money", *_sum(material), *_accounts(material), *_purposes(material), *_forecast(material))


def accounts(material: Material) -> dict[str, Spend]:
    """What each account has spent; empty where nothing tells."""
    found = material.run.get("accounts") or material.evidence.get("spent", {})
    return {name: spend_of(spent) for name, spent in found.items()}


def _sum(material: Material) -> Iterator[Html]:
    """How much of the budget is spent, and on which account."""
    spent = accounts(material)
    if not spent:
        yield tag("p", "What was spent is written down when a run ends.")
        return
    total = sum(spent.values(), Spend())
    limits = material.provenance.get("budget", {})
    said = []
    for unit, used in (("calls", count(total.calls)), ("tokens", count(total.tokens)), ("usd", dollars(total.usd))):
        named = "dollars" if unit == "usd" else unit
        if limits.get(unit) is not None:
            said.append(f"{used} of {limits[unit]:,} {named}")
        elif unit != "usd" or total.usd:
            said.append(f"{used} {named}")
    unit = "usd" if total.usd else "calls"
    shares = [
        f"{100 * getattr(one, unit) / getattr(total, unit):.0f} % for the {_SHARES[name]}"
        for name, one in spent.items()
        if getattr(one, unit)
    ]
    time = "" if material.seconds is None else f" The run took {duration(material.seconds)}."
    yield tag("p", f"{'; '.join((', '.join(said), *shares))}.{time}")


def _accounts(material: Material) -> Iterator[Html]:
    spent = accounts(material)
    if not spent:
        return
    has_price = any(one.usd for one in spent.values())
    total = sum(spent.values(), Spend())
    rows = [_row(_ACCOUNTS.get(name, name), one, has_price) for name, one in spent.items()]
    rows.append(_row("total", total, has_price))
    yield table(_head("account", has_price), rows, caption="Spent, by account", numbers=range(1, 4))
    if not has_price:
        yield tag("p", "No price is known for these models, so there are no dollars.", class_="quiet")


def _head(first: str, has_price: bool) -> Sequence[str]:
    return (first, "calls", "tokens", *(("dollars",) if has_price else ()))


def _row(name: str, spend: Spend, has_price: bool) -> Sequence[str]:
    return (name, count(spend.calls), count(spend.tokens), *((dollars(spend.usd),) if has_price else ()))


def purposes(material: Material) -> list[tuple[str, Spend]]:
    """What the search spent on what, the dearest first; what nobody noted is the rest."""
    named = [(one.name, one.spend) for one in material.purposes]
    search = accounts(material).get("search")
    if search is not None and named:
        noted = sum((spend for _, spend in named), Spend())
        left = Spend(search.calls - noted.calls, search.tokens - noted.tokens, search.usd - noted.usd)
        if left.calls > 0:
            named.append(("other calls", left))
    return named


def _purposes(material: Material) -> Iterator[Html]:
    named = purposes(material)
    if not named:
        return
    has_price = any(spend.usd for _, spend in named)
    most = max(1, max(spend.calls for _, spend in named))
    rows = []
    for name, spend in named:
        first, *others = _row(name, spend, has_price)
        drawn = tag("span", tag("i", style=f"width:{100 * spend.calls / most:.1f}%"), class_="bar", aria_hidden="true")
        rows.append((tag("span", drawn, first, class_="score wide"), *others))
    yield table(_head("what for", has_price), rows, caption="What the search spent it on", numbers=range(1, 4))


def forecast(material: Material) -> list[tuple[Mapping[str, JSON], Spend | None]]:
    """Each part of the plan with what it took; None where that is not known."""
    parts = material.run.get("plan", {}).get("parts", [])
    spent = accounts(material)
    if not spent or len(parts) != 5:
        return [(part, None) for part in parts]
    student = next((one.spend for one in material.purposes if one.name == STUDENT), Spend())
    search, final, faults = (spent.get(name, Spend()) for name in _ACCOUNTS)
    others = Spend(search.calls - student.calls, search.tokens - student.tokens, search.usd - student.usd)
    return list(zip(parts, (student, others, final, faults, search + final + faults), strict=True))


def _forecast(material: Material) -> Iterator[Html]:
    parts = forecast(material)
    if not parts:
        return
    rows = []
    for part, spend in parts:
        expected, most = part["expected"], part["at_most"]
        took = ("", "") if spend is None else (count(spend.calls), count(spend.tokens))
        calls = (count(expected["calls"]), took[0], count(most["calls"]))
        rows.append((part["part"], *calls, count(expected["tokens"]), took[1], count(most["tokens"])))
    head = ("part", "calls expected", "taken", "at most", "tokens expected", "taken", "at most")
    yield table(head, rows, caption="The forecast and what it took", numbers=range(1, 7))
    plan = material.run["plan"]
    notes = tag("ul", [tag("li", note) for note in plan["notes"]], class_="notes")
    yield opens("what the plan said before the first call", tag("p", plan["title"]), notes)
