"""Which selector finds the best of many instructions most often, at the same number of executions?

    python benchmarks/bandits.py                        about four minutes
    python benchmarks/bandits.py --runs 800             twice as sure
    python benchmarks/bandits.py --exploration 0.1 10   UCB-E with these too

An arm is an instruction that is right on a row with a fixed chance, a pull its run on one row. The draw of an arm on a
row is the same for every selector, gap and budget of a run, so that all comparisons are paired. A run counts for a
selector when the arm that it ranks first is the best one.
"""

from __future__ import annotations

import argparse
import math
import random
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from burnish.teleprompters.bandits import (
    UCB,
    UCBE,
    Contest,
    Filtering,
    Pull,
    Selector,
    SuccessiveHalving,
    SuccessiveRejects,
    Uniform,
)

ARMS = (8, 16, 32, 64)
GAPS = (0.02, 0.05, 0.1, 0.2)  # between the best arm and the next
BUDGETS = (10, 25, 50, 100)  # pulls an arm
SHAPES = {"flat": "all other arms are equal", "spread": "each arm is a gap below the one before"}
ROWS = 1000  # more than any selector shows an arm, but for the last phases of the largest contests
SURE = 3.0  # standard errors from which a difference is marked: by chance alone, one in 370

# UCB's own defaults are those of a released program, whose rounds end after 33 pulls an arm. Here the share ends them,
# and the exploration is half as much: the whole is for losing little while learning, and leaves little for the best.
SELECTORS: dict[str, Selector] = {
    "uniform": Uniform(),
    "filtering": Filtering(),
    "UCB": UCB(round_limit=10**6, exploration=0.5),
    "UCB-E": UCBE(),
    "rejects": SuccessiveRejects(),
    "halving": SuccessiveHalving(),
}


@dataclass(frozen=True)
class Cell:
    """One contest: its arms, their shape and gap, and the budget."""

    shape: str
    arms: int
    gap: float
    budget: int

    def chances(self) -> list[float]:
        """How often each arm is right, the best first. The next is at 0.5."""
        if self.shape == "flat":
            return [0.5 + self.gap, *[0.5] * (self.arms - 1)]
        return [max(0.05, 0.5 + self.gap - self.gap * rank) for rank in range(self.arms)]


CELLS = [Cell(*key) for key in ((s, k, g, b) for s in SHAPES for k in ARMS for g in GAPS for b in BUDGETS)]

Found: TypeAlias = "npt.NDArray[np.bool_]"  # by run: was the best arm ranked first


# the contests


def simulate(selectors: Mapping[str, Selector], runs: int) -> dict[Cell, dict[str, Found]]:
    results = {cell: {name: np.zeros(runs, dtype=np.bool_) for name in selectors} for cell in CELLS}
    for run in range(runs):
        draws = np.random.default_rng(run).random((max(ARMS), ROWS))
        for cell in CELLS:
            rank = list(range(cell.arms))  # of the arm with each number, the best being 0
            random.Random(f"{run} {cell.arms}").shuffle(rank)
            chances = cell.chances()
            right = draws[: cell.arms] < np.array([[chances[place]] for place in rank])
            for name, selector in selectors.items():
                results[cell][name][run] = rank[first(selector, cell, puller(right), run)] == 0
    return results


def puller(right: Found) -> Callable[[Sequence[int], Sequence[int]], list[list[float]]]:
    def pull(arms: Sequence[int], examples: Sequence[int]) -> list[list[float]]:
        return [[float(value) for value in row] for row in right[np.ix_(arms, examples)].tolist()]

    return pull


def first(selector: Selector, cell: Cell, pull: Pull, run: int) -> int:
    """The arm that the selector ranks first when all is spent."""
    contest = Contest(cell.arms, ROWS, finalists=1, share=cell.arms * cell.budget)
    *_, last = selector.rounds(contest, pull, random.Random(f"selector {run}"))
    return last.ranking[0]


# what came out


@dataclass(frozen=True)
class Lead:
    """How much more often than uniform. error: its standard error, over runs; the draws are the same for both."""

    mean: float
    error: float

    @property
    def mark(self) -> str:
        return "" if abs(self.mean) <= SURE * self.error else "+" if self.mean > 0 else "-"


def lead(found: Sequence[Found], uniform: Sequence[Found]) -> Lead:
    """Over one cell, or the mean over several."""
    by_run = np.mean([one.astype(float) - other for one, other in zip(found, uniform, strict=True)], axis=0)
    return Lead(float(by_run.mean()), float(by_run.std(ddof=1)) / math.sqrt(len(by_run)))


def table(results: Mapping[Cell, Mapping[str, Found]], names: Sequence[str]) -> str:
    lines = []
    for shape, meaning in SHAPES.items():
        lines += [f"{shape}: {meaning}", "arms   gap budget" + "".join(f"{name:>12s}" for name in names)]
        for cell in (cell for cell in CELLS if cell.shape == shape):
            shares = []
            for name in names:
                found = results[cell][name]
                mark = lead([found], [results[cell]["uniform"]]).mark if name != "uniform" else ""
                error = math.sqrt(found.mean() * (1 - found.mean()) / len(found))
                shares.append(f"{100 * found.mean():6.1f} ±{100 * error:3.1f}{mark:1s}")
            lines.append(f"{cell.arms:4d} {cell.gap:5.2f} {cell.budget:6d}" + "".join(f"{s:>12s}" for s in shares))
        lines.append("")
    return "\n".join(lines)


def summary(results: Mapping[Cell, Mapping[str, Found]], names: Sequence[str]) -> str:
    runs = len(results[CELLS[0]]["uniform"])
    sentences = [f"Of {len(CELLS)} contests, {runs} runs each:"]
    for name in names[1:]:
        leads = {cell: lead([results[cell][name]], [results[cell]["uniform"]]) for cell in CELLS}
        better, worse = (sum(one.mark == mark for one in leads.values()) for mark in "+-")
        means = []
        for shape in SHAPES:
            cells = [cell for cell in CELLS if cell.shape == shape]
            over = lead([results[cell][name] for cell in cells], [results[cell]["uniform"] for cell in cells])
            means.append(f"{100 * over.mean:+.1f} ±{100 * over.error:.1f} points where arms are {shape}")
        lowest = min(leads, key=lambda cell: leads[cell].mean)
        sentences.append(
            f"{name} finds the best arm more often than uniform for certain in {better} and less often in {worse}; "
            f"{' and '.join(means)}; its worst contest is {100 * leads[lowest].mean:+.1f} "
            f"±{100 * leads[lowest].error:.1f} ({lowest.shape}, {lowest.arms} arms, gap {lowest.gap}, "
            f"budget {lowest.budget})."
        )
    return " ".join(sentences)


def main() -> None:
    parser = argparse.ArgumentParser(description="Which selector finds the best of many instructions most often?")
    parser.add_argument("--runs", type=int, default=200, help="of each contest (default 200)")
    parser.add_argument("--exploration", type=float, nargs="*", default=[], help="more of UCB-E, with these")
    chosen = parser.parse_args()
    selectors = {**SELECTORS, **{f"UCB-E {value:g}": UCBE(exploration=value) for value in chosen.exploration}}
    results = simulate(selectors, chosen.runs)
    print("Runs in which the best arm was ranked first, in %, ± standard error. budget: pulls an arm, on average.")
    print(f"+ and -: better or worse than uniform by more than {SURE:g} standard errors of the paired difference.\n")
    print(table(results, list(selectors)))
    print(textwrap.fill(summary(results, list(selectors)), 118))


if __name__ == "__main__":
    main()
