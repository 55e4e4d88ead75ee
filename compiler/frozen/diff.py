"""What changed from one compiled file to another: for a person, and as data."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ...signatures.canonical import JSON
from .document import verdict_of
from .words import Piece as Piece
from .words import marked
from .words import word_diff as word_diff

Change: TypeAlias = Literal["added", "removed", "moved", "changed"]

_TEXTS = {"head": "text before", "demos": "text of the demonstrations", "tail": "text that asks"}
_FINALIST = "finalist: "  # before the paths of the one that is kept beside what runs
# Of the evidence, what tells two compiles apart at a glance; all else is only said to have changed.
_TOLD = ("candidates", "dev", "failures", "rows", "spent", "unusable")
# What changes neither what is asked nor what is claimed for it: how the file came about.
_ABOUT = ("finalist", "model of the finalist", "provenance.", "evidence.")
_CLAIMED = ("evidence.dev", "evidence.rows", "evidence.unusable")


@dataclass(frozen=True)
class Difference:
    """One thing that changed.

    where: the predictor's path; "" for the program as a whole. part: "instruction", "demonstration", "temperature",
    "model", "verdict", ... old, new: its values, None on the side that lacks it. places: of a demonstration, counted
    from 1, in the old and the new list, None likewise. words: of texts, which words changed.
    """

    part: str
    change: Change
    old: JSON = None
    new: JSON = None
    where: str = ""
    places: tuple[int | None, int | None] | None = None
    words: tuple[Piece, ...] = ()

    @property
    def is_background(self) -> bool:
        """Whether it changes neither what is asked nor what is claimed for it, but how the file came about."""
        if self.where:
            return self.where.startswith(_FINALIST)
        is_claimed = self.part.startswith(_CLAIMED) or self.part == "provenance.metric"
        return self.part.startswith(_ABOUT) and not is_claimed

    def to_json(self) -> dict[str, JSON]:
        kept: dict[str, JSON] = {"where": self.where, "part": self.part, "change": self.change}
        kept |= {"old": self.old, "new": self.new}
        if self.places is not None:
            kept["places"] = list(self.places)
        if self.words:
            kept["words"] = [list(piece) for piece in self.words]
        return kept


def differences(old: Mapping[str, JSON], new: Mapping[str, JSON]) -> list[Difference]:
    """All that differs between two documents, what is asked first and how it was found last; empty when they are equal.

    old, new: checked documents (`read_document`). Raises FrozenError on a verdict that this version cannot read.
    """
    found = [
        *_plain("verdict", str(verdict_of(old)), str(verdict_of(new))),
        *_plain("prompts", old["holds"], new["holds"]),
        *_plain("kind", old["kind"], new["kind"]),
        *_plain("model", _model(old["lm"]), _model(new["lm"])),
        *_pipelines(old["pipeline"], new["pipeline"]),
        *_predictors(old["predictors"], new["predictors"], ""),
        *_finalists(old["finalist"], new["finalist"]),
        *_evidence(old["evidence"], new["evidence"]),
        *_leaves("provenance", old["provenance"], new["provenance"]),
    ]
    if not found and old["digest"] != new["digest"]:
        rest = [name for name in old if name != "digest" and old[name] != new.get(name)]
        found = [Difference(name, "changed", "", "") for name in rest]
    return found


def _plain(part: str, old: JSON, new: JSON, where: str = "") -> Iterator[Difference]:
    if old != new or type(old) is not type(new):
        change: Change = "added" if old is None else "removed" if new is None else "changed"
        yield Difference(part, change, old, new, where)


def _text(part: str, old: str, new: str, where: str) -> Iterator[Difference]:
    if old != new:
        yield Difference(part, "changed", old, new, where, words=tuple(word_diff(old, new)))


def _model(lm: Mapping[str, JSON]) -> dict[str, JSON]:
    return {name: value for name, value in lm.items() if name != "params"}  # those are in each predictor's settings


def _pipelines(old: JSON, new: JSON) -> Iterator[Difference]:
    before, after = ([] if spec is None else [step["name"] for step in spec["steps"]] for spec in (old, new))
    yield from _plain("steps", before, after)
    if before == after and old != new:
        yield Difference("wiring of the steps", "changed", old, new)


def _predictors(old: Mapping[str, JSON], new: Mapping[str, JSON], prefix: str) -> Iterator[Difference]:
    for path in [*old, *(path for path in new if path not in old)]:
        where = prefix + path
        if path not in new:
            yield Difference("predictor", "removed", old=old[path], where=where)
        elif path not in old:
            yield Difference("predictor", "added", new=new[path], where=where)
        else:
            yield from _predictor(old[path], new[path], where)


def _finalists(old: JSON, new: JSON) -> Iterator[Difference]:
    if old is None or new is None:
        yield from _plain("finalist", old, new)
    else:
        if old.get("lm") != new.get("lm"):
            yield from _plain("model of the finalist", old.get("lm"), new.get("lm"))
        yield from _predictors(old["predictors"], new["predictors"], _FINALIST)


def _predictor(old: Mapping[str, JSON], new: Mapping[str, JSON], where: str) -> Iterator[Difference]:
    before, after = old["source"], new["source"]
    was, now = old["template"], new["template"]
    yield from _text("instruction", before["instruction"], after["instruction"], where)
    yield from _plain("format", old["grammar"]["format"], new["grammar"]["format"], where)
    yield from _plain("position", before["position"], after["position"], where)
    yield from _plain("rule", was["rule"], now["rule"], where)
    yield from _demonstrations(before["demos"], after["demos"], _names(was["schema"], "inputs"), where)
    if before["demos"] == after["demos"] and was.get("demo_vectors") != now.get("demo_vectors"):
        yield Difference("vectors of the demonstrations", "changed", where=where)
    yield from _settings(old["settings"], new["settings"], where)
    for side in ("inputs", "outputs"):
        yield from _fields(side[:-1], was["schema"][side], now["schema"][side], where)
    # Where what the prompt is made of is the same, its text may still differ: another version wrote it, or a hand did.
    if (before, old["grammar"], old["settings"], was["rule"]) == (after, new["grammar"], new["settings"], now["rule"]):
        for name, part in _TEXTS.items():
            yield from _text(part, _rendered(was[name]), _rendered(now[name]), where)
        yield from _plain("schema of the reply", was["response_schema"], now["response_schema"], where)


def _settings(old: Mapping[str, JSON], new: Mapping[str, JSON], where: str) -> Iterator[Difference]:
    for name in sorted({**old["params"], **new["params"]}):
        yield from _plain(name, old["params"].get(name), new["params"].get(name), where)
    yield from _plain("reply policy", old["reply_policy"], new["reply_policy"], where)
    yield from _plain("role", old["role"], new["role"], where)


def _names(schema: Mapping[str, JSON], side: str) -> list[str]:
    return [field["name"] for field in schema[side]]


def _fields(side: str, old: Sequence[JSON], new: Sequence[JSON], where: str) -> Iterator[Difference]:
    before, after = ({field["name"]: field for field in fields} for fields in (old, new))
    for name in {**before, **after}:
        yield from _plain(f"{side} {name}", before.get(name), after.get(name), where)
    if before == after and list(before) != list(after):
        yield Difference(f"order of the {side}s", "changed", list(before), list(after), where)


def _rendered(messages: Sequence[JSON]) -> str:
    """Messages, or lists of them, as one text, with each slot as {name}."""
    if messages and isinstance(messages[0], list):
        return "\n\n".join(_rendered(group) for group in messages)
    return "\n\n".join(
        f"{message['role']}: {''.join(_part(part) for part in message['parts'])}" for message in messages
    )


def _part(part: JSON) -> str:
    return part if isinstance(part, str) else f"{part['before']}{{{part['slot']}}}{part['after']}"


def _demonstrations(
    old: Sequence[JSON], new: Sequence[JSON], inputs: Sequence[str], where: str
) -> Iterator[Difference]:
    before, after = _numbered(old), _numbered(new)
    gone = [place for place, demo in enumerate(before) if demo not in after]
    come = [place for place, demo in enumerate(after) if demo not in before]
    changed: dict[int, int] = {}  # new place by old place: the same inputs with another answer, note or kind
    for place in gone:
        asked = [old[place]["values"].get(name) for name in inputs]
        same = [p for p in come if p not in changed.values() and [new[p]["values"].get(n) for n in inputs] == asked]
        if same and any(value is not None for value in asked):
            changed[place] = same[0]
    for a in gone:
        if a not in changed:
            yield Difference("demonstration", "removed", old=old[a], where=where, places=(a + 1, None))
    for a, b in changed.items():
        yield Difference("demonstration", "changed", old[a], new[b], where, (a + 1, b + 1))
    moved = _moved([before.index(demo) for demo in after if demo in before])
    for b, demo in enumerate(after):
        if b in come:
            if b not in changed.values():
                yield Difference("demonstration", "added", new=new[b], where=where, places=(None, b + 1))
        elif (a := before.index(demo)) in moved:
            yield Difference("demonstration", "moved", old[a], new[b], where, (a + 1, b + 1))


def _numbered(demos: Sequence[JSON]) -> list[tuple[str, int]]:
    """Each demonstration as a key, so that equal ones are told apart by which of them they are."""
    seen: Counter[str] = Counter()
    keys = []
    for demo in demos:
        key = repr(demo)
        keys.append((key, seen[key]))
        seen[key] += 1
    return keys


def _moved(places: Sequence[int]) -> set[int]:
    """The places that break the order: all but a longest increasing run of them."""
    tails: list[int] = []  # the smallest end of an increasing run of each length
    before: dict[int, int | None] = {}
    for place in places:
        length = bisect_left(tails, place)
        before[place] = tails[length - 1] if length else None
        tails[length : length + 1] = [place]
    kept: set[int] = set()
    last = tails[-1] if tails else None
    while last is not None:
        kept.add(last)
        last = before[last]
    return set(places) - kept


def _evidence(old: Mapping[str, JSON], new: Mapping[str, JSON]) -> Iterator[Difference]:
    for name in sorted({**old, **new}):
        if name in _TOLD:
            yield from _leaves(f"evidence.{name}", old.get(name), new.get(name))
        elif old.get(name) != new.get(name):
            yield Difference(f"evidence.{name}", "changed", old.get(name), new.get(name))


def _leaves(name: str, old: JSON, new: JSON) -> Iterator[Difference]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({**old, **new}):
            yield from _leaves(f"{name}.{key}", old.get(key), new.get(key))
    else:
        yield from _plain(name, old, new)


__all__ = ["Change", "Difference", "Piece", "differences", "marked", "word_diff"]
