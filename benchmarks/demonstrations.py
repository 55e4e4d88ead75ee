"""Does choosing demonstrations beat the best of ten random sets? Pairs of selector and orderer at one budget.

    python benchmarks/demonstrations.py             rebuilds the tables from the recorded replies, without a model
    python benchmarks/demonstrations.py --record    asks the models (600 MB are downloaded once) and records the replies

Every pair has the same rows, the same budget, the same four places for demonstrations and the same program, in the
plain format. What it ends with is the best of its sets on dev; this one is scored on held-out rows, and compared on
each of them with what the best of ten random sets gave. In one table all pairs are compared with the same yardstick, so
each interval is wide enough for all of them to hold together with 95 % (Bonferroni). The budget is a limit: a pair that
has one set to score leaves the rest of it, and the table says how many calls were made.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recordings import Recording, record, score_file

import burnish as b
from burnish.compiler.evidence import LEVEL, Comparison, compare
from burnish.compiler.paired_test import paired_test
from burnish.signatures.examples import Examples
from burnish.teleprompters.demonstrations import (
    BM25,
    DPP,
    AsGiven,
    BySimilarity,
    Composite,
    CoverLS,
    EasyToHard,
    FacilityLocation,
    GlobalE,
    Influence,
    InfoScore,
    KMeans,
    Length,
    Misconfidence,
    MutualInformation,
    Nearest,
    OrderSearch,
    Perplexity,
    Random,
    RandomOrder,
    Reversed,
    SelfGenerated,
    Uncertainty,
    VoteK,
)

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "examples" / "data"
RECORDING = Recording("demonstrations")

SMALL, LARGER = "local/smollm2-135m-instruct", "local/qwen2.5-coder-0.5b-instruct"
BUDGET = 800  # calls, of all kinds; half of it for the larger model
POOL, DEV, HOLDOUT = 60, 20, 80  # rows
K = 4  # demonstrations
YARDSTICK = "best of 10 random"


@dataclass(frozen=True)
class Task:
    """A task by its data file, with the model that runs it.

    classes: whether answers are a few labels, which some of the methods need. is_taught: curricula are part of it.
    only: the pairs beside the yardstick, where not all are run. calls: the budget of each pair.
    """

    name: str
    file: str
    input: str
    output: str
    instruction: str
    model: str = SMALL
    classes: bool = False
    is_taught: bool = False
    only: tuple[str, ...] = ()
    calls: int = BUDGET

    @property
    def program(self) -> object:
        fields = {self.input: b.InputField(), self.output: b.OutputField()}
        types = dict.fromkeys(fields, str)
        signature = type("Task", (b.Signature,), {"__doc__": self.instruction, "__annotations__": types, **fields})
        return b.Predict(signature, format="plain")

    @property
    def lm(self) -> b.LM:
        return b.LM(self.model, max_tokens=16, timeout=1200)

    def rows(self, first: int, count: int) -> Examples:
        lines = (DATA / self.file).read_text("utf-8").splitlines()[first : first + count]
        return b.load_examples([json.loads(line) for line in lines], [self.input])


FOR_THE_LARGER = (  # every kind of method once: a call of the larger model takes four times as long
    "one random set",
    "5 random sets, 2 orders each",
    "BM25",
    "Nearest by TF-IDF",
    "KMeans",
    "DPP",
    "VoteK",
    "Influence",
    "InfoScore by flips",
    "Composite",
    "Misconfidence",
    "MutualInformation",
    "KMeans, GlobalE",
)
SENTIMENT = ("reviews.jsonl", "review", "label", "Classify the review as positive or negative.")
TASKS = (
    Task("sentiment", *SENTIMENT, classes=True, is_taught=True),
    Task("larger animal", "larger_animal.jsonl", "animals", "larger", "Name the larger animal.", is_taught=True),
    Task("plural", "singular_to_plural.jsonl", "singular", "plural", "Write the plural."),
    Task("sentiment, 0.5b", *SENTIMENT, model=LARGER, classes=True, only=FOR_THE_LARGER, calls=400),
)


def pairs(task: Task) -> dict[str, b.Teleprompter]:
    """The yardstick first. A rule has an order of its own; random sets come in random order."""
    found = {
        YARDSTICK: (Random(sets=10), AsGiven()),
        "one random set": (Random(), AsGiven()),
        "5 random sets, 2 orders each": (Random(sets=5), RandomOrder(orders=2)),
        "one random set, OrderSearch": (Random(), OrderSearch()),
        "BM25": (BM25(), AsGiven()),
        "Nearest by TF-IDF": (Nearest(), AsGiven()),
        "KMeans": (KMeans(), AsGiven()),
        "KMeans, OrderSearch": (KMeans(), OrderSearch()),
        "FacilityLocation, BySimilarity": (FacilityLocation(), BySimilarity()),
        "DPP": (DPP(), AsGiven()),
        "DPP, Reversed": (DPP(), Reversed()),
        "VoteK": (VoteK(), AsGiven()),
        "CoverLS": (CoverLS(), AsGiven()),
        "Perplexity": (Perplexity(), AsGiven()),
        "Uncertainty, EasyToHard by length": (Uncertainty(samples=3), EasyToHard(Length())),
        "Influence": (Influence(), AsGiven()),
        "InfoScore by flips": (InfoScore(by="flips"), AsGiven()),
        "Composite": (Composite(by="flips"), AsGiven()),
    }
    if task.classes:
        found |= {
            "Misconfidence": (Misconfidence(), AsGiven()),
            "MutualInformation": (MutualInformation(), AsGiven()),
            "SelfGenerated": (SelfGenerated(), AsGiven()),
            "KMeans, GlobalE": (KMeans(), GlobalE()),
        }
    if task.is_taught:  # "one random set" is the third order of this same set
        found |= {
            "one random set, EasyToHard": (Random(), EasyToHard()),
            "one random set, hard to easy": (Random(), EasyToHard(hard_first=True)),
        }
    made: dict[str, b.Teleprompter] = {
        name: b.Demonstrations(select=select, order=order, k=K) for name, (select, order) in found.items()
    }
    if task.is_taught:
        made["CurriculumICL"] = b.CurriculumICL(k=K)
    return {name: search for name, search in made.items() if not task.only or name in (YARDSTICK, *task.only)}


@dataclass(frozen=True)
class Result:
    """What a pair ended with: its scores on the held-out rows, and the calls of the compile.

    shows: how many demonstrations, "rule", or "none" where no set beat the bare program on dev, which is scored then.
    orders: of a curriculum, the means on dev of the orders that it compared, set by set. won: the order that the file
    of what was found says it has.
    """

    task: str
    pair: str
    scores: tuple[float, ...]
    calls: int
    shows: str
    orders: tuple[Mapping[str, float], ...] = ()
    won: str = ""

    @property
    def mean(self) -> float:
        return sum(self.scores) / len(self.scores)


@dataclass(frozen=True)
class Against:
    """A pair beside the yardstick. interval: holds together with those of all other pairs of the task."""

    comparison: Comparison
    interval: tuple[float, float]

    @classmethod
    def of(cls, yardstick: Result, pair: Result, comparisons: int) -> Against:
        comparison = compare(yardstick.scores, pair.scores)
        level = 1 - (1 - LEVEL) / comparisons
        test = paired_test(comparison.wins, comparison.losses, comparison.n, level)
        return cls(comparison, test.interval)

    @property
    def verdict(self) -> str:
        low, high = self.interval
        return "better" if low > 0 else "worse" if high < 0 else "undecided"


def run(task: Task, name: str, search: b.Teleprompter) -> Result:
    """One compile under the budget; then the held-out rows, with what the search found best whatever the verdict."""
    holdout = task.rows(POOL + DEV, HOLDOUT)
    metric = b.normalized_match(task.output)
    with tempfile.TemporaryDirectory() as folder:
        compiled = b.compile(
            task.program,
            trainset=task.rows(0, POOL),
            valset=task.rows(POOL, DEV),
            holdout=holdout,
            metric=metric,
            lm=task.lm,
            teleprompter=search,
            budget=b.Budget(calls=task.calls),
            run_dir=folder,
            progress=False,
        )
        document = compiled.document
        found = compiled if document["finalist"] is None else compiled.finalist()
        file = Path(folder) / "found.json"
        found.save(str(file))
        scored = score_file(file, holdout, metric, task.lm)
        orders = _orders(Path(folder) / "events.jsonl")
    spent = sum(account["calls"] for account in document["evidence"]["spent"].values())
    (predictor,) = found.document["predictors"].values()
    shows = "rule" if predictor["source"].get("rule") else str(len(predictor["source"]["demos"]) or "none")
    won = document["evidence"]["lineage"][-1]["detail"].get("order", "") if orders else ""
    return Result(task.name, name, scored.scores, spent, shows, orders, won)


def _orders(events: Path) -> tuple[Mapping[str, float], ...]:
    """The means on dev of each set in the orders that a curriculum compared, from the run's event log."""
    names = ("easy to hard", "hard to easy", "random")
    lines = [json.loads(line) for line in events.read_text("utf-8").splitlines()]
    found = [
        {name: line[name] for name in names if name in line} for line in lines if line["event"] == "orders compared"
    ]
    return tuple(means for means in found if means)


