"""AutoCoT: worked reasoning from the program itself, one chain from each group of like questions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ....signatures.candidate import Candidate
from ....signatures.example import Example
from ....signatures.prompt import Demo
from ...base import Outcome
from ...induction import as_text
from ...pairs import from_trace
from ..base import Chosen, Selector, Shot, Signal, Supply
from ..select.kmeans import tightest
from ..vectors import embedding_calls, vectors_of
from .chains import ends_in, reasoners, reasoning_field, steps_in

STARTS = 8  # seedings of k-means, of which the tightest groups are kept


@dataclass(frozen=True)
class AutoCoT(Selector):
    """Lets the program reason about pool questions without demonstrations, and shows simple chains from all over them.

    1. Questions are put into k groups by k-means.
    2. In each group, from its centre outwards, the program is executed until a chain is simple: a question of at most
       `words` words, a chain of at most `steps` steps that ends in its answer, and, where rows have labels, an answer
       that is right.
    3. Where none of a group's first `tries` questions passes, the one nearest to the centre with a readable (and, with
       labels, right) answer and at most `relaxed_steps` steps is shown, and the log says so; else none of that group.

    words: between spaces, of the question. steps: sentences or lines. threshold: the score from which an answer is
    right. answer_at_end: whether the answer must stand in the chain's last sentence or among its last ten words.
    Predictors that reason about nothing are shown the questions nearest to the centres.

    Cost: one execution a question tried, at most `tries` a group, within the supply's money, and the
    encoder's calls; without an encoder groups are of TF-IDF. Questions are the inputs of the program, also for inner
    predictors.
    Refused where no predictor writes free text before its answer. Raises ValueError on limits below 1.
    Source: Zhang et al. 2022, arXiv 2210.03493, section 4. Differs on purpose: steps are sentences or
    lines, not lines alone; answers are checked where labels are known, for the released code shows what the program
    answered, right or wrong; a group in which nothing is simple still gets a demonstration; chains keep their line
    breaks; questions far from a centre are never executed.
    """

    words: int = 60
    steps: int = 5
    relaxed_steps: int = 8
    tries: int = 10
    answer_at_end: bool = True
    threshold: float = 1.0

    signals: ClassVar[tuple[Signal, ...]] = ("executions", "embeddings")

    def __post_init__(self) -> None:
        for name in ("words", "steps", "relaxed_steps", "tries"):
            if getattr(self, name) < 1:
                raise ValueError(f"AutoCoT({name}={getattr(self, name)}) must be at least 1.")

    def refusal(self, candidate: Candidate) -> str:
        if reasoners(candidate):
            return ""
        return (
            "AutoCoT shows chains of reasoning, and no predictor of this program writes free text before its answer. "
            "Declare it with burnish.ChainOfThought, or choose demonstrations with another selector."
        )

    def select(self, supply: Supply) -> Iterator[Chosen]:
        rows = supply.rows or tuple(dict.fromkeys(shot.row for shot in supply.shots))
        if not rows:
            return
        texts = [" ".join(as_text(value) for value in row.input_values.values()) for row in rows]
        short = {n for n, text in enumerate(texts) if len(text.split()) <= self.words}
        groups = self._groups(supply, texts, short)
        tried = self._try(supply, rows, groups, short)
        shots, reasons = [], []
        for number, (group, traces) in enumerate(zip(groups, tried, strict=True), start=1):
            found = [trace for trace in traces if trace.is_simple] or self._relaxed(supply, number, traces)
            if found:
                shots.append(found[0].shot)
                reasons.append(f"nearest to the centre of group {number} of {len(group)} questions, {found[0].said}")
        if shots:
            yield Chosen(tuple(shots), tuple(reasons))

    def cost(self, shots: int, k: int, dev: int) -> int:
        return min(shots, k * self.tries)

    def embeddings(self, shots: int, k: int, dev: int) -> int:
        return embedding_calls(shots)

    def _groups(self, supply: Supply, texts: Sequence[str], short: set[int]) -> list[list[int]]:
        """Questions by number: the largest group first, in each those that are short enough, the nearest first."""
        rng = supply.bench.rng(f"question groups of {supply.predictor}")
        made = tightest(vectors_of(supply, texts), supply.k, STARTS, rng)
        groups: dict[int, list[int]] = {}
        for n in sorted(range(len(texts)), key=lambda n: (n not in short, made.distance[n], n)):
            groups.setdefault(made.owner[n], []).append(n)
        return sorted(groups.values(), key=lambda group: (-len(group), min(group)))

    def _try(
        self, supply: Supply, rows: Sequence[Example], groups: Sequence[Sequence[int]], short: set[int]
    ) -> list[list[_Trace]]:
        """What was executed of each group, nearest first: of all groups the next question together."""
        tried: list[list[_Trace]] = [[] for _ in groups]
        money = supply.money
        for turn in range(self.tries):
            open_groups = [g for g, group in enumerate(groups) if turn < len(group)]
            open_groups = [g for g in open_groups if not any(trace.is_simple for trace in tried[g])][:money]
            asked = [groups[g][turn] for g in open_groups]
            money -= len(asked)
            outcomes = supply.bench.bootstrap(supply.candidate, [rows[n] for n in asked])
            for g, n, outcome in zip(open_groups, asked, outcomes, strict=True):
                if (trace := self._trace(supply, rows[n], outcome, n in short)) is not None:
                    tried[g].append(trace)
        return tried

    def _trace(self, supply: Supply, row: Example, outcome: Outcome, is_short: bool) -> _Trace | None:
        """None where the answer could not be read, or is known to be wrong."""
        values = from_trace(outcome, supply.predictor, supply.schema) if outcome.failure is None else None
        if values is None or (row.labels and outcome.score < self.threshold):
            return None
        field, shot = reasoning_field(supply.schema), Shot(row, Demo.of(values))
        if field is None:
            return _Trace(shot, 0, is_short)
        chain, answer = str(values.get(field.name, "")), values.get(supply.schema.outputs[-1].name)
        steps = steps_in(chain)
        is_simple = is_short and 1 <= steps <= self.steps and (not self.answer_at_end or ends_in(chain, answer))
        return _Trace(shot, steps, is_simple)

    def _relaxed(self, supply: Supply, number: int, traces: Sequence[_Trace]) -> list[_Trace]:
        within = [trace for trace in traces if trace.steps <= self.relaxed_steps]
        event = "no simple chain: limits relaxed" if within else "no chain of a group"
        supply.bench.log(event, predictor=supply.predictor, group=number)
        return within


@dataclass(frozen=True)
class _Trace:
    shot: Shot
    steps: int
    is_simple: bool

    @property
    def said(self) -> str:
        chain = f"a chain of {self.steps} steps" if self.steps else "no chain"
        return chain if self.is_simple else f"{chain}, which is not simple"
