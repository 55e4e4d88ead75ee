"""How far from the best combination of parts do searches stay, at the same number of calls?

    python benchmarks/joint_simulated.py                             30 worlds a task: about a quarter of an hour
    python benchmarks/joint_simulated.py --quick                     3 worlds, small budgets: seconds
    python benchmarks/joint_simulated.py --plot docs/joint_regret.svg

Worlds are simulated (see `simulated.py`): the true accuracy of every combination is known, and what a search sees of it
are 0/1 scores on the rows of dev. All searches begin with the student's parts. An instruction becomes known for one
request to the optimizer LM, a demonstration set for nothing; then trying it costs a call a row. Regret is what the
best combination of the universe has over the one that the search would ship, in points of true accuracy.
`Joint` is run anew for each budget, for it plans with it; the others do not, and are cut off.
"""

from __future__ import annotations

import argparse
import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, TypeAlias

from simulated import (
    BEST,
    FORMATS,
    INSTRUCTIONS,
    SETS,
    SLOTS,
    STUDENT,
    SURFACES,
    Choice,
    Combination,
    Instructions,
    Sets,
    SetsInFormats,
    SimulatedBench,
    World,
)

from burnish.signatures.errors import BudgetSpent
from burnish.teleprompters.joint.joint import Joint
from burnish.teleprompters.joint.study import PartStudy, tpe

BUDGETS = (100, 200, 400, 800, 1600, 3200)
SIZES = ((1, 30), (1, 50), (2, 50), (2, 100), (4, 100), (2, 200))  # predictors, rows of dev
TRIES = 5  # that TPE has for a combination that was not tried

Place: TypeAlias = tuple[str, str]  # predictor, kind of part
Strategy: TypeAlias = Callable[[SimulatedBench], None]
Cell: TypeAlias = tuple[str, int, int]  # surface, predictors, rows
Regrets: TypeAlias = list[list[float]]  # by world and budget


# the searches


class Parts:
    """The parts that a plain search knows by number. They become known at the same price as those of `Joint`."""

    def __init__(self, bench: SimulatedBench) -> None:
        self.bench, self.turn, self.rng = bench, 0, bench.rng("parts")
        self.pools: dict[Place, list[int]] = {(path, kind): [0] for path in bench.world.paths for kind in SLOTS}
        for path in bench.world.paths:
            self.pools[path, "format"] = list(range(len(FORMATS)))

    def grow(self) -> None:
        """One more instruction and one more set, for one predictor after the other."""
        path = self.bench.world.paths[self.turn % len(self.bench.world.paths)]
        self.turn += 1
        for kind in ("instruction", "demonstrations"):
            self.add(path, kind)

    def add(self, path: str, kind: str) -> None:
        pool = self.pools[path, kind]
        if len(pool) < {"format": len(FORMATS), "instruction": INSTRUCTIONS, "demonstrations": SETS}[kind]:
            if kind == "instruction":
                self.bench.ask([[{"role": "user", "content": path}]], purpose="an instruction")
            pool.append(len(pool))

    def at_random(self) -> Combination:
        return self.together({place: pool[int(self.rng.random() * len(pool))] for place, pool in self.pools.items()})

    def together(self, chosen: Mapping[Place, int]) -> Combination:
        return tuple((chosen[p, "format"], chosen[p, "instruction"], chosen[p, "demonstrations"]) for p in self._paths)

    @property
    def _paths(self) -> tuple[str, ...]:
        return self.bench.world.paths


def score(bench: SimulatedBench, combination: Combination) -> float:
    return bench.score([bench.world.candidate(combination)])[0].mean


def random_search(bench: SimulatedBench) -> None:
    """Combinations of the known parts at random, each on all of dev."""
    bench.score([bench.student])
    parts = Parts(bench)
    while True:
        parts.grow()
        score(bench, parts.at_random())


