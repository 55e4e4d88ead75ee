"""Is the reported gain true? Thousands of compiles of simulated tasks whose true gains are known.

    python benchmarks/honesty.py                        1000 whole compiles a task and 5000 by the short cut: an hour
    python benchmarks/honesty.py --whole 20             a few minutes
    python benchmarks/honesty.py --plot docs/honesty.svg

A simulated program is right on a row or not by a fixed pseudo-random draw of run, row and instruction, so that the
true gain of every instruction is known exactly: it is the expectation over all rows. "whole" goes through
`burnish.compile` with a scripted LM. "short cut" calls the same splits, comparison and verdict without the machinery in
between; on equal runs both must give the same verdict, which is checked.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import burnish
from burnish.compiler.evidence import Verdict, compare, decide, same_program
from burnish.compiler.splits import split
from burnish.signatures.example import Example
from burnish.teleprompters.base import Forecast, Round, Sizes, Teleprompter, Workbench
from burnish.testing import ScriptedLM

ROWS = 100  # split into 30 to search on, 30 to select on, 40 to report on
STUDENT = 0.6  # chance that the student is right on a row
DISCORDANT = 0.25  # share of rows on which an instruction and the student differ
BUDGET = 700  # calls: enough for every instruction on all of dev and for the final comparison
TASKS = {"null": 0.0, "+5 points": 0.05, "+15 points": 0.15}


def truths(gain: float) -> tuple[float, ...]:
    """The true gains of the instructions that the search proposes: half of them bring nothing, half bring the gain."""
    return (0.0, 0.0, gain, gain)


@dataclass(frozen=True)
class Simulation:
    """One compile. truth: the finalist's true gain. dev_gain: its gain on the rows that it was selected on."""

    verdict: Verdict
    truth: float
    dev_gain: float


# the simulated task


