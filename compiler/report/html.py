"""Markup: text is escaped wherever it is put into an element, so that nothing in a run can become part of the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TypeAlias

Content: TypeAlias = "Html | str | int | Iterable[Content] | None"

_ALONE = frozenset({"meta", "input", "br", "hr", "line", "rect", "circle", "path"})


class Html(str):
    """Markup that is put into other markup as it is."""


def tag(name: str, *inside: Content, **attributes: str | int | float | bool | None) -> Html:
    """An element. Of an attribute's name a trailing underscore is dropped, others become hyphens: aria_label."""
    written = "".join(_attribute(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
    if name in _ALONE and not inside:
        return Html(f"<{name}{written}>" if name in ("meta", "input", "br", "hr") else f"<{name}{written}/>")
    return Html(f"<{name}{written}>{join(inside)}</{name}>")


def join(inside: Content) -> Html:
    """One piece of markup; plain text in it is escaped."""
    if inside is None:
        return Html("")
    if isinstance(inside, Html):
        return inside
    if isinstance(inside, str | int):
        return Html(escape(str(inside), quote=False))
    return Html("".join(join(one) for one in inside))


def table(
    head: Sequence[Content],
    rows: Iterable[Sequence[Content]],
    *,
    caption: str,
    numbers: Iterable[int] = (),
    is_text: bool = False,
) -> Html:
    """A table whose first column names its rows. numbers: the columns that are set flush right. is_text: its cells are
    sentences, which a narrow screen shows below each other."""
    right = set(numbers)

    def kind(column: int) -> str | None:
        return "number" if column in right else None

    heads = [tag("th", cell, scope="col", class_=kind(column)) for column, cell in enumerate(head)]
    body = []
    for first, *others in rows:
        cells = [tag("td", cell, class_=kind(column)) for column, cell in enumerate(others, 1)]
        body.append(tag("tr", tag("th", first, scope="row"), cells))
    inside = (tag("caption", caption), tag("thead", tag("tr", heads)), tag("tbody", body))
    drawn = tag("table", *inside, class_="cards texts" if is_text else None)
    return tag("div", drawn, class_="scrolls", tabindex=0, role="region", aria_label=caption)


def section(name: str, title: str, *inside: Content) -> Html:
    heading = tag("h2", title, id_=f"{name}-title")
    return tag("section", heading, *inside, id_=name, aria_labelledby=f"{name}-title")


def opens(summary: Content, *inside: Content, is_open: bool = False, class_: str | None = None) -> Html:
    """What is shown when its summary is activated, without any script."""
    return tag("details", tag("summary", summary), *inside, open_=is_open, class_=class_)


def _attribute(name: str, value: str | int | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(str(value), quote=True)}"'
