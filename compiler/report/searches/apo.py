"""APO: the beam, round by round; what was made of it and why, and what stayed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ....signatures.canonical import JSON
from ..html import Html, opens, tag
from ..material import Material
from ..numbers import many
from .parts import MOST, documents, picture, rest, score_of, shortened, text

_EXPLAINED = "Each round makes successors of the beam's instructions; the best of both are the next beam."


def pictures(material: Material) -> Iterator[Html]:
    for told, rounds in documents(material, "apo_rounds"):
        drawn = [_round(number, one, material) for number, one in enumerate(rounds[:MOST], 1)]
        yield picture(f"The beam{told}", _EXPLAINED, tag("ol", drawn, class_="rounds"), *rest(len(rounds), "rounds"))


def _round(number: int, one: Mapping[str, JSON], material: Material) -> Html:
    beam, made = one["beam"], one["successors"]
    new = {successor["instruction"] for successor in made}
    stays = [text(said, is_winner=said in new) for said in beam]
    successors = [_successor(successor, successor["instruction"] in beam, material) for successor in made]
    came = sum(said in new for said in beam)
    summary = f"Round {number}: {many(len(one['expanded']), 'instruction')} expanded, {many(len(made), 'successor')}, "
    summary += f"{came} of them in the beam of {len(beam)}"
    parents = opens("what was expanded", [text(said) for said in one["expanded"]])
    kept = tag("div", tag("h5", "the beam after it, best first"), stays, class_="beam")
    return tag("li", opens(summary, tag("ul", successors, class_="successors"), kept, parents, is_open=number <= 3))


def _successor(one: Mapping[str, JSON], has_stayed: bool, material: Material) -> Html:
    badges = [tag("span", one["move"], class_="mark")]
    badges += [tag("span", "stayed", class_="mark winner")] if has_stayed else []
    badges += [tag("span", "finalist", class_="mark winner")] if one["candidate"] == material.finalist else []
    on_dev = score_of(one["candidate"], material)
    score = [tag("span", "dev ", on_dev)] if on_dev else []
    why = [opens("why: the gradient", text(one["reason"]))] if one["reason"] else []
    return tag("li", shortened(one["instruction"]), tag("div", badges, score, class_="row"), why)
