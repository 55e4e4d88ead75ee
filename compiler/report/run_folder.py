"""From a run folder, its prefix or a compiled file to the material of its report."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from ...signatures.canonical import JSON
from ...signatures.errors import BurnishError
from ...signatures.prompt import Prompt
from ...teleprompters.base import Outcome, Spend
from .. import past_runs
from ..frozen.document import read_document
from ..journal import Journal
from .files import CANDIDATES, FOLDER, ROWS, RUN, SPENT
from .material import Candidate, Material, Purpose, Rejection, Row, Scored, Words

NOT_KEPT = ("identity.json", "program.json")  # documents of a run folder that no search wrote


def read_material(named: str | Path) -> Material:
    """The material of a run folder, of the one run under .burnish/runs/ whose name begins so, or of a compiled file.

    Raises RunError where there is no such thing, FrozenError on a damaged file.
    """
    place = Path(named)
    if place.is_file():
        document = read_document(place)
        return replace(of_document(document, place.name), fuller=past_runs.run_of_file(document["digest"]))
    return read_run(find_run(str(named)))


def find_run(named: str) -> Path:
    """The folder of a run by its path or the beginning of its name."""
    return past_runs.named_run(named).folder


def read_run(folder: Path) -> Material:
    """The material of a run folder, also of one that is still being written."""
    file = folder / "program.json"
    run = _document(folder / FOLDER / RUN) or {}
    if run.get("state") == "running":  # as it last said: a process that was killed says nothing more
        run["state"] = past_runs.read_run(folder).state
    events = list(_lines(folder / "events.jsonl"))
    candidates = {line["candidate"]: _candidate(line["parts"]) for line in _lines(folder / FOLDER / CANDIDATES)}
    return Material(
        name=folder.resolve().name,
        document=read_document(file) if file.is_file() else None,
        run=run,
        identity=_document(folder / "identity.json") or {},
        records=[Scored.from_json(line) for line in events if line["event"] == "recorded"],
        candidates=candidates,
        rows=[_row(line) for line in _lines(folder / FOLDER / ROWS)],
        purposes=_purposes(folder / FOLDER / SPENT),
        rejections=[_rejection(line) for line in events if line["event"] == "rejected"],
        dropped=_dropped(events),
        kept={path.stem: _document(path) for path in sorted(folder.glob("*.json")) if path.name not in NOT_KEPT},
        seconds=_seconds(folder / "seconds"),
        has_asked=any(line["event"] == "ask" for line in events),
        outcome=_outcomes(folder / "outcomes", str(run.get("outcomes", ""))),
    )


def of_document(document: Mapping[str, JSON], name: str) -> Material:
    """The material that a compiled file has in itself: the prompts it holds, verdict, evidence and provenance."""
    lineage = document["evidence"].get("lineage", [])
    held = {path: _held(predictor) for path, predictor in document["predictors"].items()}
    candidates: dict[str, Candidate] = {}
    if document["finalist"] is not None:
        kept = {path: _held(predictor) for path, predictor in document["finalist"]["predictors"].items()}
        candidates = {"student": held, **({str(lineage[-1]["candidate"]): kept} if lineage else {})}
    elif document["holds"] == "finalist" and lineage:
        candidates = {str(lineage[-1]["candidate"]): held}
    else:
        candidates = {"student": held}
    return Material(
        name,
        document,
        {"student": "student"},
        records=[Scored.from_json(record) for record in lineage],
        candidates=candidates,
        has_asked="ask" in document["evidence"].get("events", {"ask": 1}),
    )


def _candidate(parts: Mapping[str, JSON]) -> Candidate:
    found = {}
    for path, part in parts.items():
        prompt = part["prompt"]
        rule = prompt["rule"]
        # Demonstrations that are picked by vectors cannot be shown as they were: the vectors are not kept.
        rendered = None if rule is not None and rule.get("encoder") else Prompt.from_json(prompt)
        said = (prompt["instruction"], prompt["demos"], prompt["format"], prompt["position"])
        found[path] = Words(*said, rule, part["settings"], rendered)
    return found


def _held(predictor: Mapping[str, JSON]) -> Words:
    source = predictor["source"]
    grammar, rule = predictor["grammar"]["format"], predictor["template"]["rule"]
    return Words(source["instruction"], source["demos"], grammar, source["position"], rule, predictor["settings"])


def _row(line: Mapping[str, JSON]) -> Row:
    return Row(line["split"], line["digest"], line["place"], line["inputs"], line["labels"])


def _rejection(line: Mapping[str, JSON]) -> Rejection:
    return Rejection(line["reason"], line["sentence"], line.get("predictor", ""), line.get("text", ""))


def _purposes(path: Path) -> list[Purpose]:
    """What was spent, each purpose once, the dearest first."""
    total: Counter[str] = Counter()
    spends: dict[str, Spend] = {}
    for line in _lines(path):
        spend = Spend(line["calls"], line["tokens"], line["usd"])
        spends[line["purpose"]] = spends.get(line["purpose"], Spend()) + spend
        total[line["purpose"]] += spend.calls
    return [Purpose(name, spends[name]) for name, _ in total.most_common()]


def _dropped(events: list[dict[str, JSON]]) -> list[str]:
    """Digests of candidates that a round proposed and that were never scored on all of dev."""
    proposed = [digest for line in events if line["event"] == "round" for digest in line["proposed"]]
    recorded = [line for line in events if line["event"] == "recorded"]
    most = max((line["rows"] for line in recorded), default=0)
    whole = {line["candidate"] for line in recorded if line["rows"] == most}
    return [digest for digest in dict.fromkeys(proposed) if digest not in whole]


def _outcomes(folder: Path, identity: str) -> Callable[[str, Row], Outcome | None]:
    if not folder.is_dir() or not identity:
        return lambda candidate, row: None
    journal = Journal(folder, identity)

    def outcome(candidate: str, row: Row) -> Outcome | None:
        found = journal.get(candidate, row.digest, "score")
        return None if found is None else found[0]

    return outcome


def _seconds(path: Path) -> float | None:
    try:
        return float(path.read_text())
    except (OSError, ValueError):
        return None


def _document(path: Path) -> JSON:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BurnishError(f"{path} cannot be read: {error}. Run the compile again: it is written anew.") from None


def _lines(path: Path) -> Iterator[dict[str, JSON]]:
    """The whole lines of a file that may be in writing."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):
                try:
                    yield json.loads(line)
                except ValueError:
                    raise BurnishError(
                        f"{path} holds a line that is not JSON. Run the compile again: it is written anew."
                    ) from None
