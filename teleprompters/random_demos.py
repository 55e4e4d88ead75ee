"""RandomDemos: the best of some random demonstration sets, in each of some formats. The baseline of other searches."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ..signatures.candidate import Candidate
from ..signatures.errors import SchemaError
from ..signatures.example import Example
from ..signatures.prompt import Demo
from ..signatures.schema import Schema
from .base import Forecast, Origin, Outcome, Round, Score, Sizes, Teleprompter, Workbench
from .draws import draw, shuffled
from .pairs import from_row, from_trace
from .wording import about, counted

MOST_SETS = 64  # where the budget would allow more: the best of 64 random sets is hardly ever beaten by the next one
BOOTSTRAP_SHARE = 4  # at most a quarter of what is left goes into traces, the rest into scoring
PROBE = 12  # rows of dev that a format in which nothing worked bare is tried on with demonstrations
TRACES_PER_DEMO = 4  # correct traces to collect for each place in a set, so that sets differ


@dataclass(frozen=True)
class RandomDemos(Teleprompter):
    """Scores random demonstration sets on all of dev, each set in each format, and keeps the best.

    demos: demonstrations in a set (fewer when the pool holds fewer rows).
    sets: how many sets are drawn; None: as many as the budget scores, at most 64.
    formats: names of formats; None: the student's own and "plain". Before any set, the student is scored in each
        format as it stands, so that a report can tell what the format alone brings. A format in which every row
        scores 0, bare and then with the first set on 12 rows of dev, is left out of all rounds when another does
        better (where dev has no more rows than that, all formats stay).
    source: "labelled": rows of the pool. "bootstrapped": inputs and outputs of the program's own correct executions
        of pool rows. "both": sets take turns. A predictor with a field that is no column of the data (a reasoning, an
        intermediate result) is always shown bootstrapped demonstrations; all predictors get theirs from the same rows.
    threshold: the score from which an execution counts as correct.

    A set is drawn uniformly, without replacement, and no set is drawn twice. Raises ValueError on settings that name
    nothing: demos or sets below 1, an unknown source, no formats.
    Source: the random and best-of-K baselines of Khattab et al. 2023, arXiv 2310.03714 (there: random search).
    """

    demos: int = 4
    sets: int | None = None
    formats: tuple[str, ...] | None = None
    source: Literal["labelled", "bootstrapped", "both"] = "labelled"
    threshold: float = 1.0

    def __post_init__(self) -> None:
        if self.demos < 1:
            raise ValueError(f"RandomDemos(demos={self.demos}) shows nothing. Give at least 1.")
        if self.sets is not None and self.sets < 1:
            raise ValueError(f"RandomDemos(sets={self.sets}) draws nothing. Give at least 1, or None for the budget's.")
        if self.source not in ("labelled", "bootstrapped", "both"):
            raise ValueError(f"RandomDemos(source={self.source!r}): known are 'labelled', 'bootstrapped' and 'both'.")
        if self.formats is not None and (not isinstance(self.formats, tuple) or not self.formats):
            raise ValueError(
                f"RandomDemos(formats={self.formats!r}): give a tuple of names, such as ('chat', 'plain')."
            )

    def refusal(self, student: Candidate) -> str:
        for name in self.formats or ():
            for path in student.predictors:
                try:
                    _ = student.prompt(path).with_(format=name).template
                except SchemaError as error:
                    return f"RandomDemos(formats={self.formats!r}) cannot show predictor {path!r} in {name!r}: {error}"
        return ""

    def search(self, bench: Workbench) -> Iterator[Round]:
        rng = bench.rng("random demonstrations")
        starts = self._starts(bench)
        bare = {name: self._score_bare(bench, name, start) for name, start in starts.items()}
        yield Round("formats", tuple(starts.values()), next(iter(bench.known), None))

        teacher = max(bare.values(), key=lambda score: score.mean).candidate
        hands = self._hands(bench, teacher, rng)
        live = list(starts)
        for number, drawn in enumerate(self._draws(hands, rng), start=1):
            # The first set is always tried; later ones only when they can be scored whole.
            if self.sets is None and number > 1 and bench.remaining.evaluations < len(bench.dev):
                return
            if number == 1:
                live = self._promising(bench, starts, bare, drawn)
            scored = {name: self._score_set(bench, name, starts[name], drawn) for name in live}
            yield Round(
                f"set {number}", tuple(score.candidate for score in scored.values()), next(iter(bench.known), None)
            )

    @property
    def embeds_queries(self) -> bool:
        return False

    def forecast(self, sizes: Sizes) -> Forecast:
        formats = 2 if self.formats is None else len(self.formats)
        affordable = max(0, sizes.executions // max(1, sizes.dev) - formats) // formats
        sets = min(MOST_SETS, affordable) if self.sets is None else self.sets
        sets = min(sets, math.comb(sizes.pool, min(self.demos, sizes.pool)))
        traces = 0 if self.source == "labelled" else min(sizes.pool, sizes.executions // BOOTSTRAP_SHARE)
        executions = min(sizes.executions, formats * (1 + sets) * sizes.dev + traces)
        return Forecast(
            asks=0,
            executions=executions,
            summary=f"RandomDemos: {about(sets, 'set')} of {counted(self.demos, 'demonstration')} in up to "
            f"{counted(formats, 'format')}, each scored on {counted(sizes.dev, 'row')}; no optimizer calls.",
        )

    def _starts(self, bench: Workbench) -> dict[str, Candidate]:
        """The student in each format, without formats that cannot hold it (an instruction that has their markers)."""
        student = bench.student
        own = {student.prompt(path).format for path in student.predictors}
        name = own.pop() if len(own) == 1 else "the student's own"
        starts = {name: student} if self.formats is None else {}
        for format_name in ("plain",) if self.formats is None else self.formats:
            candidate = student
            for path in student.predictors:
                candidate = candidate.with_prompt(path, format=format_name)
            try:
                known = candidate.digest in [start.digest for start in starts.values()]
            except SchemaError as error:
                if self.formats is not None:
                    raise
                bench.log("format left out", format=format_name, reason=str(error))
                continue
            if not known:
                starts[format_name] = candidate
        return starts

    def _score_bare(self, bench: Workbench, name: str, start: Candidate) -> Score:
        origin = Origin("RandomDemos", "format", {"format": name})
        return bench.score([start], origin=origin, parents=[bench.student])[0]

    def _hands(self, bench: Workbench, teacher: Candidate, rng: random.Random) -> list[_Hand]:
        """What to draw from: rows shown by their labels, rows shown by what the teacher did right on them, or both."""
        schemas = {path: bench.student.prompt(path).schema for path in bench.student.predictors}
        labelled = [
            path for path, schema in schemas.items() if any(from_row(row, schema) is not None for row in bench.pool)
        ]
        rows = tuple(row for row in bench.pool if all(from_row(row, schemas[path]) is not None for path in labelled))
        unlabelled = [path for path in schemas if path not in labelled]
        traced = {"labelled": [unlabelled], "bootstrapped": [list(schemas)], "both": [unlabelled, list(schemas)]}
        hands = []
        traces: dict[Example, Outcome] | None = None
        for paths in traced[self.source]:
            if paths and traces is None:
                traces = self._bootstrap(bench, teacher, shuffled(rows, rng))
            if not paths:
                hands.append(_Hand(schemas, rows, {}, ()))
            elif traces:
                hands.append(_Hand(schemas, tuple(traces), traces, tuple(paths)))
        if not hands:
            bench.log("no correct trace", threshold=self.threshold)
            shown = {path: schemas[path] for path in labelled}  # the others go without demonstrations
            hands = [_Hand(shown, rows, {}, ())] if shown else []
        return [hand for hand in hands if hand.rows]

    def _bootstrap(self, bench: Workbench, teacher: Candidate, rows: Sequence[Example]) -> dict[Example, Outcome]:
        wanted = TRACES_PER_DEMO * self.demos
        tries = min(len(rows), max(self.demos, bench.remaining.evaluations // BOOTSTRAP_SHARE))
        correct: dict[Example, Outcome] = {}
        for first in range(0, tries, wanted):
            batch = rows[first : min(tries, first + wanted)]
            for row, outcome in zip(batch, bench.bootstrap(teacher, batch), strict=True):
                if outcome.failure is None and outcome.score >= self.threshold:
                    correct[row] = outcome
            if len(correct) >= wanted:
                break
        return correct

    def _draws(self, hands: Sequence[_Hand], rng: random.Random) -> Iterator[_Set]:
        """Sets never drawn before, the hands in turn, until `sets` are drawn or none is left."""
        seen: list[set[frozenset[str]]] = [set() for _ in hands]
        for number in range(MOST_SETS if self.sets is None else self.sets):
            unfinished = [n for n, hand in enumerate(hands) if len(seen[n]) < hand.combinations(self.demos)]
            if not unfinished:
                return
            turn = unfinished[number % len(unfinished)]
            while True:
                rows = draw(hands[turn].rows, self.demos, rng)
                key = frozenset(row.digest for row in rows)
                if key not in seen[turn]:
                    break
            seen[turn].add(key)
            yield _Set(tuple(rows), hands[turn].demonstrations(rows), hands[turn].source)

    def _promising(
        self, bench: Workbench, starts: dict[str, Candidate], bare: dict[str, Score], drawn: _Set
    ) -> list[str]:
        """The formats worth a full score of every set; all of them when nothing works in any."""
        if len(bench.dev) <= PROBE:
            return list(starts)
        probed = [drawn.shown_by(starts[name]) for name in starts if not any(bare[name].values)]
        probes = {score.candidate: score for score in bench.score(probed, bench.dev[:PROBE])}
        dead = [name for name, start in starts.items() if not any(probes.get(drawn.shown_by(start), bare[name]).values)]
        if len(dead) == len(starts):
            return dead
        for name in dead:
            bench.log("format left out", format=name, reason="every row scored 0, bare and with demonstrations")
        return [name for name in starts if name not in dead]

    def _score_set(self, bench: Workbench, name: str, start: Candidate, drawn: _Set) -> Score:
        detail = {"format": name, "rows": [row.digest for row in drawn.rows], "source": drawn.source}
        origin = Origin("RandomDemos", "demonstrations", detail)
        return bench.score([drawn.shown_by(start)], origin=origin, parents=[start])[0]


@dataclass(frozen=True)
class _Set:
    rows: tuple[Example, ...]
    demos: dict[str, tuple[Demo, ...]]
    source: str

    def shown_by(self, start: Candidate) -> Candidate:
        candidate = start
        for path, demos in self.demos.items():
            if demos:
                candidate = candidate.with_prompt(path, demos=demos, rule=None)
        return candidate


@dataclass(frozen=True)
class _Hand:
    """Rows to draw from. `traced` predictors show what the program did on a row, the others the row's own values."""

    schemas: dict[str, Schema]
    rows: tuple[Example, ...]
    traces: dict[Example, Outcome]
    traced: tuple[str, ...]

    @property
    def source(self) -> str:
        return "bootstrapped" if self.traced else "labelled"

    def combinations(self, demos: int) -> int:
        return math.comb(len(self.rows), min(demos, len(self.rows)))

    def demonstrations(self, rows: Sequence[Example]) -> dict[str, tuple[Demo, ...]]:
        return {path: tuple(self._shown(path, schema, rows)) for path, schema in self.schemas.items()}

    def _shown(self, path: str, schema: Schema, rows: Sequence[Example]) -> Iterator[Demo]:
        for row in rows:
            traced = path in self.traced
            values = from_trace(self.traces[row], path, schema) if traced else from_row(row, schema)
            if values is not None:
                yield Demo.of(values)
