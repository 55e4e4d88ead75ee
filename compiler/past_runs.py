"""What run folders say of the compiles that made them: finished, stopped or still at work. They are only read."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..signatures.canonical import JSON
from ..signatures.errors import RunError
from .evidence import Verdict
from .report.files import FOLDER, RUN
from .run import RUNS
from .score_range import UNIT, Range, fraction, range_in

CURRENCIES = ("calls", "tokens", "usd")


@dataclass(frozen=True)
class PastRun:
    """One run folder.

    began: seconds since the epoch. seconds: wall time at work, over all its processes. state: "finished", "running" or
    "stopped". spent: what the run has counted, by currency. student, best: mean scores on dev as fractions of the
    metric's range, None before there are any; best is the finalist's, and the highest so far before there is one.
    rows: of dev, 0 before that. document: the compiled file, None before it is written. title: of the program, ""
    where the run has not noted it.
    """

    folder: Path
    identity: Mapping[str, JSON]
    began: float
    seconds: float
    state: str
    spent: Mapping[str, float]
    student: float | None
    best: float | None
    rows: int
    document: Mapping[str, JSON] | None
    title: str = ""

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def search(self) -> str:
        return str(self.identity["teleprompter"].get("name", "?"))

    @property
    def program(self) -> str:
        """What it is called; else its predictors, and what it is where that is not plain."""
        if self.title:
            return self.title
        program = self.identity["program"]
        paths = ", ".join(program["schemas"])
        return paths if program["kind"] == "predictor" else f"{program['kind']}: {paths}"

    @property
    def verdict(self) -> Verdict | None:
        return None if self.document is None else Verdict.from_json(self.document["verdict"])

    @property
    def budget(self) -> str:
        """What is spent of what: "264 of 300 calls"."""
        limits = self.identity["budget"]
        limited = [name for name in CURRENCIES if name in limits] or ["calls"]
        said = []
        for name in limited:
            spent = self.spent.get(name, 0)
            unit = "dollars" if name == "usd" else name
            used = f"{spent:.4f}" if name == "usd" else f"{spent:.0f}"
            said.append(f"{used} of {limits[name]:g} {unit}" if name in limits else f"{used} {unit}")
        return ", ".join(said)

    def to_json(self) -> dict[str, JSON]:
        verdict = self.verdict
        return {
            "run": self.name,
            "folder": str(self.folder),
            "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.began)),
            "seconds": self.seconds,
            "state": self.state,
            "program": self.program,
            "teleprompter": self.search,
            "budget": self.identity["budget"],
            "spent": dict(self.spent),
            "student": self.student,
            "best": self.best,
            "verdict": None if verdict is None else verdict.to_json(),
            "digest": None if self.document is None else self.document.get("digest"),
        }


def past_runs(folder: Path = RUNS) -> list[PastRun]:
    """The runs in a folder, the newest first. Folders that are no runs, or whose identity is damaged, are left out."""
    if not folder.is_dir():
        return []
    found = [read_run(place) for place in sorted(folder.iterdir()) if _is_run(place)]
    return sorted(found, key=lambda run: (-run.began, run.name))


def named_run(name: str, folder: Path = RUNS) -> PastRun:
    """The run of that name, of a name that begins so, or in that folder. Raises RunError, saying what there is."""
    if _is_run(Path(name)):
        return read_run(Path(name))
    runs = past_runs(folder)
    found = [run for run in runs if run.name == name] or [run for run in runs if name and run.name.startswith(name)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(run.name for run in found or runs) or "none"
    said = "Several runs begin with" if found else "There is no run"
    raise RunError(f"{said} {name!r} in {str(folder)!r}; it has: {known}. Give a name of those, or a run folder.")


def run_of_file(digest: str, folder: Path = RUNS) -> str:
    """The name of a run that ended with the file of this digest, "" where there is none."""
    for path in sorted(folder.glob("*/program.json")):
        if (_json_in(path) or {}).get("digest") == digest and _is_run(path.parent):
            return path.parent.name
    return ""


def read_run(folder: Path) -> PastRun:
    identity = json.loads((folder / "identity.json").read_text(encoding="utf-8"))
    document = _json_in(folder / "program.json")
    events = _events(folder / "events.jsonl")
    noted = _json_in(folder / FOLDER / RUN) or {}
    score_range = _range(noted)
    recorded = [event for event in events if event["event"] == "recorded" and "rejected" not in event]
    # The student ran on all that is used of dev.
    whole = [event for event in recorded if event["rows"] == recorded[0]["rows"]]
    means = [fraction(event["mean"], score_range) for event in whole]
    best = max(means, default=None)
    spent: dict[str, float] = next((event["total"] for event in reversed(events) if event["event"] == "block"), {})
    if document is not None:
        accounts = document["evidence"]["spent"].values()
        spent = {name: sum(account[name] for account in accounts) for name in CURRENCIES}
        finalist = document["evidence"]["dev"]["best"]
        best = best if finalist is None else fraction(finalist, score_range)
    return PastRun(
        folder,
        identity,
        (folder / "identity.json").stat().st_mtime,
        _seconds(folder / "seconds"),
        "running" if _is_locked(folder / "lock") else "stopped" if document is None else "finished",
        spent,
        means[0] if means else None,
        best,
        recorded[0]["rows"] if recorded else 0,
        document,
        str(noted.get("program", "")),
    )


def unlike(one: PastRun, other: PastRun) -> list[str]:
    """Which scores of the two cannot be set side by side: those on other rows, or by another metric."""
    if one.identity["metric"] != other.identity["metric"]:
        return ["dev", "held out"]
    data, others = one.identity["data"], other.identity["data"]
    # A small budget uses only a part of dev.
    found = ["dev"] if data["dev"] != others["dev"] or one.rows != other.rows else []
    return found + (["held out"] if data["holdout"] != others["holdout"] else [])


def _is_run(folder: Path) -> bool:
    identity = _json_in(folder / "identity.json")
    return identity is not None and {"program", "teleprompter", "budget", "metric", "data"} <= set(identity)


def _json_in(path: Path) -> dict[str, JSON] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _events(path: Path) -> Sequence[Mapping[str, JSON]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except ValueError:  # the last line of a killed process may be cut
            continue
    return found


def _range(noted: Mapping[str, JSON]) -> Range:
    """One damaged note does not hide the other runs of a list."""
    try:
        return range_in(noted)
    except (TypeError, ValueError):
        return UNIT


def _seconds(path: Path) -> float:
    try:
        return float(path.read_text())
    except (OSError, ValueError):
        return 0.0


def _is_locked(path: Path) -> bool:
    """Whether a process works in the folder. The lock is held for an instant to find out."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
