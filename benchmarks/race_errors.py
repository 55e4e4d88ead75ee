"""Does a race keep the error that it states, and how many rows does it take to drop what is worse?

    python benchmarks/race_errors.py            1000 runs of each kind: some minutes
    python benchmarks/race_errors.py --quick    100 runs

One rival: a candidate runs against one that is as good and was not chosen for its luck. Null: 50 candidates that are
all right on a row with the same chance come one after the other, a few in a race, and are compared with the best so
far after every block, as `Joint` does it. Whoever is dropped is dropped wrongly. Beside the races stand tests at
p < 0.1 after every block, uncorrected: the sign test and Wilcoxon's signed ranks on the same rows. Power: one candidate
that is worse than the best by so many points runs against it alone.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

from simulated import INSTRUCTIONS, SETS, Combination, SimulatedBench, World

from burnish.teleprompters.base import Origin
from burnish.teleprompters.joint.arm_bench import Made
from burnish.teleprompters.joint.race import Field, Paired, Pocock, Race
from burnish.teleprompters.joint.track import Track

ROWS = 100
CANDIDATES, TOGETHER = 50, 4
ERROR = 0.1
LEVEL = 0.6  # chance of being right
AHEAD = 0.05  # of the one that is truly the best, where there is one
WORSE = (0.1, 0.2, 0.4)
RIVALS = (2, 50)
COMBINATIONS = tuple(((0, i, s),) for s in range(1, SETS) for i in range(1, INSTRUCTIONS))


class Flat(World):
    """All candidates are right with the same chance, but for those that are named here. better: by how much."""

    def __init__(self, rows: int, seed: int, better: Mapping[Combination, float]) -> None:
        self.better = better
        super().__init__("additive", 1, rows, seed)

    def accuracy(self, combination: Combination) -> float:
        return LEVEL + self.better.get(combination, 0.0)


@dataclass(frozen=True)
class SignTest(Race):
    """Drops what is worse than the best on the same rows at p < error, by the sign test, one-sided. Uncorrected."""

    error: float = ERROR
    first: int | None = None

    def staying(self, field: Field) -> list[int]:
        return [n for n in field.ranking if self._p(field.bars[n], field.runners[n]) >= self.error]

    def _p(self, best: Sequence[float], other: Sequence[float]) -> float:
        losses = sum(a > b for a, b in zip(best, other, strict=True))
        differing = losses + sum(a < b for a, b in zip(best, other, strict=True))
        return sum(math.comb(differing, k) for k in range(losses, differing + 1)) / float(2**differing)


@dataclass(frozen=True)
class Wilcoxon(Race):
    """The same by Wilcoxon's signed ranks: on 0/1 scores all ranks are tied. Normal approximation."""

    error: float = ERROR
    first: int | None = None

    def staying(self, field: Field) -> list[int]:
        return [n for n in field.ranking if self._p(field.bars[n], field.runners[n]) >= self.error]

    def _p(self, best: Sequence[float], other: Sequence[float]) -> float:
        differences = [a - b for a, b in zip(best, other, strict=True) if a != b]
        if not differences:
            return 1.0
        return 0.5 * math.erfc(sum(differences) / math.sqrt(2 * len(differences)))


RACES: dict[str, Race] = {
    "Paired(0.1)": Paired(ERROR),
    "Pocock(0.1)": Pocock(ERROR),
    "Pocock(0.6)": Pocock(0.6),
    "sign test": SignTest(),
    "Wilcoxon": Wilcoxon(),
}


def dropped(race: Race, seed: int, better: Mapping[Combination, float]) -> list[bool]:
    """One search: which of the candidates, in the order in which they came, were dropped."""
    world = Flat(ROWS, seed, better)
    bench = SimulatedBench(world, 10 * CANDIDATES * ROWS, seed)
    bench.score([bench.student])
    track = Track(bench, race, lambda score: score.mean)
    candidates = [world.candidate(combination) for combination in COMBINATIONS[:CANDIDATES]]
    for first in range(0, CANDIDATES, TOGETHER):
        origin = Origin("null", "made")
        track.run([Made(one, bench.student, origin) for one in candidates[first : first + TOGETHER]])
    return [len(bench.rows_seen[one.digest]) < ROWS for one in candidates]


def rows_until_dropped(race: Race, seed: int, worse: float, rivals: int, rows: int = 400) -> int:
    """Of one candidate that runs against the best alone; all rows when it is not dropped."""
    world = Flat(rows, seed, {COMBINATIONS[0]: -worse})
    runner, leader = (world.right(one).astype(float).tolist() for one in (COMBINATIONS[0], COMBINATIONS[1]))
    rungs = race.rungs(rows, 0)
    for seen in rungs[:-1]:
        bar = max(leader[:seen], runner[:seen], key=sum)
        if not race.staying(Field((runner[:seen],), (bar,), rivals, tuple(rungs[:-1]))):
            return seen
    return rows + 1


def main() -> None:
    parser = argparse.ArgumentParser(description="How often races drop what is as good as the best, and what is worse.")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--quick", action="store_true", help="100 runs")
    chosen = parser.parse_args()
    runs = 100 if chosen.quick else chosen.runs
    print(f"{CANDIDATES} candidates, {TOGETHER} at a time, on {ROWS} rows. {runs} runs.\n")
    print("dropped wrongly, % of runs ± standard error")
    print("             against one rival   an equal one of 50   the best, 5 points ahead   any of the equal ones")
    best: dict[Combination, float] = {COMBINATIONS[CANDIDATES // 2]: AHEAD}
    for name, race in RACES.items():
        null = [dropped(race, seed, {}) for seed in range(runs)]
        ahead = [dropped(race, seed, best)[CANDIDATES // 2] for seed in range(runs)]
        each, some = [sum(one) / CANDIDATES for one in null], [float(any(one)) for one in null]
        alone = [float(rows_until_dropped(race, seed, 0.0, 1, ROWS) <= ROWS) for seed in range(runs)]
        shown = [_percent(alone), _percent(each), _percent([float(one) for one in ahead]), _percent(some)]
        print(f"{name:11s} {shown[0]:>18s} {shown[1]:>20s} {shown[2]:>26s} {shown[3]:>23s}", flush=True)
    print("\nrows until one that runs against the best is dropped, of 400: median, 90th percentile")
    print("                      " + "".join(f"{100 * worse:8.0f} points worse" for worse in WORSE))
    for name, race in RACES.items():
        for rivals in RIVALS if isinstance(race, Paired) else RIVALS[:1]:
            cells = []
            for worse in WORSE:
                seen = sorted(rows_until_dropped(race, seed, worse, rivals) for seed in range(runs))
                cells.append(f"{_rows(seen[runs // 2]):>10s} {_rows(seen[9 * runs // 10]):>10s}")
            label = f"{name}, {rivals} rivals" if isinstance(race, Paired) else name
            print(f"{label:22s}" + "".join(cells), flush=True)


def _percent(values: Sequence[float]) -> str:
    return f"{100 * fmean(values):.2f} ±{100 * pstdev(values) / math.sqrt(len(values)):.2f}"


def _rows(count: int) -> str:
    return "> 400" if count > 400 else str(count)


if __name__ == "__main__":
    main()
