"""compile() and plan(): the story from a program to a compiled program, top to bottom."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ..signatures.candidate import Candidate
from ..signatures.errors import BudgetSpent
from ..teleprompters.base import Outcome, Teleprompter
from .budget import Budget
from .callbacks import FINAL, SEARCH, Callback, Callbacks
from .evaluate import FIRST_ROWS, Job, stop_on_broken_program
from .evidence import Verdict, compare, decide, no_comparison, same_program
from .found import Found
from .frozen.compiled import CompiledProgram
from .metrics import Metric
from .one_answer import one_answer
from .plan import Plan, make_plan
from .progress import Progress
from .records import STUDENT
from .remeasure import remeasure
from .sizing import MIN_PAIRS, needed, size_up
from .task import Task, prepare
from .work import Work, open_work

IDLE_ROUNDS = 50  # rounds in a row that cost and record nothing: repeats are free, so money alone would never end them


def compile(
    program: object,
    *,
    trainset: object,
    metric: Metric | Callable[..., Any],
    valset: object = None,
    holdout: object = None,
    lm: object = None,
    optimizer_lm: object = None,
    judge_lm: object = None,
    encoder: object = None,
    teleprompter: Teleprompter | None = None,
    budget: Budget | None = None,
    run_dir: str | os.PathLike[str] | None = None,
    seed: int = 0,
    concurrency: int | None = None,
    report_metrics: Sequence[Metric | Callable[..., Any]] = (),
    min_gain: float = 0.02,
    progress: bool = True,
    storage: str | None = None,
    callbacks: Sequence[Callback] = (),
) -> CompiledProgram:
    """Searches for better prompts under a hard budget, compares the best with the student once, freezes the outcome.

    program: a dspy.Module, a bare Predict or ChainOfThought, or a Pipeline; it is never changed.
    trainset: rows (see `load_examples`). valset: rows that candidates are selected on; holdout: rows that the gain is
        reported on. What is not given is split off the larger of the others.
    metric: scores an example and a prediction, 0 to 1 unless `burnish.metric` says otherwise.
    lm: runs the program (None: the LM that dspy is configured with). Several by name, {"small": ..., "large": ...}: the
        first is the program's own, and a search may choose among them, as `Joint` does.
    optimizer_lm: writes prompts; judge_lm: serves
        metrics that ask a model (None: the same as lm).
    encoder: gives vectors of texts, for searches that compare rows by meaning and rules that pick demonstrations per
        query (None: none): a model name, an LM, `SentenceTransformer(...)`, or (openai client, model name).
    teleprompter: the search (None: Joint). budget: what may be spent on all of it (None: 2000 calls).
    run_dir: where the run keeps its records (None: a folder under .burnish/runs/ that belongs to these inputs). Calling
        again with the same inputs resumes: nothing is paid for twice but calls in flight at a kill. Its folder `front`
        holds a file for each candidate that no other one beats in score without costing more.
    concurrency: most calls in flight. report_metrics: measured on the holdout only. min_gain: the smallest gain worth
        shipping, a fraction of the metric's range; when it is ruled out the verdict is "keep".
    storage: an Optuna storage URL that mirrors the candidates, one trial each (None: a journal file in the run folder,
        which optuna-dashboard opens).
    progress: shows on stderr, or in the notebook, how far it is. callbacks: are told what happens, see
        `burnish.Callback`; they change nothing.

    Returns the compiled program: the finalist's prompts when the verdict is "ship", the student's otherwise.
    Raises a BurnishError that says what to mend; what was paid for is kept in every case.
    """
    task = prepare(
        program,
        trainset=trainset,
        metric=metric,
        valset=valset,
        holdout=holdout,
        lm=lm,
        optimizer_lm=optimizer_lm,
        judge_lm=judge_lm,
        encoder=encoder,
        teleprompter=teleprompter,
        budget=budget,
        seed=seed,
        concurrency=concurrency,
        report_metrics=report_metrics,
        min_gain=min_gain,
    )
    sizing = size_up(task)
    with ExitStack() as opened:
        told = Callbacks([*([opened.enter_context(Progress())] if progress else []), *callbacks])
        work = open_work(task, sizing, None if run_dir is None else Path(run_dir), storage, told, opened)
        try:
            compiled = _run(task, work)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                work.client.stop()
            work.end(None, error)
            if isinstance(error, KeyboardInterrupt):
                error.args = (_kept(work),)
            raise
        work.end(compiled)
        return compiled


def plan(
    program: object,
    *,
    trainset: object,
    metric: Metric | Callable[..., Any],
    valset: object = None,
    holdout: object = None,
    lm: object = None,
    optimizer_lm: object = None,
    judge_lm: object = None,
    encoder: object = None,
    teleprompter: Teleprompter | None = None,
    budget: Budget | None = None,
    run_dir: str | os.PathLike[str] | None = None,
    seed: int = 0,
    concurrency: int | None = None,
    report_metrics: Sequence[Metric | Callable[..., Any]] = (),
    min_gain: float = 0.02,
    progress: bool = True,
    storage: str | None = None,
) -> Plan:
    """What `compile()` with the same arguments would do with its budget. Makes no call; `print(plan)` shows a table.

    Raises what compile() would raise for these arguments.
    """
    return make_plan(
        prepare(
            program,
            trainset=trainset,
            metric=metric,
            valset=valset,
            holdout=holdout,
            lm=lm,
            optimizer_lm=optimizer_lm,
            judge_lm=judge_lm,
            encoder=encoder,
            teleprompter=teleprompter,
            budget=budget,
            seed=seed,
            concurrency=concurrency,
            report_metrics=report_metrics,
            min_gain=min_gain,
        )
    )


def _run(task: Task, work: Work) -> CompiledProgram:
    work.begin_phase(SEARCH)
    finalist = search(task, work)
    work.end_search()
    work.begin_phase(FINAL)
    verdict = final_comparison(task, work, finalist)
    found = Found(task, work.bench, work.sizing.splits, tuple(work.notes), finalist)
    compiled = found.compiled(verdict, work.unusable)
    compiled.save(work.run.path("program.json"))
    found.save_front(work.run.path("front"))
    compiled.run_dir = work.run.folder
    return compiled


def _kept(work: Work) -> str:
    """What a traceback ends with where the compile was stopped by hand."""
    return f"What was paid for is kept in {str(work.run.folder)!r} and in the reply cache. To go on, run the same again"


def search(task: Task, work: Work) -> Candidate:
    """Scores the student, lets the teleprompter search until it is done or the budget ends, and fixes the finalist."""
    bench = work.bench
    try:
        _first_rows(task, work)
        bench.score([task.program.student], origin=STUDENT)
        _drain(task, work)
    except BudgetSpent:
        work.was_cut = True
        work.events.write("budget spent")
    return bench.finalist


def _first_rows(task: Task, work: Work) -> None:
    """Runs the student on its first rows and then on all of dev, and stops where its program is broken.

    Where the calls of an execution are found out by making them, the first rows say how many rows of dev the budget
    affords and what the final comparison needs.
    """
    bench, student = work.bench, task.program.student
    first = bench.dev[:FIRST_ROWS]
    stop_on_broken_program(first, bench.predict(student, first), FIRST_ROWS)
    if bench.evaluator.is_measured:
        work.sizing = size_up(task, bench.evaluator.needed)
        work.ledger.resize(work.sizing.final_need)
        bench.dev = work.sizing.splits.dev
    stop_on_broken_program(bench.dev, bench.predict(student, bench.dev), FIRST_ROWS)


def _drain(task: Task, work: Work) -> None:
    idle = 0
    rounds = task.teleprompter.search(work.bench)
    try:
        before = (work.ledger.spent(), len(work.bench.records))
        for done in rounds:
            work.events.round(done)
            for candidate in done.proposed:
                work.report.candidate(candidate)
            now = (work.ledger.spent(), len(work.bench.records))
            idle = idle + 1 if now == before else 0
            if idle >= IDLE_ROUNDS:
                work.events.write("stopped: nothing new", rounds=idle)
                return
            before = now
    finally:
        if isinstance(rounds, Generator):
            rounds.close()


def final_comparison(task: Task, work: Work, finalist: Candidate) -> Verdict:
    """Opens the holdout once: finalist and student on the same rows, one test, a verdict."""
    student, sizing = task.program.student, work.sizing
    if work.was_cut and sum(record.is_whole for record in work.bench.records) < 2:
        return no_comparison("budget too small: it ended before a second candidate was scored", task.min_gain)
    if finalist == student:
        if sum(record.is_whole for record in work.bench.records) < 2:
            return no_comparison(f"nothing was compared: {_why_nothing(work)}", task.min_gain)
        return same_program(task.min_gain)
    if not sizing.compares:
        return no_comparison(f"no comparison: {needed(task, sizing)}", task.min_gain)
    old, new = _run_pairs(task, work, student, finalist)
    if len(old) < MIN_PAIRS:
        return no_comparison(f"budget too small: it paid for {len(old)} pairs. {needed(task, sizing)}", task.min_gain)
    work.unusable |= {"the student, held out": _unusable(old), "the finalist, held out": _unusable(new)}
    if (said := one_answer(new)) is not None:
        work.notes.append(said)
    comparison = compare(_values(old), _values(new), score_range=task.metric.range)
    report = {}
    for metric in task.report_metrics:
        both = _report(work, metric, old, new)
        if both is not None:
            report[metric.name] = compare(*both, score_range=metric.range)
    return decide(comparison, task.min_gain, report)


def _why_nothing(work: Work) -> str:
    """Why a search that came to its end scored no candidate beside the student."""
    counts = work.events.counts
    whole = [record for record in work.bench.records if record.is_whole]
    if whole and whole[0].score.mean >= work.bench.score_range[1]:
        return "the student is right on all of dev, so no candidate could be better there. Give more or harder rows"
    if not counts["ask"]:
        return "the budget does not pay for a step of this search. Give it more calls"
    empty, rejected = counts["reply dropped"], counts["rejected"]
    said = [f"{empty} replies of the optimizer LM held nothing"] if empty else []
    said += [f"{rejected} proposals were rejected"] if rejected else []
    return (" and ".join(said) or "nothing that the search proposed was scored on all of dev") + ". See events.jsonl"


def _report(
    work: Work, metric: Metric, old: Sequence[tuple[Job, Outcome]], new: Sequence[tuple[Job, Outcome]]
) -> tuple[list[float], list[float]] | None:
    """A further metric on the holdout; None, with a note, where the budget does not pay for its judge."""
    evaluator = work.bench.evaluator
    try:
        return remeasure(evaluator, metric, old, "final"), remeasure(evaluator, metric, new, "final")
    except BudgetSpent:
        work.notes.append(f"The report of {metric.name} was left out: the budget does not pay for its judge.")
        return None


def _unusable(done: Sequence[tuple[Job, Outcome]]) -> dict[str, int]:
    """How often the program failed on a row, by kind."""
    kinds = Counter(outcome.failure for _, outcome in done if outcome.failure is not None)
    return dict(sorted(kinds.items()))


def _values(done: Sequence[tuple[Job, Outcome]]) -> list[float]:
    return [outcome.score for _, outcome in done]


def _run_pairs(
    task: Task, work: Work, student: Candidate, finalist: Candidate
) -> tuple[list[tuple[Job, Outcome]], list[tuple[Job, Outcome]]]:
    """Outcomes of student and finalist on the same held-out rows, as many as the final account pays for."""
    jobs = [Job(c, example) for example in task.splits.holdout for c in (student, finalist)]
    worst = [work.bench.evaluator.worst(job, "final") for job in jobs[:2]]
    if work.ledger.room("final", worst[0] + worst[1]) < min(MIN_PAIRS, len(task.splits.holdout)):
        return [], []
    done: list[tuple[Job, Outcome]] = []
    try:
        for block in work.bench.evaluator.run(jobs, "final"):
            done += block
    except BudgetSpent:
        work.events.write("final account spent", pairs=len(done) // 2)
    whole = len(done) // 2 * 2
    return done[0:whole:2], done[1:whole:2]
