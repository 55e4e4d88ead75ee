"""What the pictures of several searches are made of."""

from __future__ import annotations

from collections.abc import Iterator

from ....signatures.canonical import JSON
from ...score_range import fraction
from ..html import Content, Html, opens, tag
from ..material import Material
from ..numbers import points

LONG = 360  # characters of an instruction in a drawing before it is shortened
MOST = 400  # nodes or steps drawn; what lies beyond is in the table of candidates


def documents(material: Material, name: str) -> Iterator[tuple[str, JSON]]:
    """Documents of a kind that the search kept, with what tells one from the other: predictor, arm of a joint search.

    A search over several predictors adds the predictor to the name, a joint one puts its arm before it.
    """
    for full, document in material.kept.items():
        if name in full and document:
            arm, _, predictor = full.partition(name)
            told = ", ".join(part.strip("_") for part in (arm, predictor) if part.strip("_"))
            yield (f" ({told})" if told else ""), document


def bar(value: float, of: Material) -> Html:
    """A score as a number and as a bar."""
    share = max(0.0, min(1.0, fraction(value, of.score_range)))
    drawn = tag("i", style=f"width:{100 * share:.1f}%")
    return tag("span", tag("span", drawn, class_="bar", aria_hidden="true"), points(share), class_="score")


def score_of(candidate: str, of: Material) -> Html | None:
    """The candidate's score on dev, where it has one."""
    record = of.record_of.get(candidate)
    return None if record is None else bar(record.mean, of)


def text(said: str, *, is_winner: bool = False) -> Html:
    return tag("p", said or "(empty)", class_="said winner" if is_winner else "said")


def shortened(said: str) -> Content:
    """A text of which the first words are shown, and all of it where that is asked for."""
    if len(said) <= LONG:
        return text(said)
    cut = " ".join(said.split())[: LONG - 120].rsplit(" ", 1)[0]
    return opens(tag("span", f"{cut} …", class_="said"), text(said))


def picture(title: str, explained: Content, *inside: Content) -> Html:
    return tag("div", tag("h3", title), tag("p", explained, class_="quiet"), *inside, class_="picture")


def rest(all_of_them: int, what: str) -> list[Html]:
    """A sentence on what is not drawn."""
    left = all_of_them - MOST
    return [tag("p", f"{left:,} more {what} are not drawn.", class_="quiet")] if left > 0 else []
