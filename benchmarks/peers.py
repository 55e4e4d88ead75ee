"""Our searches against dspy's own optimizers: the same program, model, rows, format and hard budget of LM calls.

    python benchmarks/peers.py             rebuilds the tables from the recorded replies, without a model: some minutes
    python benchmarks/peers.py --record    asks the model (98 MB are downloaded once) and records its replies: hours
                                           on two processors; a recording that was stopped goes on where it was

Every run has the same 100 labelled rows and 800 calls of all kinds; a tenth of them is set aside for attempts without a
reply, of ours and of the peers. Ours split the rows and hold a part of the calls back for their own verdict; peers use
rows and calls as dspy's guide says (`dspy_peers.py`). All start from a program that shows four other rows, in our
plain format, without which the model scores nothing. It also writes the prompts, but for one task, where one of 1.5
billion parameters does. What a run ends with is scored on 200
more rows, outside the budget: of ours the finalist, whatever the verdict. The seed draws the rows to learn from and
seeds the search.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import dspy_peers
from recordings import Recording, record, score_file

import burnish as b
from burnish.compiler.budget import Ledger
from burnish.compiler.evidence import Comparison, compare
from burnish.compiler.lm import Client, ReplyCache
from burnish.signatures.dspy_bridge import Example
from burnish.teleprompters.demonstrations import Random

HERE = Path(__file__).resolve().parent
EXAMPLES, LONGER = HERE.parent / "examples" / "data", HERE / "data"

MODEL, WRITER = "local/smollm2-135m-instruct", "local/qwen2.5-coder-1.5b-instruct"
BUDGET = 800  # calls, of all kinds
SEEDS = (0, 1, 2)
TEST, SHOWN, TRAIN = 200, 4, 100  # rows
START, OURS = "no search", "Joint"


@dataclass(frozen=True)
class Task:
    """A task by its data file: the first rows test, the next are shown at the start, the others are learnt from.

    writes: the model that writes prompts.
    """

    name: str
    file: Path
    input: str
    output: str
    instruction: str
    writes: str = MODEL

    @cached_property
    def rows(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.file.read_text("utf-8").splitlines()]

    @property
    def test(self) -> list[dict[str, str]]:
        return self.rows[:TEST]

    @property
    def shown(self) -> list[dict[str, str]]:
        return self.rows[TEST : TEST + SHOWN]

    def train(self, seed: int) -> list[dict[str, str]]:
        return random.Random(seed).sample(self.rows[TEST + SHOWN :], TRAIN)

    @cached_property
    def signature(self) -> type[b.Signature]:
        fields = {self.input: b.InputField(), self.output: b.OutputField()}
        types = dict.fromkeys(fields, str)
        return type("Task", (b.Signature,), {"__doc__": self.instruction, "__annotations__": types, **fields})

    @property
    def program(self) -> b.Predict:
        """What ours start from; peers start from the same signature and demonstrations."""
        predictor = b.Predict(self.signature, format="plain")
        predictor.demos = self.examples(self.shown)
        return predictor

    @property
    def metric(self) -> Any:
        return b.normalized_match(self.output)

    @property
    def lm(self) -> b.LM:
        return b.LM(MODEL, max_tokens=16, timeout=1200)

    @property
    def writer(self) -> b.LM:
        return self.lm if self.writes == MODEL else b.LM(self.writes, timeout=1200)

    def examples(self, rows: Sequence[Mapping[str, str]]) -> list[Example]:
        return [Example(**row).with_inputs(self.input) for row in rows]


TASKS = (
    Task(
        "sentiment",
        EXAMPLES / "reviews.jsonl",
        "review",
        "label",
        "Classify the review as positive or negative.",
    ),
    Task("larger animal", LONGER / "larger_animal.jsonl", "animals", "larger", "Name the larger animal."),
    Task("plural", LONGER / "singular_to_plural.jsonl", "singular", "plural", "Write the plural.", WRITER),
)


def ours() -> dict[str, b.Teleprompter]:
    """Each as it comes, but that texts of the LM are as short as those of the peers."""
    short = dspy_peers.WRITTEN_TOKENS
    return {
        OURS: b.Joint(),
        "RandomDemos": b.RandomDemos(),
        "Demonstrations": b.Demonstrations(select=Random(sets=10)),
        "OPRO": b.OPRO(writing=replace(b.OPRO().writing, max_tokens=short)),
    }


# Each side has a recording of its own: the engine, which answers several at once, need not give the same reply to equal
# requests of two processes.
SIDES = {Recording("peers_ours"): (START, *ours()), Recording("peers_theirs"): tuple(dspy_peers.PEERS)}


@dataclass(frozen=True)
class Result:
    """One run: scores on the test rows, what the search spent, and how it ended.

    ended: of ours the verdict on its own holdout; of a peer "finished", "cut" (by the budget) or "failed".
    """

    scores: tuple[float, ...]
    calls: int
    tokens: int
    ended: str
    minutes: float
    why: str = ""


def run(task: Task, system: str, seed: int, calls: int) -> Result:
    if system == START:
        return _start(task)
    budget = b.Budget(calls=calls)
    return _ours(task, ours()[system], seed, budget) if system in ours() else _peer(task, system, seed, budget)


def _start(task: Task) -> Result:
    given = _given(task, ())
    with _client() as client:
        scores = dspy_peers.scores(given.start, given, task.examples(task.test), client)
    return Result(scores, 0, 0, "", 0.0)


def _ours(task: Task, search: b.Teleprompter, seed: int, budget: b.Budget) -> Result:
    """One compile under the budget; then the test rows, with what the search found best whatever the verdict."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        compiled = b.compile(
            task.program,
            trainset=b.load_examples(task.train(seed), [task.input]),
            metric=task.metric,
            lm=task.lm,
            optimizer_lm=task.writer,
            teleprompter=search,
            budget=budget,
            run_dir=folder,
            seed=seed,
            progress=False,
        )
        minutes = (time.monotonic() - started) / 60
        document = compiled.document
        found = compiled if document["finalist"] is None else compiled.finalist()
        file = Path(folder) / "found.json"
        found.save(str(file))
        test = b.load_examples(task.test, [task.input])
        scored = score_file(file, test, task.metric, task.lm)
    spent = document["evidence"]["spent"].values()
    calls, tokens = (sum(account[unit] for account in spent) for unit in ("calls", "tokens"))
    return Result(scored.scores, calls, tokens, compiled.verdict.decision, minutes)