@lru_cache(maxsize=100_000)
def draw(key: str) -> float:
    """A number from 0 to 1 that depends on the key alone."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:7], "big") / 256**7


def is_right(run: int, row: int, variant: int | None, gain: float) -> bool:
    """Whether the student (variant None) or an instruction with that true gain is right on a row of a run."""
    right = draw(f"{run} {row}") < STUDENT
    if variant is None:
        return right
    change = draw(f"{run} {row} {variant}")
    if right:
        return change >= (DISCORDANT - gain) / 2 / STUDENT
    return change < (DISCORDANT + gain) / 2 / (1 - STUDENT)


def rows(run: int) -> list[dict[str, str]]:
    return [{"text": f"item {run}-{row}", "label": "yes"} for row in range(ROWS)]


# by the short cut


def short_cut(gain: float, run: int) -> Simulation:
    """The search as arithmetic, with the splits, the comparison and the verdict of a compile."""
    splits = split([Example.of(row, ("text",)) for row in rows(run)], seed=run)
    dev, held = ([int(e.values["text"].split("-")[1]) for e in part] for part in (splits.dev, splits.holdout))
    gains = truths(gain)

    def scores(variant: int | None, numbers: Sequence[int]) -> list[float]:
        return [float(is_right(run, n, variant, 0.0 if variant is None else gains[variant])) for n in numbers]

    on_dev = {variant: math.fsum(scores(variant, dev)) / len(dev) for variant in (None, *range(len(gains)))}
    best = max(on_dev, key=lambda variant: on_dev[variant])  # the student first, then in order
    if best is None:
        return Simulation(same_program(), 0.0, 0.0)
    verdict = decide(compare(scores(None, held), scores(best, held)))
    return Simulation(verdict, gains[best], on_dev[best] - on_dev[None])


# through compile()


@dataclass(frozen=True)
class Variants(Teleprompter):
    """Proposes so many instructions at once and scores them all."""

    count: int

    def search(self, bench: Workbench) -> Iterator[Round]:
        (predictor,) = bench.student.predictors
        proposed = bench.admit(bench.student, predictor, [f"variant {number}" for number in range(self.count)])
        yield Round("all", tuple(proposed), max(bench.score(proposed), key=lambda score: score.mean))

    def forecast(self, sizes: Sizes) -> Forecast:
        return Forecast(0, self.count * sizes.dev, f"{self.count} instructions on all of dev")


def whole(gain: float, run: int) -> Simulation:
    """The same run through `burnish.compile`."""
    gains = truths(gain)

    def respond(messages: list[dict[str, object]], body: dict[str, object]) -> str:
        variant = re.search(r"variant (\d+)", str(messages[0]["content"]))
        item = re.search(r"item (\d+)-(\d+)", str(messages[-1]["content"]))
        assert item is not None
        number = None if variant is None else int(variant[1])
        right = is_right(int(item[1]), int(item[2]), number, 0.0 if number is None else gains[number])
        return f"[[ ## label ## ]]\n{'yes' if right else 'no'}\n\n[[ ## completed ## ]]"

    with tempfile.TemporaryDirectory() as folder:
        os.environ["BURNISH_CACHE_DIR"] = f"{folder}/cache"
        compiled = burnish.compile(
            burnish.Predict("text -> label"),
            trainset=burnish.load_examples(rows(run), inputs=["text"]),
            metric=burnish.exact_match("label"),
            lm=ScriptedLM(respond, model=f"simulated {gain}", max_tokens=16),
            teleprompter=Variants(len(gains)),
            budget=burnish.Budget(calls=BUDGET),
            run_dir=f"{folder}/run",
            seed=run,
            progress=False,
        )
    if not compiled.verdict.pairs:
        return Simulation(compiled.verdict, 0.0, 0.0)
    variant = re.search(r"variant (\d+)", compiled.finalist().show())
    assert variant is not None
    dev = compiled.document["evidence"]["dev"]
    return Simulation(compiled.verdict, gains[int(variant[1])], dev["best"] - dev["student"])


# what came out


@dataclass(frozen=True)
class Summary:
    """Of many compiles of one task. Errors are standard errors of the simulation.

    compared: how many found a finalist better on dev. bias: mean of .gain minus the finalist's true gain, over those.
    dev_bias: the same for the gain on the rows it was selected on, which Burnish does not report. false_ships: shipped
    though the finalist brings nothing, as a share of all. ships: share of all. coverage: intervals that hold the
    finalist's true gain, as a share of those compared.
    """

    simulations: int
    compared: int
    bias: float
    bias_error: float
    dev_bias: float
    false_ships: float
    ships: float
    coverage: float

    def __str__(self) -> str:
        return (
            f"{self.simulations:6d} {self.compared:8d} {100 * self.bias:+7.2f} ±{100 * self.bias_error:.2f} "
            f"{100 * self.dev_bias:+9.2f} {100 * self.false_ships:10.2f} % {100 * self.ships:6.1f} % "
            f"{100 * self.coverage:8.2f} %"
        )


HEADER = " " * 22 + "   runs compared  bias of .gain  dev bias  false ships    ships  coverage"


def summarize(simulations: Sequence[Simulation]) -> Summary:
    compared = [one for one in simulations if one.verdict.pairs]
    errors = [(one.verdict.gain or 0.0) - one.truth for one in compared]
    bias = _mean(errors)
    covered = [one for one in compared if one.verdict.interval and _holds(one.verdict.interval, one.truth)]
    shipped = [one for one in simulations if one.verdict.decision == "ship"]
    return Summary(
        simulations=len(simulations),
        compared=len(compared),
        bias=bias,
        bias_error=math.sqrt(_mean([(error - bias) ** 2 for error in errors]) / max(1, len(errors))),
        dev_bias=_mean([one.dev_gain - one.truth for one in compared]),
        false_ships=sum(one.truth <= 0 for one in shipped) / len(simulations),
        ships=len(shipped) / len(simulations),
        coverage=len(covered) / max(1, len(compared)),
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / max(1, len(values))


def _holds(interval: tuple[float, float], gain: float) -> bool:
    return interval[0] <= gain <= interval[1]


def plot(results: dict[str, Sequence[Simulation]], path: Path) -> None:
    """How far the gain on dev and the reported gain are from the truth: cumulative curves, one panel a task."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams["svg.hashsalt"] = "honesty"  # equal runs give equal files
    figure, panels = plt.subplots(1, len(results), figsize=(11, 3.6), sharey=True, layout="constrained")
    for panel, (task, simulations) in zip(panels, results.items(), strict=True):
        compared = [one for one in simulations if one.verdict.pairs]
        for label, colour, errors in (
            ("on the rows it was selected on", "#d98c3f", [100 * (o.dev_gain - o.truth) for o in compared]),
            ("reported, on the holdout", "#2f6f9f", [100 * ((o.verdict.gain or 0.0) - o.truth) for o in compared]),
        ):
            panel.ecdf(errors, color=colour, linewidth=2, label=label)
            panel.axvline(_mean(errors), color=colour, linestyle="--", linewidth=1.2)
        panel.axvline(0, color="black", linewidth=0.8)
        summary = summarize(simulations)
        panel.set_title(
            f"{task}: {100 * summary.false_ships:.1f} % false ships, {100 * summary.coverage:.1f} % covered", fontsize=9
        )
        panel.set_xlim(-30, 35)
        panel.set_xlabel("gain minus true gain, points (dashed: mean)")
    panels[0].set_ylabel("share of compiles at or below")
    panels[0].legend(fontsize=8, loc="lower right")
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description="Simulated compiles of tasks whose true gains are known.")
    parser.add_argument("--simulations", type=int, default=5000, help="a task, by the short cut (default 5000)")
    parser.add_argument("--whole", type=int, default=1000, help="a task, through compile() (default 1000)")
    parser.add_argument("--plot", type=Path, help="where the plot goes, an .svg or .png")
    chosen = parser.parse_args()
    print(HEADER)
    results: dict[str, Sequence[Simulation]] = {}
    for task, gain in TASKS.items():
        results[task] = [short_cut(gain, run) for run in range(chosen.simulations)]
        print(f"{task:11s} short cut  {summarize(results[task])}", flush=True)
        if not chosen.whole:
            continue
        through = []
        for run in range(chosen.whole):
            one = whole(gain, run)
            if str(one) != str(short_cut(gain, run)):
                raise SystemExit(f"run {run} of {task}: compile() gave {one}, the short cut {short_cut(gain, run)}")
            through.append(one)
        print(f"{task:11s} whole      {summarize(through)}", flush=True)
    if chosen.plot:
        plot(results, chosen.plot)
        print(f"plot: {chosen.plot}")


if __name__ == "__main__":
    main()
