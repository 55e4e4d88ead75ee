"""Where the finalist comes from: its ancestors with what each changed, and how its search went about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...signatures.canonical import JSON
from .html import Html, section, tag
from .material import Candidate, Material, Scored
from .numbers import many
from .prompts_section import changed
from .searches import pictures
from .searches.parts import score_of


def lineage_section(material: Material) -> Html:
    line = list(ancestors(material))
    if not line:
        return section("lineage", "Lineage", tag("p", "No candidate was scored."), *pictures(material))
    steps = [_step(one, line[place - 1] if place else None, material) for place, one in enumerate(line)]
    told = tag("p", "From the student to the finalist, each with what it changed in the one before.", class_="quiet")
    return section("lineage", "Lineage", told, tag("ol", steps, class_="lineage"), *pictures(material))


def ancestors(material: Material) -> Iterator[Scored]:
    """The records from the first ancestor of the finalist to the finalist itself; the student always begins."""
    line: list[Scored] = []
    record = material.record_of.get(material.finalist)
    while record is not None and record not in line:
        line.append(record)
        record = next((known for parent in record.parents if (known := material.record_of.get(parent))), None)
    student = material.record_of.get(material.student)
    if line and student is not None and student not in line:
        line.append(student)
    yield from reversed(line)


def move_of(record: Scored) -> str:
    """Which search and move it comes from, with what can be said of it in a word or a number."""
    detail = {name: value for name, value in record.detail.items() if (name, value) != ("predictor", "self")}
    plain = {name: value for name, value in detail.items() if isinstance(value, str | int | float)}
    said = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in plain.items() if len(str(value)) <= 40)
    return f"{record.teleprompter}, {record.move}" + (f" ({said})" if said else "")


def _step(one: Scored, before: Scored | None, material: Material) -> Html:
    marks = [tag("span", "finalist", class_="mark winner")] if one.candidate == material.finalist else []
    marks += [tag("span", "student", class_="mark")] if one.candidate == material.student else []
    facts = tag("div", tag("span", "dev ", score_of(one.candidate, material)), marks, class_="row")
    calls = f", after {many(one.spent.calls, 'call')}" if one.spent.calls else ""
    head = tag("p", tag("strong", f"#{one.number}"), f" {move_of(one)}{calls}")
    said = material.candidates.get(one.candidate)
    old = None if before is None else material.candidates.get(before.candidate)
    return tag("li", head, facts, _texts(old, said), _reasons(one.detail))


def _texts(old: Candidate | None, new: Candidate | None) -> Iterator[Html]:
    if new is None:
        return
    for path, words in new.items():
        known = None if old is None else old.get(path)
        if known is None:
            yield tag("div", words.instruction, class_="prompt")
        elif known.instruction != words.instruction:
            yield tag("div", changed(known.instruction, words.instruction), class_="prompt")
        yield from _others(path, known, words, is_alone=len(new) == 1)


def _others(path: str, old: object, new: object, *, is_alone: bool) -> Iterator[Html]:
    """What else changed beside the instruction."""
    if old is None:
        return
    names = ("demos", "format", "position", "rule", "settings")
    different = [name for name in names if getattr(old, name) != getattr(new, name)]
    where = "" if is_alone else f"{path}: "
    for name in different:
        if name == "demos":
            said = _exchanged(getattr(old, name), getattr(new, name))
            yield tag("p", f"{where}demonstrations: {said}", class_="quiet")
        else:
            yield tag("p", f"{where}{name}: {getattr(old, name)} before, {getattr(new, name)} now", class_="quiet")


def _exchanged(old: Sequence[Mapping[str, JSON]], new: Sequence[Mapping[str, JSON]]) -> str:
    """What became of the demonstrations: "3 new, 1 left out, 4 in all"."""
    added, gone = sum(demo not in old for demo in new), sum(demo not in new for demo in old)
    if not added and not gone:
        return f"the same {len(new):,} in another order"
    said = [f"{added:,} new"] if added else []
    said += [f"{gone:,} left out"] if gone else []
    return ", ".join([*said, f"{len(new):,} in all"])


def _reasons(detail: Mapping[str, JSON]) -> Sequence[Html]:
    reasons = [detail[name] for name in ("reason", "feedback", "gradient") if isinstance(detail.get(name), str)]
    reasons += [one for one in detail.get("reasons", []) if isinstance(one, str)]
    return [tag("blockquote", reason) for reason in reasons if reason]