def tpe_search(bench: SimulatedBench) -> None:
    """Combinations that Optuna's TPE asks for, one after the other, each on all of dev."""
    parts, tried = Parts(bench), set[Combination]()
    study = PartStudy(tpe, int(bench.rng("tpe").random() * 2**32))

    def tell(combination: Combination) -> None:
        tried.add(combination)
        numbers = [(path, one) for path, one in zip(bench.world.paths, combination, strict=True)]
        names = {f"{path} {kind}": str(n) for path, one in numbers for kind, n in zip(SLOTS, one, strict=True)}
        study.tell(names, score(bench, combination))

    tell(tuple((0, 0, 0) for _ in bench.world.paths))
    while True:
        parts.grow()
        combination = parts.at_random()
        for _ in range(TRIES):
            (names,) = study.ask({f"{p} {k}": [str(n) for n in pool] for (p, k), pool in parts.pools.items()}, 1)
            asked = parts.together({(p, k): int(names[f"{p} {k}"]) for p, k in parts.pools})
            if asked not in tried:
                combination = asked
                break
        if combination not in tried:
            tell(combination)


def coordinate_search(bench: SimulatedBench) -> None:
    """One slot after the other: all its parts beside the best there is, each on all of dev; until nothing is new."""
    bench.score([bench.student])
    parts, tried = Parts(bench), -1
    while tried != len(bench.rows_seen):
        tried = len(bench.rows_seen)
        for place, path in enumerate(bench.world.paths):
            for kind, most in (("format", len(FORMATS)), ("demonstrations", SETS), ("instruction", INSTRUCTIONS)):
                start = bench.world.combination(bench.known[0].candidate)
                for number in range(most):
                    if number >= len(parts.pools[path, kind]):
                        parts.add(path, kind)
                    changed = dict(zip(SLOTS, start[place], strict=True)) | {kind: number}
                    one: Choice = (changed["format"], changed["instruction"], changed["demonstrations"])
                    score(bench, (*start[:place], one, *start[place + 1 :]))


def joint(bench: SimulatedBench, **settings: Any) -> None:
    search = Joint(proposers=(Instructions(),), selectors=(SetsInFormats(bench), Sets(bench)), **settings)
    for _ in search.search(bench):
        pass


STRATEGIES: dict[str, Strategy] = {
    "Joint": joint,
    "random": random_search,
    "TPE": tpe_search,
    "coordinate": coordinate_search,
}


# the runs


def run(strategy: Strategy, surface: str, predictors: int, rows: int, seed: int, budget: int) -> SimulatedBench:
    bench = SimulatedBench(World(surface, predictors, rows, seed), budget, seed)
    with contextlib.suppress(BudgetSpent):
        strategy(bench)
    return bench


def at(bench: SimulatedBench, budget: int) -> float:
    """The regret of what the search had as its best when so many calls were spent."""
    return BEST - [STUDENT, *(accuracy for calls, accuracy in bench.picks if calls <= budget)][-1]


def regrets(name: str, cell: Cell, budgets: Sequence[int], worlds: int, dropped: list[float]) -> Regrets:
    """dropped: gets the share of each `Joint`'s executions that told nothing of what came out in the end."""
    found = []
    for seed in range(worlds):
        if name == "Joint":
            benches = [run(joint, *cell, seed, budget) for budget in budgets]
            dropped += [bench.share_dropped for bench in benches if bench.budget >= 4 * len(bench.dev)]
        else:
            benches = [run(STRATEGIES[name], *cell, seed, budgets[-1])] * len(budgets)
        found.append([at(bench, budget) for bench, budget in zip(benches, budgets, strict=True)])
    return found


def needed(curve: Sequence[float], regret: float, budgets: Sequence[int]) -> float:
    """Calls until the mean regret is as low as that: between two budgets by the logarithm; inf: more than the last."""
    for number, value in enumerate(curve):
        if value <= regret:
            if not number:
                return budgets[0]
            before, after = curve[number - 1], value
            share = (before - regret) / (before - after) if before > after else 1.0
            return math.exp(math.log(budgets[number - 1]) + share * math.log(budgets[number] / budgets[number - 1]))
    return math.inf


