"""Differences between two compiled files as lines for a terminal, with and without colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from ...signatures.canonical import JSON
from ..show import compact, demo_text, field_text, predictor_lines, printable, short
from .diff import Difference, Piece

RED, GREEN, BOLD, PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[1m", "\x1b[0m"
AROUND = 1  # lines of a text that are shown before and after a line that changed


def diff_text(found: Sequence[Difference], color: bool = False) -> str:
    """Differences for a person; "No differences." where there are none.

    Removed words stand as [-word-], added ones as {+word+}; with colour red and struck out, and green. Control
    characters of the files are spelled out: they do not reach the terminal.
    """
    if not found:
        return "No differences.\n"
    lines: list[str] = []
    for where, group in groupby(found, key=lambda one: one.where):
        if where:
            lines.append(_paint(BOLD, f"predictor {printable(where)}", color))
        for one in group:
            lines += [f"  {line}" if where else line for line in _lines(one, color)]
    return "\n".join(lines) + "\n"


def brief_text(found: Sequence[Difference], color: bool = False) -> str:
    """What changes how the program answers or what is claimed for it, and one line that names what else differs."""
    told = [one for one in found if not one.is_background]
    if len(told) == len(found):
        return diff_text(found, color)
    text = diff_text(told, color) if told else "No difference in what is asked or what was measured.\n"
    return f"{text}{_others([one for one in found if one.is_background])}\n"


def _others(background: Sequence[Difference]) -> str:
    """ "provenance (seed, versions)": the parts that differ, without their values."""
    parts: dict[str, dict[str, None]] = {}
    for one in background:
        kind, _, name = ("finalist", "", "") if one.where else one.part.partition(".")
        parts.setdefault(kind, {})
        if name:
            parts[kind][name.split(".")[0]] = None
    said = [printable(f"{kind} ({', '.join(names)})" if names else kind) for kind, names in parts.items()]
    return f"also different, see --all: {', '.join(said)}"


def _lines(one: Difference, color: bool) -> Iterator[str]:
    if one.part == "predictor":
        yield from _whole_predictor(one, color)
    elif one.part == "demonstration":
        yield from _demonstration(one, color)
    elif one.words:
        yield f"{one.part}:"
        yield from (f"  {line}" for line in _words(one.words, color))
    elif one.old is None and one.new is None:
        yield f"{one.part}: changed"
    elif one.part == "finalist" or (one.part.startswith("evidence.") and isinstance(one.old or one.new, list)):
        yield f"{one.part}: {one.change}"
    else:
        yield f"{one.part}: {_paint(RED, _value(one.old), color)} -> {_paint(GREEN, _value(one.new), color)}"


def _whole_predictor(one: Difference, color: bool) -> Iterator[str]:
    if one.change == "removed":
        yield _paint(RED, "- removed", color)
        return
    yield _paint(GREEN, "+ added", color)
    yield from (_paint(GREEN, f"  {printable(line)}", color) for line in predictor_lines(one.where, one.new)[1:])


def _demonstration(one: Difference, color: bool) -> Iterator[str]:
    assert one.places is not None
    before, after = one.places
    if one.change == "removed":
        yield _paint(RED, printable(f"- demonstration {before}: {demo_text(one.old)}"), color)
    elif one.change == "added":
        yield _paint(GREEN, printable(f"+ demonstration {after}: {demo_text(one.new)}"), color)
    elif one.change == "moved":
        yield printable(f"~ demonstration {before} -> {after}: {demo_text(one.new)}")
    else:
        moved = "" if before == after else f" -> {after}"
        yield printable(f"~ demonstration {before}{moved}: {demo_text(one.old)}")
        for name in {**one.old["values"], **one.new["values"]}:
            values = [demo["values"].get(name) for demo in (one.old, one.new)]
            if values[0] != values[1]:
                red, green = (_paint(c, printable(short(v)), color) for c, v in zip((RED, GREEN), values, strict=True))
                yield f"    {printable(name)}: {red} -> {green}"
        for name in ("kind", "note"):
            if one.old[name] != one.new[name]:
                yield f"    {name}: {_value(one.old[name])} -> {_value(one.new[name])}"


def _words(pieces: Sequence[Piece], color: bool) -> Iterator[str]:
    """The text's lines that changed, with a few around them; "..." for those between."""
    signs = {"same": ("", ""), "removed": ("[-", "-]"), "added": ("{+", "+}")}
    codes = {"same": "", "removed": "\x1b[9;31m", "added": GREEN}
    lines, changed = [""], [False]
    for kind, text in pieces:
        start, end = ("", "") if color else signs[kind]
        parts = text.split("\n")
        for number, part in enumerate(parts):
            if number:
                lines.append("")
                changed.append(False)
            painted = _paint(codes[kind], printable(part), color and part != "" and kind != "same")
            lines[-1] += (start if number == 0 else "") + painted + (end if number == len(parts) - 1 else "")
            changed[-1] |= kind != "same"
    skipped = False
    for number, line in enumerate(lines):
        if any(changed[max(0, number - AROUND) : number + AROUND + 1]):
            yield line
            skipped = False
        elif not skipped:
            yield "..."
            skipped = True


def _value(value: JSON) -> str:
    if value is None:
        return "none"
    if isinstance(value, dict) and "json_schema" in value:
        return printable(f"{field_text(value)} {short(value['json_schema'])}")
    return printable(value if isinstance(value, str) else compact(value))


def _paint(code: str, text: str, color: bool) -> str:
    return f"{code}{text}{PLAIN}" if color else text
