"""The program before and after the search, predictor by predictor, with what changed in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from ...signatures.canonical import JSON
from ..frozen.words import word_diff
from .html import Html, join, opens, section, tag
from .material import Material, Words
from .numbers import many

_PLACES = {
    "system": "in the system message",
    "before_question": "before the question",
    "question_begin": "where the question begins",
    "question_end": "where the question ends",
    "answer_begin": "where the answer begins",
}
_HELD = {
    "student": "The file holds the text before the change.",
    "finalist": "The file holds the text after the change.",
}
_SHOWN_AS = {"same": None, "removed": "del", "added": "ins"}


def prompts_section(material: Material) -> Html:
    before = material.candidates.get(material.student)
    after = material.candidates.get(material.finalist)
    title = "Program"
    if before is None and after is None:
        return section("program", title, tag("p", "The run has not noted what its candidates say."))
    if before is None or after is None or before == after:
        told = _alone(material, has_found=after is not None and before is None)
        shown = after or before or {}
        return section("program", title, tag("p", told), [_predictor(path, None, new) for path, new in shown.items()])
    held = f" {_HELD[material.holds]}" if material.holds else ""
    key = (tag("del", "removed"), " and ", tag("ins", "added"), " words, from the student to the finalist.", held)
    return section("program", title, tag("p", key), [_predictor(path, before[path], after[path]) for path in after])


def _alone(material: Material, *, has_found: bool) -> str:
    if has_found:
        return "The prompts of the finalist. What the student said is not in this file."
    return "The prompts of the student: nothing better was found."


def _predictor(path: str, old: Words | None, new: Words) -> Html:
    title = "Instruction" if path == "self" else ("Predictor ", tag("code", path))
    shown = [tag("h3", title), _instruction(old, new), _settings(old, new)]
    return tag("article", shown, _demonstrations(old, new), class_="predictor")


def _instruction(old: Words | None, new: Words) -> Html:
    if old is None:
        return tag("div", new.instruction or "(no instruction)", class_="prompt")
    return tag("div", changed(old.instruction, new.instruction), class_="prompt")


def changed(old: str, new: str) -> Html:
    """The new text with what was removed and added in elements of their own."""
    pieces = []
    for kind, text in word_diff(old, new):
        name = _SHOWN_AS[kind]
        pieces.append(join(text) if name is None else tag(name, text))
    return Html("".join(pieces)) if pieces else join("(no instruction)")


def _settings(old: Words | None, new: Words) -> Html:
    facts = {"format": new.format, "instruction stands": _stands(new), "demonstrations": _shown(new)}
    before = {} if old is None else {"format": old.format, "instruction stands": _stands(old)}
    before |= {} if old is None else {"demonstrations": _shown(old)}
    params = new.settings.get("params", {})
    if params or (old is not None and old.settings.get("params", {})):
        facts["sampling"] = _compact(params)
        before |= {} if old is None else {"sampling": _compact(old.settings.get("params", {}))}
    said = []
    for name, value in facts.items():
        was = before.get(name, value)
        cell = (tag("del", was), " ", tag("ins", value)) if was != value else value
        said.append(tag("div", tag("dt", name), tag("dd", cell)))
    return tag("dl", said, class_="facts")


def _stands(words: Words) -> str:
    return _PLACES.get(words.position, words.position.replace("_", " "))


def _shown(words: Words) -> str:
    if not words.demos:
        return "none"
    if words.rule is None:
        return f"{len(words.demos)}, all in this order"
    rule = words.rule
    return (
        f"{rule['k']} of {len(words.demos)} picked per query by {rule['selector']}, {rule['order'].replace('_', ' ')}"
    )


def _demonstrations(old: Words | None, new: Words) -> Iterator[Html]:
    known = [] if old is None else list(old.demos)
    gone = [demo for demo in known if demo not in new.demos]
    if new.demos:
        items = [_demo(demo, "new" if old is not None and demo not in known else "") for demo in new.demos]
        yield opens(many(len(new.demos), "demonstration"), tag("ol", items, class_="demos"), is_open=len(new.demos) < 5)
    if gone:
        items = [_demo(demo, "removed") for demo in gone]
        yield opens(f"{many(len(gone), 'demonstration')} of the student left out", tag("ol", items, class_="demos"))


def _demo(demo: Mapping[str, JSON], mark: str) -> Html:
    badges = [tag("span", mark, class_=f"mark {mark}")] if mark else []
    badges += [tag("span", demo["kind"], class_="mark")] if demo["kind"] != "worked" else []
    note = [tag("p", demo["note"], class_="quiet")] if demo["note"] else []
    return tag("li", badges, values(demo["values"]), note)


def values(fields: Mapping[str, JSON]) -> Html:
    """Fields by name, with long texts as they stand."""
    return tag(
        "dl",
        [tag("div", tag("dt", name), tag("dd", text_of(value))) for name, value in fields.items()],
        class_="fields",
    )


def text_of(value: JSON) -> str:
    return value if isinstance(value, str) else _compact(value)


def _compact(value: JSON | Sequence[JSON]) -> str:
    if isinstance(value, Mapping) and value and all(not isinstance(one, Mapping | list) for one in value.values()):
        return ", ".join(f"{name} {one}" for name, one in value.items())
    return "none" if value in ({}, []) else json.dumps(value, ensure_ascii=False)