def plot(results: Mapping[Cell, Mapping[str, Regrets]], budgets: Sequence[int], path: Path) -> None:
    """Mean regret against calls, a panel a task."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams["svg.hashsalt"] = "joint"  # equal runs give equal files
    colours = dict(zip(STRATEGIES, ("#2f6f9f", "#999999", "#d98c3f", "#5a9a5a"), strict=True))
    sizes = list(dict.fromkeys(cell[1:] for cell in results))
    surfaces = list(dict.fromkeys(cell[0] for cell in results))
    figure, panels = plt.subplots(
        len(surfaces), len(sizes), figsize=(2.6 * len(sizes), 2.3 * len(surfaces)), sharex=True, sharey=True,
        layout="constrained", squeeze=False,
    )  # fmt: skip
    for (surface, *size), by_name in results.items():
        panel = panels[surfaces.index(surface)][sizes.index((size[0], size[1]))]
        for name, found in by_name.items():
            means = [100 * fmean(column) for column in zip(*found, strict=True)]
            errors = [100 * stdev(column) / math.sqrt(len(column)) for column in zip(*found, strict=True)]
            panel.errorbar(budgets, means, errors, color=colours[name], linewidth=1.6, elinewidth=0.8, label=name)
        panel.set_xscale("log", base=2)
        panel.set_xticks(budgets, [str(budget) for budget in budgets], fontsize=6)
        panel.set_title(f"{surface}, {size[0]} predictor(s), {size[1]} rows", fontsize=8)
    panels[0][0].legend(fontsize=7)
    figure.supxlabel("calls", fontsize=9)
    figure.supylabel("regret, points of true accuracy", fontsize=9)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description="Regret against calls of searches over parts, on simulated tasks.")
    parser.add_argument("--worlds", type=int, default=30, help="a task (default 30)")
    parser.add_argument("--quick", action="store_true", help="3 worlds, and no more than 400 calls")
    parser.add_argument("--plot", type=Path, help="where the plot goes, an .svg or .png")
    chosen = parser.parse_args()
    worlds, budgets = (3, BUDGETS[:3]) if chosen.quick else (max(2, chosen.worlds), BUDGETS)
    print(
        f"Regret in points ± standard error over {worlds} worlds, by calls. needs: calls of Joint for the last regret"
    )
    print("of this search, as a share of the calls that it had; > where Joint never came so low.\n")
    print(f"{'surface':9s} predictors rows {'search':10s} " + "".join(f"{b:>11d}" for b in budgets) + "   needs")
    results: dict[Cell, dict[str, Regrets]] = {}
    dropped: list[float] = []
    kept: list[bool] = []
    for surface in SURFACES:
        for size in SIZES:
            cell = (surface, *size)
            results[cell] = {}
            for name in STRATEGIES:
                found = results[cell][name] = regrets(name, cell, budgets, worlds, dropped)
                columns = list(zip(*found, strict=True))
                shown = [f"{100 * fmean(c):5.1f} ±{100 * stdev(c) / math.sqrt(worlds):3.1f}" for c in columns]
                share = needed(_means(results[cell]["Joint"]), fmean(columns[-1]), budgets) / budgets[-1]
                kept += [share <= 0.5] if name != "Joint" else []
                needs = "" if name == "Joint" else f"{share:.0%}" if share <= 1 else "> 100%"
                print(
                    f"{surface:9s} {size[0]:10d} {size[1]:4d} {name:10s} " + " ".join(shown) + f"{needs:>8s}",
                    flush=True,
                )
    print(
        f"\nJoint needs at most half the calls in {sum(kept)} of {len(kept)} comparisons. Of its executions, where the"
    )
    print(
        f"budget is at least 4 times dev, {fmean(dropped):.0%} went to candidates dropped later or to taking parts out."
    )
    if chosen.plot:
        plot(results, budgets, chosen.plot)
        print(f"plot: {chosen.plot}")


def _means(found: Regrets) -> list[float]:
    return [fmean(column) for column in zip(*found, strict=True)]


if __name__ == "__main__":
    main()
