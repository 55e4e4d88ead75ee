"""A compiled program for a person to read: what it says and what it brought."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..signatures.canonical import JSON
from ..signatures.errors import FrozenError
from ..signatures.rules.vectors import dimensions
from .frozen.checks import MALFORMED
from .frozen.document import verdict_of
from .one_answer import SAYS as ONE_ANSWER
from .score_range import Range, fraction, range_in

_STEERING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
WIDTH = 160  # of one value of a demonstration, before it is shortened


def show(document: Mapping[str, JSON]) -> str:
    """Verdict, what each part brought, each predictor's instruction, demonstrations and settings, and provenance."""
    lines = [*report_lines(document), *_notes(document["evidence"]), ""]
    lines.append(f"model: {model_text(document['lm'])}")
    for path, predictor in document["predictors"].items():
        lines += ["", *predictor_lines(path, predictor)]
    if document["finalist"] is not None:
        lines += ["", "Not shipped, kept beside it (compiled.finalist()):"]
        for path, predictor in document["finalist"]["predictors"].items():
            lines += ["", *predictor_lines(path, predictor)]
    lines += ["", "provenance:", *(f"  {line}" for line in _flat(_told(document["provenance"])))]
    lines.append(f"  digest: {document['digest']}")
    return printable("\n".join(lines) + "\n")


def report_lines(document: Mapping[str, JSON]) -> list[str]:
    """The verdict in one line, which prompts the file holds, and what each part brought on the rows of the search."""
    lines = [str(verdict_of(document)), f"prompts: the {document['holds']}'s"]
    try:
        return [*lines, *_evidence(document["evidence"])]
    except MALFORMED as error:
        raise FrozenError(
            f"The evidence of the file is not as this version of burnish writes it: {error!r}. "
            "Load it with the version that wrote it."
        ) from None


def _told(provenance: JSON) -> JSON:
    """Without the models of roles that are the task's own model again.

    provenance: anything, in a file that others have written.
    """
    models = provenance.get("models") if isinstance(provenance, dict) else None
    if not isinstance(models, dict):
        return provenance
    others = {role: lm for role, lm in models.items() if role == "task" or lm != models.get("task")}
    return {**provenance, "models": others}


def _notes(evidence: Mapping[str, JSON]) -> list[str]:
    """What the compile had to say of its rows and budget; what stands beside the verdict is not said again."""
    notes = [note for note in evidence.get("notes", []) if not note.startswith(ONE_ANSWER)]
    return ["notes:", *(f"  {note}" for note in notes)] if notes else []


def _evidence(evidence: Mapping[str, JSON]) -> list[str]:
    points = _Points(range_in(evidence))
    lines = [note for note in evidence.get("notes", []) if note.startswith(ONE_ANSWER)]
    parts = evidence.get("parts", [])
    if parts:
        lines.append("what each part brought (mean score on dev):")
        before: float | None = None
        for row in parts:
            mean = row["dev"]
            change = "" if before is None or mean is None else f"  {points.of_change(mean - before)}"
            lines.append(f"  {row['part']:<16}{points.of(mean):>10}{change}")
            before = mean if mean is not None else before
    lines += _joint(evidence.get("findings", {}).get("joint", {}), points)
    failed = evidence.get("unusable", {})
    if any(failed.values()):
        lines.append("replies that could not be used, which score 0: " + "; ".join(_counts(failed)))
    formats = evidence.get("formats", {})
    if len(formats) > 1:
        lines.append("the formats that were tried (best mean score on dev, without and with demonstrations):")
        lines += [
            f"  {name:<16}{points.of(best['without']):>12}{points.of(best['with']):>12}"
            for name, best in formats.items()
        ]
    front = evidence.get("front", [])
    if len(front) > 1:
        lines.append("accuracy against length (mean score on dev, about how many prompt tokens):")
        lines += [
            f"  {point['role'] or point['candidate'][:12]:<16}{points.of(point['dev']):>10}{point['tokens']:>10,}"
            for point in front
        ]
    lines += [f"found by: {_move(record)}" for record in evidence.get("lineage", [])[-1:] if record["number"] > 0]
    if passed_over := _passed_over(evidence.get("events", {})):
        lines.append(f"passed over: {passed_over}")
    spent = evidence.get("spent", {})
    if spent:
        calls = ", ".join(f"{name} {_many(account['calls'], 'call')}" for name, account in spent.items())
        lines.append(f"spent: {calls}")
    return lines


def _joint(findings: Mapping[str, JSON], points: _Points) -> list[str]:
    """What a joint search has to say: which part of which predictor brought what, and who had the calls."""
    lines = []
    if parts := findings.get("parts", []):
        lines.append("which part of which predictor brought what (mean score on dev without it):")
        for part in parts:
            change = "" if part["without"] is None else f"  {points.of_change(part['with'] - part['without'])}"
            name = f"{part['predictor']}: {part['kind']}"
            lines.append(f"  {name:<32}{points.of(part['without']):>12}{change}  by {part['source']}")
    if arms := findings.get("portfolio", []):
        lines.append("who had the calls of the search (calls, turns, what the best gained by them):")
        for arm in arms:
            gained = points.of_change(arm["gain"])
            lines.append(f"  {arm['arm']:<32}{arm['calls']:>8,}{arm['turns']:>5}{gained:>8}")
    if len(front := findings.get("front", [])) > 1:
        units = ", ".join(cost["unit"] for cost in findings["objectives"])
        lines.append(f"score against cost (mean score on dev, {units}):")
        for point in front:
            costs = "".join(f"{cost:>12g}" for cost in point["costs"])
            lines.append(f"  {point['candidate'][:12]:<16}{points.of(point['dev']):>10}{costs}")
    return lines


