"""Material: all that a report is made of, read from a run folder or from a compiled file alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ...signatures.canonical import JSON
from ...signatures.prompt import Prompt
from ...teleprompters.base import Outcome, Spend
from ..evidence import Verdict
from ..frozen.document import verdict_of
from ..score_range import range_in
from .naming import title_of_document


@dataclass(frozen=True)
class Row:
    """A row that candidates were scored on. split: "dev" or "holdout"."""

    split: str
    digest: str
    place: str
    inputs: Mapping[str, JSON]
    labels: Mapping[str, JSON]


@dataclass(frozen=True)
class Scored:
    """A candidate as it was recorded. rows: that `mean` is of. spent: by the whole run when it was recorded."""

    number: int
    candidate: str
    mean: float
    rows: int
    failures: int
    teleprompter: str
    move: str
    detail: Mapping[str, JSON] = field(default_factory=dict)
    parents: tuple[str, ...] = ()
    spent: Spend = Spend()
    rejected: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, JSON]) -> Scored:
        names = ("number", "candidate", "mean", "rows", "failures", "teleprompter", "move", "detail")
        return cls(
            **{name: data[name] for name in names},
            parents=tuple(data["parents"]),
            spent=Spend(**data["spent"]),
            rejected=data.get("rejected", ""),
        )


@dataclass(frozen=True)
class Rejection:
    """A proposal that was turned down before it was run."""

    reason: str
    sentence: str
    predictor: str = ""
    text: str = ""


@dataclass(frozen=True)
class Purpose:
    """What the search spent on one thing."""

    name: str
    spend: Spend


@dataclass(frozen=True)
class Words:
    """What a candidate says in one predictor. prompt: to render its messages with; None where that is not known."""

    instruction: str
    demos: Sequence[Mapping[str, JSON]]
    format: str
    position: str
    rule: JSON
    settings: Mapping[str, JSON]
    prompt: Prompt | None = None


Candidate = Mapping[str, Words]  # by predictor


@dataclass(frozen=True)
class Used:
    """Rows of a split: as many as were given, and of these the first `used`."""

    used: int
    given: int

    def __str__(self) -> str:
        return f"{self.used:,}" if self.used == self.given else f"{self.used:,} of {self.given:,}"


@dataclass(frozen=True)
class Material:
    """name: of the run or the file. document: of the compiled file; None while a run has none.

    state: "finished", or how the run stands. run: what `Notes` wrote of the run; empty where there is nothing but a
    file, as are all the others. kept: documents of the search, by name.
    outcome: of a candidate's digest and a row, as the journal has it. has_asked: the search asked an optimizer LM.
    fuller: of a file alone, the name of the run that ended with it, where that is at hand; "" elsewhere.
    """

    name: str
    document: Mapping[str, JSON] | None = None
    run: Mapping[str, JSON] = field(default_factory=dict)
    identity: Mapping[str, JSON] = field(default_factory=dict)
    records: Sequence[Scored] = ()
    candidates: Mapping[str, Candidate] = field(default_factory=dict)
    rows: Sequence[Row] = ()
    purposes: Sequence[Purpose] = ()
    rejections: Sequence[Rejection] = ()
    dropped: Sequence[str] = ()
    kept: Mapping[str, JSON] = field(default_factory=dict)
    seconds: float | None = None
    has_asked: bool = True
    fuller: str = ""
    outcome: Callable[[str, Row], Outcome | None] = lambda candidate, row: None

    @cached_property
    def verdict(self) -> Verdict | None:
        return None if self.document is None else verdict_of(self.document)

    @property
    def holds(self) -> str:
        """Whose prompts the file holds, "student" or "finalist"; "" while there is none."""
        return "" if self.document is None else str(self.document["holds"])

    @property
    def state(self) -> str:
        return str(self.run.get("state", "finished" if self.document is not None else "not finished"))

    @cached_property
    def evidence(self) -> Mapping[str, JSON]:
        evidence: dict[str, JSON] = {} if self.document is None else self.document["evidence"]
        return evidence

    @cached_property
    def provenance(self) -> Mapping[str, JSON]:
        """Of the file; where there is none, what the run's identity has of it."""
        if self.document is not None:
            provenance: dict[str, JSON] = self.document["provenance"]
            return provenance
        return {name: self.identity[name] for name in PROVENANCE if name in self.identity}

    @cached_property
    def program(self) -> str:
        """What the program is called, "" where nothing tells."""
        if noted := self.run.get("program"):
            return str(noted)
        return "" if self.document is None else title_of_document(self.document)

    @cached_property
    def rows_used(self) -> Mapping[str, Used]:
        """By split; empty where nothing tells. Of dev those that the budget afforded, held out those compared on."""
        given = {split: int(told["rows"]) for split, told in self.provenance.get("data", {}).items()}
        if not given:
            return {}
        dev = max((record.rows for record in self.records), default=0)
        dev = int(self.evidence.get("rows", {}).get("dev", dev))
        pairs = 0 if self.verdict is None else self.verdict.pairs
        used = {"pool": given.get("pool", 0), "dev": dev, "holdout": pairs}
        return {split: Used(used[split], given[split]) for split in used if split in given}

    @cached_property
    def compared(self) -> Sequence[Row]:
        """The held-out rows that student and finalist were compared on, as far as the run has noted them."""
        held = [row for row in self.rows if row.split == "holdout"]
        if self.verdict is not None:
            return held[: self.verdict.pairs]
        heads = (self.student, self.finalist)
        return [row for row in held if any(self.outcome(head, row) is not None for head in heads if head)]

    @property
    def score_range(self) -> tuple[float, float]:
        return range_in(self.run or self.evidence)

    @property
    def teleprompter(self) -> str:
        named = self.provenance.get("teleprompter", {})
        return str(named.get("name", "")) if isinstance(named, Mapping) else ""

    @cached_property
    def student(self) -> str:
        """Digest of the candidate that the run started from, "" where it is not known."""
        return str(self.run.get("student", "")) or next((r.candidate for r in self.records if r.number == 0), "")

    @cached_property
    def whole(self) -> Sequence[Scored]:
        """Those scored on as many rows as the student, which is all that is used of dev."""
        most = max((record.rows for record in self.records), default=0)
        return [record for record in self.records if record.rows == most]

    @cached_property
    def finalist(self) -> str:
        """Digest of the finalist; of the best so far where the run has not ended, "" where nothing is known."""
        lineage = self.evidence.get("lineage", [])
        if lineage:
            return str(lineage[-1]["candidate"])
        best = max((r for r in self.whole if not r.rejected), key=lambda r: (r.mean, -r.number), default=None)
        return "" if best is None else best.candidate

    @cached_property
    def best(self) -> Scored | None:
        """The record of the finalist; of the best so far where the run has not ended."""
        return self.record_of.get(self.finalist)

    @cached_property
    def record_of(self) -> Mapping[str, Scored]:
        """By digest, the record on the most rows."""
        found: dict[str, Scored] = {}
        for record in self.records:
            if record.candidate not in found or record.rows > found[record.candidate].rows:
                found[record.candidate] = record
        return found


PROVENANCE = ("data", "teleprompter", "budget", "seed", "min_gain", "versions")
