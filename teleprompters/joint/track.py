"""The track: where candidates race on the rows of dev, and what is known of each that ever ran."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from ...signatures.candidate import Candidate
from ...signatures.example import Example
from ..base import Score, Workbench
from ..draws import shuffled
from .arm_bench import Made
from .objectives import Cost, Point, pareto
from .race import Field, Race


@dataclass(frozen=True)
class Ran:
    """How far a candidate came. rows: that it was scored on. value: its mean on all of dev, estimated where it did not
    see them all: the mean of the best plus the difference on the rows that both have seen. costs: in each objective."""

    candidate: Candidate
    rows: int
    value: float
    costs: tuple[float, ...]


class Track:
    """Runs races on the rows of dev, in one order drawn for the whole search.

    All that race together see the same rows; who is dropped is told by `race`, who is best so far by the bench.
    A runner is measured by the best that costs no more in any of the `objectives`; without these, by the best there is.
    aside: executions that races are to leave.
    """

    def __init__(
        self,
        bench: Workbench,
        race: Race,
        preference: Callable[[Score], float],
        objectives: Sequence[Cost] = (),
        aside: Callable[[], int] = lambda: 0,
    ) -> None:
        self._bench, self._race, self._preference, self._objectives = bench, race, preference, objectives
        self._aside = aside
        self.rows: tuple[Example, ...] = tuple(shuffled(bench.dev, bench.rng("order of dev in races")))
        self._seen: dict[Candidate, int] = {bench.student: len(self.rows)}
        self._raced: set[Candidate] = {bench.student}
        self._races = 0
        self._costs: dict[tuple[Candidate, tuple[str, ...]], tuple[float, ...]] = {}

    @property
    def first_block(self) -> tuple[Example, ...]:
        """The rows on which every candidate is scored first, whatever the race."""
        return self.rows[: min(self._race.rungs(len(self.rows), 0))]

    @property
    def left(self) -> int:
        """Executions that arms and races may spend."""
        return max(0, self._bench.remaining.expected - self._aside())

    @property
    def has_room(self) -> bool:
        """Whether a new candidate could be seen through to the last row."""
        return self.left >= len(self.rows)

    @property
    def incumbent(self) -> Candidate:
        return self._bench.known[0].candidate

    def front(self) -> list[Point]:
        """What is known on all of dev, without what another one beats in everything; without objectives the best."""
        if not self._objectives:
            return [Point(self._bench.known[0], ())]
        return pareto([self._point(score) for score in self._bench.known])

    def note(self, candidates: Sequence[Candidate]) -> None:
        """Candidates that were scored on the first block."""
        for candidate in candidates:
            self._seen.setdefault(candidate, len(self.first_block))

    def has_seen(self, candidate: Candidate) -> bool:
        return candidate in self._seen

    def has_raced(self, candidate: Candidate) -> bool:
        return candidate in self._raced

    def best_first(self, made: Sequence[Made]) -> list[Made]:
        """By what is known of each, and then those of which nothing is; of equals the one that was made first."""

        def place(one: Made) -> float:
            return -self.ran(one.candidate).value if self.has_seen(one.candidate) else math.inf

        return sorted(made, key=place)

    def known(self) -> list[Score]:
        """All that were scored on the first block, with these scores; best on all of dev first, then by estimate."""
        whole = dict.fromkeys(score.candidate for score in self._bench.known)
        others = [self.ran(candidate) for candidate in self._seen if candidate not in whole]
        others.sort(key=lambda ran: -ran.value)
        return self._bench.score([*whole, *(ran.candidate for ran in others)], self.first_block)

    def run(self, entries: Sequence[Made]) -> None:
        """Races the entries, best guess first among equals. Those that stay to the end are recorded.

        No more go on to a block than can be seen through to the last row: a score on all rows is what counts.
        """
        total = len(self.rows)
        running = list(entries)
        # Also those that were dropped before: who is best by now was chosen among them, on these very rows.
        rivals = len({*self._seen, *(entry.candidate for entry in entries)})
        rungs = self._race.rungs(total, self._races)
        for rung in rungs:
            running = running[: self._affordable(running, rung)]
            if not running:
                break
            self._score(running, rung)
            self._raced.update(entry.candidate for entry in running)
            if rung < total:
                running = self._staying(running, rung, rivals, tuple(rungs[:-1]))
        self._races += 1

    def ran(self, candidate: Candidate) -> Ran:
        rows = self._seen[candidate]
        (score,) = self._bench.score([candidate], self.rows[:rows])
        costs = self._point(score).costs
        if rows == len(self.rows):
            return Ran(candidate, rows, self._preference(score), costs)
        best = self._bench.known[0]
        (on_same,) = self._bench.score([best.candidate], self.rows[:rows])
        return Ran(candidate, rows, self._preference(best) + score.mean - on_same.mean, costs)

    def _score(self, running: Sequence[Made], rung: int) -> None:
        if rung < len(self.rows):
            self._bench.score([entry.candidate for entry in running], self.rows[:rung])
            for entry in running:
                self._seen[entry.candidate] = max(rung, self._seen.get(entry.candidate, 0))
            return
        # One after the other, best first: when the budget ends here, what was scored counts.
        for entry in running:
            self._bench.score([entry.candidate], origin=entry.origin, parents=[entry.parent])
            self._seen[entry.candidate] = rung

    def _staying(self, running: Sequence[Made], seen: int, rivals: int, looks: tuple[int, ...]) -> list[Made]:
        rows, runners = self.rows[:seen], [entry.candidate for entry in running]
        known = [point.score.candidate for point in self.front()]
        points = [self._point(score) for score in self._bench.score([*runners, *known], rows)]
        field = Field(
            tuple(self._normalised(point.score) for point in points[: len(running)]),
            tuple(self._bar(point, points) for point in points[: len(running)]),
            rivals,
            looks,
        )
        return [running[number] for number in self._race.staying(field)]

    def _bar(self, runner: Point, points: Sequence[Point]) -> list[float]:
        measures = [other for other in points if other.costs_no_more_than(runner)]
        return self._normalised(max(measures, key=lambda point: point.score.mean).score)

    def _normalised(self, score: Score) -> list[float]:
        low, high = self._bench.score_range
        return [(value - low) / (high - low) for value in score.values]

    def _point(self, score: Score) -> Point:
        """With its costs, reckoned once: outcomes are read from the run folder, and not at all when the budget
        has ended."""
        mark = score.candidate, score.examples
        if mark not in self._costs:
            self._costs[mark] = tuple(cost.of(self._bench, score) for cost in self._objectives)
        return Point(score, self._costs[mark])

    def _affordable(self, running: Sequence[Made], rung: int) -> int:
        """How many can run this block, if one of two that do is then seen through, and one at least if that one can."""
        left, rest = self.left, len(self.rows) - rung
        blocks = [max(0, rung - self._seen.get(entry.candidate, 0)) for entry in running]
        if not blocks or left < blocks[0] + rest:
            return 0
        costs = accumulate(block + rest / 2 for block in blocks)
        return max(1, sum(cost <= left for cost in costs))