def _move(record: Mapping[str, JSON]) -> str:
    """Which search and move a candidate comes from, with what can be said of it in a word or a number."""
    plain = {name: value for name, value in record["detail"].items() if isinstance(value, str | int | float)}
    said = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in plain.items() if len(str(value)) <= 40)
    return f"{record['teleprompter']}, {record['move']}" + (f" ({said})" if said else "")


def _passed_over(events: Mapping[str, int]) -> str:
    """What cost no execution: instructions rejected, replies without any, reflections that said nothing new."""
    reasons = {name.removeprefix("rejected: "): n for name, n in events.items() if name.startswith("rejected: ")}
    said = [f"{_many(count, 'instruction')} ({reason})" for reason, count in reasons.items()]
    if dropped := events.get("reply dropped"):
        said.append(
            f"{dropped} {'reply' if dropped == 1 else 'replies'} with nothing in {'it' if dropped == 1 else 'them'}"
        )
    if repeated := events.get("reflection repeated"):
        said.append(_many(repeated, "repeated reflection"))
    return ", ".join(said)


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _counts(failed: Mapping[str, Mapping[str, int]]) -> list[str]:
    said = {who: ", ".join(f"{count} {kind}" for kind, count in kinds.items()) for who, kinds in failed.items()}
    return [f"{who}: {counts}" for who, counts in said.items() if counts]


class _Points:
    """Scores in points of 100. score_range: the metric's."""

    def __init__(self, score_range: Range) -> None:
        self._range = score_range

    def of(self, mean: float | None) -> str:
        return "not scored" if mean is None else f"{100 * fraction(mean, self._range):.1f}"

    def of_change(self, difference: float) -> str:
        low, high = self._range
        return f"{100 * difference / (high - low):+.1f}"


# parts


def predictor_lines(path: str, predictor: Mapping[str, JSON]) -> list[str]:
    source, settings, template = predictor["source"], predictor["settings"], predictor["template"]
    taken, given = (", ".join(field_text(f) for f in template["schema"][side]) for side in ("inputs", "outputs"))
    lines = [f"predictor {path}: {taken} -> {given}"]
    lines.append(f"  format: {template['format']}, instruction at: {source['position']}")
    lines.append("  instruction:")
    lines += [f"    {line}" for line in (source["instruction"] or "(none)").splitlines()]
    shown = "all, in this order" if template["rule"] is None else f"picked per query by {_rule(template)}"
    if source["demos"]:
        lines.append(f"  demonstrations: {len(source['demos'])}, {shown}")
        lines += [f"    {place}. {demo_text(demo)}" for place, demo in enumerate(source["demos"], 1)]
    else:
        lines.append("  demonstrations: none")
    params = ", ".join(f"{name}={compact(value)}" for name, value in settings["params"].items())
    policy = "asks once more" if settings["reply_policy"] == "reask" else "fails"
    lines.append(f"  settings: {params}; a reply that does not parse {policy}")
    return lines


def _rule(template: Mapping[str, JSON]) -> str:
    vectors = template.get("demo_vectors", [])
    numbers = f", {dimensions(vectors[0])} numbers a vector" if vectors else ""
    return f"{compact(template['rule'])}{numbers}"


def demo_text(demo: Mapping[str, JSON]) -> str:
    values = ", ".join(f"{name}={short(value)}" for name, value in demo["values"].items())
    kind = "" if demo["kind"] == "worked" else f"({demo['kind']}) "
    return f"{kind}{values}" + ("" if demo["note"] is None else f"  [{demo['note']}]")


def field_text(field: Mapping[str, JSON]) -> str:
    kind = "" if field["type_name"] == "str" else f": {field['type_name']}"
    return f"{field['name']}{kind}{'' if field['required'] else ' (optional)'}"


def model_text(lm: Mapping[str, JSON]) -> str:
    others = {name: value for name, value in lm.items() if name not in ("model", "params")}
    return f"{lm['model']}{f' {compact(others)}' if others else ''}"


def _flat(value: JSON, name: str = "") -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else key)
    else:
        yield f"{name}: {value if isinstance(value, str) else compact(value)}"


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def printable(text: str) -> str:
    """The text with control characters spelled out: a file must not steer the terminal that shows it."""
    return _STEERING.sub(lambda found: ascii(found[0])[1:-1], text)


def short(value: JSON) -> str:
    text = compact(value)
    return text if len(text) <= WIDTH else text[: WIDTH - 3] + "..."