def report(task: str, results: Sequence[Result], minutes: Mapping[str, float]) -> str:
    """A table of one task, best first, and in a sentence which pairs beat the yardstick and which do not."""
    yardstick = next((one for one in results if one.pair == YARDSTICK), None)
    others = sorted((one for one in results if one is not yardstick), key=lambda one: (-one.mean, one.pair))
    lines = [("pair", "held out", "shows", "calls", "minutes", "difference", "interval", "p", "")]
    judged: dict[str, list[str]] = {"better": [], "worse": [], "undecided": []}
    for one in ([] if yardstick is None else [yardstick]) + others:
        took = minutes.get(f"{task}: {one.pair}")
        minutes_taken = "" if took is None else f"{took:.1f}"
        cells = (one.pair, f"{100 * one.mean:.1f}", one.shows, f"{one.calls:,}", minutes_taken)
        if yardstick is None or one is yardstick:
            lines.append((*cells, "", "", "", ""))
            continue
        against = Against.of(yardstick, one, len(others))
        low, high = against.interval
        judged[against.verdict].append(one.pair)
        p = min(1.0, len(others) * against.comparison.p_value)
        shown = (f"{100 * against.comparison.gain:+.1f}", f"{100 * low:+.0f}..{100 * high:+.0f}", f"{p:.2g}")
        lines.append((*cells, *shown, against.verdict))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    table = ["  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines]
    taught = [
        f"{one.pair}, on dev: {_shown(one.orders)}. The order of what it found, by its file: {one.won}."
        for one in results
        if one.orders
    ]
    said = [] if yardstick is None or not others else [_sentence(judged, len(yardstick.scores))]
    return "\n".join([f"{task}:", "", *table, "", *said, *taught])


def _sentence(judged: Mapping[str, Sequence[str]], rows: int) -> str:
    count = sum(map(len, judged.values()))
    return (
        f"On {rows} held-out rows, with intervals that hold for all {count} comparisons together, {YARDSTICK} is "
        f"beaten by: {_listed(judged['better'])}. It beats: {_listed(judged['worse'])}. Undecided: "
        f"{_listed(judged['undecided'])}."
    )


def _listed(names: Sequence[str]) -> str:
    return "; ".join(names) or "none"


def _shown(orders: Sequence[Mapping[str, float]]) -> str:
    sets = [", ".join(f"{name} {100 * mean:.1f}" for name, mean in means.items()) for means in orders]
    return "; ".join(f"set {number}: {means}" for number, means in enumerate(sets, start=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="ask the models and record their replies")
    parser.add_argument("--task", choices=[task.name for task in TASKS], help="this task only")
    parser.add_argument("--pair", action="append", help="this pair only; may be repeated")
    given = parser.parse_args()
    known = {name for task in TASKS for name in pairs(task)}
    if unknown := set(given.pair or ()) - known:
        parser.error(f"unknown pairs: {', '.join(sorted(unknown))}. Known are: {', '.join(sorted(known))}.")
    if not given.record and not RECORDING.replies.exists():
        parser.exit(1, f"{RECORDING.replies.name} is not recorded yet. Make it with --record.\n")
    with RECORDING.cache(given.record) as cache:
        for task in [task for task in TASKS if given.task in (None, task.name)]:
            results = []
            for name, search in pairs(task).items():
                if given.pair and name not in given.pair:
                    continue
                started = time.monotonic()
                results.append(run(task, name, search))
                if given.record:
                    RECORDING.note(f"{task.name}: {name}", (time.monotonic() - started) / 60)
                    print(f"{task.name}: {name}: {100 * results[-1].mean:.1f}", flush=True)
            print(f"{report(task.name, results, RECORDING.minutes)}\n", flush=True)
        if given.record:
            print(f"{record(cache, RECORDING.replies)} replies recorded in {RECORDING.replies.name}")


if __name__ == "__main__":
    main()
