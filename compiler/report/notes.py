"""Notes: what a run writes down for its report beside events and outcomes. Never read to decide anything."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from ...signatures.candidate import Candidate
from ...signatures.canonical import JSON
from ...signatures.example import Example
from ...teleprompters.base import Spend
from ..plan import make_plan
from ..sizing import judges
from .command_line import command
from .files import CANDIDATES, FOLDER, ROWS, RUN, SPENT
from .naming import title_of_program

if TYPE_CHECKING:
    from ..task import Task

_log = logging.getLogger("burnish")


class Notes:
    """Files in the folder "report" of a run, written anew by every process: a replay repeats what is noted.

    A disk that does not take a note is warned of, once, and does not end the run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._files: dict[str, TextIO] = {}
        self._known: set[str] = set()
        self._has_failed = False
        self._run: dict[str, JSON] = {}

    def begin(self, task: Task, outcomes: str) -> None:
        """What is known before the first call. outcomes: identity under which the journal keeps them."""
        self._run = {
            "outcomes": outcomes,
            "program": title_of_program(task.program),
            "student": task.program.student.digest,
            "range": list(task.metric.range),
            "judges": any(judges(metric) for metric in (task.metric, *task.report_metrics)),
            "plan": make_plan(task).to_json(),
            "command": command(sys.argv),
            "state": "running",
        }
        self._write_run()
        self.candidate(task.program.student)
        self._rows("dev", task.splits.dev)
        self._rows("holdout", task.splits.holdout)

    def candidate(self, candidate: Candidate) -> None:
        """What a candidate says, once. Without the vectors of its demonstrations, which nobody reads."""
        if candidate.digest in self._known:
            return
        self._known.add(candidate.digest)
        parts = {}
        for path, part in candidate.parts:
            prompt, demos = part.prompt.to_json(), part.prompt.demos
            prompt["demos"] = [replace(demo, vector=None).to_json() for demo in demos]
            parts[path] = {"prompt": prompt, "settings": part.settings.to_json()}
        self._add(CANDIDATES, {"candidate": candidate.digest, "parts": parts})

    def spent(self, purpose: str, spend: Spend) -> None:
        """What a step of the search has cost."""
        self._add(SPENT, {"purpose": purpose, "calls": spend.calls, "tokens": spend.tokens, "usd": spend.usd})

    def end(self, accounts: Mapping[str, JSON], was_cut: bool, error: BaseException | None) -> None:
        """accounts: what each has spent. was_cut: the budget ended the search. error: what ended the run, if any."""
        stopped = "finished" if error is None else f"stopped: {type(error).__name__}: {error}".rstrip(": ")
        self._run |= {"accounts": dict(accounts), "was_cut": was_cut, "state": stopped}
        self._write_run()

    def close(self) -> None:
        for file in self._files.values():
            try:
                file.close()
            except OSError as error:
                self._failed(error)

    def _rows(self, split: str, rows: Iterable[Example]) -> None:
        for row in rows:
            told = {"split": split, "digest": row.digest, "place": row.place}
            self._add(ROWS, {**told, "inputs": row.input_values, "labels": row.labels})

    def _write_run(self) -> None:
        try:
            self._folder.mkdir(exist_ok=True)
            written = self._folder / f"{RUN}.new"
            written.write_text(_line(self._run), encoding="utf-8")
            written.replace(self._folder / RUN)
        except OSError as error:
            self._failed(error)

    def _add(self, name: str, document: Mapping[str, JSON]) -> None:
        try:
            if name not in self._files:
                self._folder.mkdir(exist_ok=True)
                self._files[name] = (self._folder / name).open("w", encoding="utf-8", buffering=1)
            self._files[name].write(_line(document))
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        if not self._has_failed:
            _log.warning(
                "Notes for the report cannot be written in %r: %s. The run goes on; its report will lack them.",
                str(self._folder),
                error,
            )
        self._has_failed = True


def _line(document: Mapping[str, JSON]) -> str:
    return json.dumps(document, ensure_ascii=True, default=repr) + "\n"
