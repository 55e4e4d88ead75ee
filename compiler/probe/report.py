"""A probe's report: what was found as a table, as sentences and as JSON."""

from __future__ import annotations

from dataclasses import dataclass

from ...signatures.canonical import JSON
from ..evidence import LEVEL
from .findings import Found
from .words import table, verdict


@dataclass(frozen=True)
class ProbeReport(Found):
    """How fragile a frozen file is. `print(report)` shows it."""

    @property
    def verdict(self) -> tuple[str, ...]:
        """What it comes to, in a few sentences."""
        return verdict(self)

    def to_json(self) -> dict[str, JSON]:
        """Everything, the verdict too; fractions of the score range."""
        return {
            **{name: getattr(self, name) for name in ("file", "model", "metric", "rows", "seed", "calls", "planned")},
            "as_is": {"mean": self.as_is, "unparsed": self.as_is_unparsed},
            "given": None if self.given is None else {"output": self.given[0], "share": self.given[1]},
            "majority": None
            if self.majority is None
            else {"label": self.majority.label, "score": self.majority.score.to_json()},
            "comparisons": self.comparisons,
            "level": LEVEL,
            "findings": [finding.to_json() for finding in self.findings],
            "omitted": [vars(one) for one in self.omitted],
            "notes": list(self.notes),
            "verdict": list(self.verdict),
        }

    def __str__(self) -> str:
        return table(self)