def _peer(task: Task, name: str, seed: int, budget: b.Budget) -> Result:
    started = time.monotonic()
    given = _given(task, task.examples(task.train(seed)))
    ledger = Ledger(budget)
    with _client(ledger) as client:
        found = dspy_peers.search(name, given, client, ledger, seed)
    minutes, spent = (time.monotonic() - started) / 60, ledger.spent()
    with _client() as client:
        scores = dspy_peers.scores(found.program, given, task.examples(task.test), client)
    return Result(scores, spent.calls, spent.tokens, found.ended, minutes, found.why)


def _given(task: Task, rows: Sequence[Example]) -> dspy_peers.Task:
    shown = task.examples(task.shown)
    return dspy_peers.Task(task.signature, shown, rows, task.metric, task.output, task.lm, task.writer)


@contextmanager
def _client(meter: Ledger | None = None) -> Iterator[Client]:
    cache = ReplyCache()
    try:
        with Client(cache, meter, offline=bool(os.environ.get("BURNISH_OFFLINE"))) as client:
            yield client
    finally:
        cache.close()


# The table


@dataclass(frozen=True)
class Row:
    """A system's runs on a task, one a seed."""

    system: str
    runs: Mapping[int, Result]

    @property
    def means(self) -> list[float]:
        return [_mean(run.scores) for run in self.runs.values()]

    @property
    def scores(self) -> list[float]:
        """For each test row the mean over the seeds."""
        return [_mean(of_row) for of_row in zip(*(run.scores for run in self.runs.values()), strict=True)]

    @property
    def ended(self) -> str:
        endings = [run.ended for run in self.runs.values()]
        counted = {one: endings.count(one) for one in endings if one not in ("", "finished")}
        return ", ".join(f"{count} {one}" for one, count in counted.items())

    def against(self, other: Row) -> Comparison:
        """With another system: each test row's mean over the seeds that both have, in pairs."""
        both = [seed for seed in self.runs if seed in other.runs]
        mine, theirs = (Row(one.system, {seed: one.runs[seed] for seed in both}) for one in (self, other))
        return compare(theirs.scores, mine.scores)


