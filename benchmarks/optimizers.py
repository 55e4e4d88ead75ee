"""What the searches over instructions bring with small real models, at one budget, on three tasks.

    python benchmarks/optimizers.py             rebuilds the table from the recorded replies: some seconds, no model
    python benchmarks/optimizers.py --record    asks the models (1.6 GB are downloaded once) and records their replies:
                                                an hour and a half on two processors

A program begins with an instruction that says next to nothing. Every search has the same rows, the same budget and the
same two models: one runs the program, the other writes. What is reported is scored on held-out rows, once. The programs
answer at once, in a word or two, for the sake of time: ABO, which is made for programs that write down how they get to
their answer, cannot show what it is for.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import indent

from recordings import Recording, record

import burnish as b

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "examples" / "data"
RECORDING = Recording("optimizers")

TASK_LM, WRITER_LM = "local/qwen2.5-coder-0.5b-instruct", "local/qwen2.5-coder-1.5b-instruct"
BUDGET = 300  # calls, of all kinds
POOL, DEV, HOLDOUT = 60, 20, 60  # rows
SHORT, LONG = 200, 500  # tokens of a reply of the optimizer LM; ABO's demonstrations show every step


@dataclass(frozen=True)
class Task:
    """A task by its data file: the input, the output, and the instruction to begin with."""

    name: str
    file: str
    input: str
    output: str
    instruction: str

    @property
    def program(self) -> object:
        fields = {self.input: b.InputField(), self.output: b.OutputField()}
        types = dict.fromkeys(fields, str)
        return b.Predict(
            type("Task", (b.Signature,), {"__doc__": self.instruction, "__annotations__": types, **fields})
        )

    @property
    def rows(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in (DATA / self.file).read_text("utf-8").splitlines()]


TASKS = (
    Task("sentiment", "reviews.jsonl", "review", "label", "Classify the review."),
    Task("larger animal", "larger_animal.jsonl", "animals", "larger", "Answer."),
    Task("plural", "singular_to_plural.jsonl", "singular", "plural", "Answer."),
)


def searches() -> dict[str, b.Teleprompter]:
    """Each as it comes, but that replies of the optimizer LM, which is slow here, are short."""
    return {
        "APE": b.APE(max_tokens=SHORT),
        "IterativeAPE": b.IterativeAPE(start=b.APE(max_tokens=SHORT)),
        "OPRO": b.OPRO(writing=replace(b.OPRO().writing, max_tokens=SHORT)),
        "APO": b.APO(writing=replace(b.APO().writing, max_tokens=SHORT)),
        "PromptAgent": b.PromptAgent(writing=replace(b.PromptAgent().writing, max_tokens=SHORT)),
        "ABO": b.ABO(writing=replace(b.ABO().writing, max_tokens=LONG)),
    }


@dataclass(frozen=True)
class Result:
    """One compile: held-out means before and after, the verdict's line, what it took, and the prompt that was found."""

    task: str
    search: str
    before: float | None
    after: float | None
    verdict: str
    calls: int
    tokens: int
    candidates: int
    prompt: str
    demonstrations: int


def run(task: Task, search: b.Teleprompter) -> b.CompiledProgram:
    """One compile under the budget, with the replies that the cache holds."""
    rows, inputs = task.rows, [task.input]
    pool, dev, held = rows[:POOL], rows[POOL : POOL + DEV], rows[POOL + DEV : POOL + DEV + HOLDOUT]
    with tempfile.TemporaryDirectory() as folder:
        return b.compile(
            task.program,
            trainset=b.load_examples(pool, inputs),
            valset=b.load_examples(dev, inputs),
            holdout=b.load_examples(held, inputs),
            metric=b.normalized_match(task.output),
            lm=b.LM(TASK_LM, max_tokens=16, timeout=1200),
            optimizer_lm=b.LM(WRITER_LM, timeout=1200),
            teleprompter=search,
            budget=b.Budget(calls=BUDGET),
            run_dir=folder,
            progress=False,
        )


def result(task: Task, name: str, compiled: b.CompiledProgram) -> Result:
    verdict, document = compiled.verdict, compiled.document
    best = document if document["finalist"] is None else document["finalist"]
    source = next(iter(best["predictors"].values()))["source"]
    spent = document["evidence"]["spent"].values()
    return Result(
        task=task.name,
        search=name,
        before=verdict.student_mean,
        after=verdict.finalist_mean,
        verdict=str(verdict),
        calls=sum(account["calls"] for account in spent),
        tokens=sum(account["tokens"] for account in spent),
        candidates=document["evidence"]["candidates"],
        prompt=source["instruction"],
        demonstrations=len(source["demos"]),
    )


def table(results: Sequence[Result], minutes: Mapping[str, float]) -> str:
    """The numbers, a line each; then the prompts that were found."""
    head = ("task", "search", "before", "after", "calls", "tokens", "candidates", "minutes", "verdict")
    lines = [head]
    for one in results:
        took = minutes.get(f"{one.task}, {one.search}")
        numbers = (_points(one.before), _points(one.after), f"{one.calls:,}", f"{one.tokens:,}", str(one.candidates))
        lines.append((one.task, one.search, *numbers, "" if took is None else f"{took:.1f}", one.verdict))
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    shown = ["  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines]
    found = [f"{one.task}, {one.search}{_shown(one.demonstrations)}:\n{indent(one.prompt, '    ')}" for one in results]
    return "\n".join([*shown, "", "What was found:", "", *found])


def _points(mean: float | None) -> str:
    return "-" if mean is None else f"{100 * mean:.1f}"


def _shown(demonstrations: int) -> str:
    return f" (with {demonstrations} demonstrations)" if demonstrations else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="ask the models and record their replies")
    parser.add_argument("--task", choices=[task.name for task in TASKS], help="this task only")
    parser.add_argument("--search", choices=list(searches()), help="this search only")
    given = parser.parse_args()
    results = []
    with RECORDING.cache(given.record) as cache:
        for task in [task for task in TASKS if given.task in (None, task.name)]:
            for name, search in searches().items():
                if given.search not in (None, name):
                    continue
                started = time.monotonic()
                results.append(result(task, name, run(task, search)))
                if given.record:
                    RECORDING.note(f"{task.name}, {name}", (time.monotonic() - started) / 60)
                    print(f"{results[-1]}\n", flush=True)
        if given.record:
            print(f"{record(cache, RECORDING.replies)} replies recorded in {RECORDING.replies.name}\n")
    print(table(results, RECORDING.minutes))


if __name__ == "__main__":
    main()
