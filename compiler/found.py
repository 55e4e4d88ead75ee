"""Found: what a search has ended with, and the files that are written of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..signatures.candidate import Candidate
from .evidence import Verdict, no_comparison
from .frozen.compiled import CompiledProgram, freeze
from .provenance import evidence, provenance
from .splits import Splits
from .task import Task
from .workbench import Bench, role_of

NOT_COMPARED = "a point of the front of score and cost, not compared on held-out rows"


@dataclass(frozen=True)
class Found:
    """A finished search. notes: what the evidence has to say."""

    task: Task
    bench: Bench
    splits: Splits
    notes: Sequence[str]
    finalist: Candidate

    def compiled(self, verdict: Verdict, unusable: Mapping[str, Mapping[str, int]]) -> CompiledProgram:
        """The finalist's prompts where the verdict is "ship", else the student's with the finalist's beside them.

        unusable: replies that could not be used in the final comparison, by kind.
        """
        shipped = self.finalist if verdict.decision == "ship" else self.task.program.student
        failed = {"the search": dict(sorted(self.bench.failures.items())), **unusable}
        return self._frozen(shipped, self.finalist, verdict, unusable=failed)

    def save_front(self, folder: Path) -> None:
        """A file for every other candidate that none beats in score without costing more, named for its digest."""
        student = self.task.program.student
        for candidate in self._front():
            if candidate not in (student, self.finalist):
                folder.mkdir(exist_ok=True)
                verdict = no_comparison(NOT_COMPARED, self.task.min_gain)
                point = self._frozen(student, candidate, verdict, is_point=True).finalist()
                point.save(folder / f"{candidate.digest[:12]}.json")

    def _front(self) -> list[Candidate]:
        """Of score and prompt tokens, and of what else the search was told that counts."""
        found = evidence(self.bench, self.splits, self.finalist, self.notes)
        others = found.get("findings", {}).get("joint", {}).get("front", [])
        digests = {point["candidate"] for point in (*found["front"], *others)}
        candidates = dict.fromkeys(record.score.candidate for record in self.bench.records)
        return [candidate for candidate in candidates if candidate.digest in digests]

    def _frozen(
        self,
        shipped: Candidate,
        found: Candidate,
        verdict: Verdict,
        *,
        is_point: bool = False,
        **more: Mapping[str, Mapping[str, int]],
    ) -> CompiledProgram:
        told = {**evidence(self.bench, self.splits, found, self.notes), **more}
        if is_point:  # these are of what the search ended with
            told = {name: said for name, said in told.items() if name not in ("findings", "front")}
        runs, finds = (self.task.lms[role_of(candidate)] for candidate in (shipped, found))
        return freeze(
            self.task.program,
            shipped,
            lm=runs.identity(),
            verdict=verdict.to_json(),
            evidence=told,
            provenance=provenance(self.task),
            finalist=None if found == shipped else found,
            finalist_lm=finds.identity(),
            live_lm=runs,
            live_finalist_lm=finds,
            live_encoder=self.task.lms.get("encoder"),
        )