def report(task: str, rows: Sequence[Row], minutes: Mapping[str, float]) -> str:
    """A table of one task, best first, each with its difference to ours where that was run."""
    us = next((row for row in rows if row.system == OURS), None)
    head = [
        "system",
        "held out",
        "interval",
        "by seed",
        f"to {OURS}",
        "interval",
        "calls",
        "tokens",
        "minutes",
        "ended",
    ]
    lines = [tuple(head)]
    for row in sorted(rows, key=lambda row: (-_mean(row.means), row.system)):
        alone = compare([0.0] * len(row.scores), row.scores)
        difference = ("", "")
        if us is not None and row is not us and set(row.runs) & set(us.runs):
            against = row.against(us)
            difference = (f"{100 * against.gain:+.1f}", _interval(against, "+.0f"))
        took = [minutes[name] for seed in row.runs if (name := _name(task, row.system, seed)) in minutes]
        lines.append(
            (
                row.system,
                f"{100 * alone.finalist_mean:.1f}",
                _interval(alone, ".0f"),
                " ".join(f"{100 * mean:.1f}" for mean in row.means),
                *difference,
                f"{_mean([run.calls for run in row.runs.values()]):,.0f}",
                f"{_mean([run.tokens for run in row.runs.values()]):,.0f}",
                f"{_mean(took):.1f}" if took else "",
                row.ended,
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    table = ["  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines]
    failed = [f"{row.system}, seed {seed}: {run.why}" for row in rows for seed, run in row.runs.items() if run.why]
    return "\n".join([f"{task}:", "", *table, "", _shipped(rows), *failed, *NOTES])


NOTES = (
    f"Held out: {TEST} rows, the mean over the seeds. Intervals: 95 %, over the rows, each by itself; what other rows "
    "to learn from do shows by seed.",
    "Calls, tokens and minutes: of the search, without those rows; the mean over the seeds. Ended: of ours, the "
    "verdicts of their own comparison, which their calls include; of a peer, whether the budget cut it or an error of "
    "its own ended it: then the best program that it had evaluated is scored.",
)


def _shipped(rows: Sequence[Row]) -> str:
    """Which of our runs advise to use what they found; what they found is scored in any case."""
    found = {row.system: [str(seed) for seed, run in row.runs.items() if run.ended == "ship"] for row in rows}
    said = "; ".join(f"{system} (seed {', '.join(seeds)})" for system, seeds in found.items() if seeds)
    return f"The verdict was ship for: {said or 'none'}."


def _interval(found: Comparison, form: str) -> str:
    low, high = found.interval
    return f"{100 * low:{form}}..{100 * high:{form}}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


# From the command line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="ask the model and record its replies")
    parser.add_argument("--task", action="append", choices=[task.name for task in TASKS], help="this one; repeatable")
    systems = [one for side in SIDES.values() for one in side]
    parser.add_argument("--system", action="append", choices=systems, help="this one only; may be repeated")
    parser.add_argument("--seed", action="append", type=int, choices=SEEDS, help="this one only; may be repeated")
    parser.add_argument("--calls", type=int, default=BUDGET, help=f"the budget of each run (default: {BUDGET})")
    given = parser.parse_args()
    tasks = [task for task in TASKS if task.name in (given.task or [task.name])]
    seeds = given.seed or SEEDS
    rows: dict[str, list[Row]] = {task.name: [] for task in tasks}
    for recording, side in SIDES.items():
        if not given.record and not recording.replies.exists():
            parser.exit(1, f"{recording.replies.name} is not recorded yet. Make it with --record.\n")
        with recording.cache(given.record) as cache:
            for task in tasks:
                for system in [one for one in side if one in (given.system or side)]:
                    runs = _runs(task, system, seeds, given.calls, recording if given.record else None)
                    rows[task.name].append(Row(system, runs))
            if given.record:
                print(f"{record(cache, recording.replies)} replies recorded in {recording.replies.name}")
    minutes = {name: took for recording in SIDES for name, took in recording.minutes.items()}
    for name, found in rows.items():
        print(f"{report(name, found, minutes)}\n", flush=True)


def _runs(task: Task, system: str, seeds: Sequence[int], calls: int, recording: Recording | None) -> dict[int, Result]:
    if system == START:  # it learns nothing, so it is the same for every seed
        return dict.fromkeys(seeds, run(task, system, 0, calls))
    runs = {}
    for seed in seeds:
        runs[seed] = run(task, system, seed, calls)
        if recording is not None:
            _note(recording, _name(task.name, system, seed), runs[seed])
    return runs


def _name(task: str, system: str, seed: int) -> str:
    return f"{task}: {system}: {seed}"


def _note(recording: Recording, name: str, result: Result) -> None:
    recording.note(name, result.minutes)
    said = f"{100 * _mean(result.scores):.1f}, {result.calls} calls, {result.minutes:.1f} minutes, {result.ended}"
    print(f"{name}: {said}{result.why and ': '}{result.why}", flush=True)


if __name__ == "__main__":
    main()
