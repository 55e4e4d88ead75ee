"""compile() and plan(): the story from a program to a compiled program, top to bottom."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..signatures.candidate import Candidate
from ..signatures.canonical import JSON, digest
from ..signatures.errors import BudgetSpent
from ..teleprompters.base import Outcome, Teleprompter
from .attempts import AttemptLog
from .budget import Budget, Ledger
from .evaluate import FIRST_ROWS, Evaluator, Job, stop_on_broken_program
from .evidence import Verdict, compare, decide, no_comparison, same_program
from .frozen import CompiledProgram, freeze
from .journal import Journal
from .metrics import Metric
from .plan import MIN_PAIRS, Plan, Sizing, make_plan, needed, size_up
from .progress import Progress
from .run import Run
from .study import Study
from .task import Task, prepare
from .workbench import STUDENT, Bench, EventLog, Record

if TYPE_CHECKING:
    from .lm import Client

THREADS = 32  # executions of a user's program at once, where the user does not say
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
    teleprompter: Teleprompter | None = None,
    budget: Budget | None = None,
    run_dir: str | os.PathLike[str] | None = None,
    seed: int = 0,
    concurrency: int | None = None,
    report_metrics: Sequence[Metric | Callable[..., Any]] = (),
    min_gain: float = 0.02,
    progress: bool = True,
    storage: str | None = None,
) -> CompiledProgram:
    """Searches for better prompts under a hard budget, compares the best with the student once, freezes the outcome.

    program: a dspy.Module, a bare Predict or ChainOfThought, or a Pipeline; it is never changed.
    trainset: rows (see `load_examples`). valset: rows that candidates are selected on; holdout: rows that the gain is
        reported on. What is not given is split off the larger of the others.
    metric: scores an example and a prediction, 0 to 1 unless `burnish.metric` says otherwise.
    lm: runs the program (None: the LM that dspy is configured with). optimizer_lm: writes prompts; judge_lm: serves
        metrics that ask a model (None: the same as lm).
    teleprompter: the search (None: RandomDemos). budget: what may be spent on all of it (None: 2000 calls).
    run_dir: where the run keeps its records (None: a folder under .burnish/runs/ that belongs to these inputs). Calling
        again with the same inputs resumes: nothing is paid for twice but calls in flight at a kill.
    concurrency: most calls in flight. report_metrics: measured on the holdout only. min_gain: the smallest gain worth
        shipping, a fraction of the metric's range; when it is ruled out the verdict is "keep".
    storage: an Optuna storage URL that mirrors the candidates, one trial each (None: a journal file in the run folder,
        which optuna-dashboard opens).

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
        teleprompter=teleprompter,
        budget=budget,
        seed=seed,
        concurrency=concurrency,
        report_metrics=report_metrics,
        min_gain=min_gain,
    )
    sizing = size_up(task)
    with ExitStack() as opened:
        work = _open(task, sizing, None if run_dir is None else Path(run_dir), progress, storage, opened)
        try:
            finalist = search(task, work)
            verdict = final_comparison(task, sizing, work, finalist)
            compiled = _freeze(task, sizing, work, finalist, verdict)
            compiled.save(work.run.path("program.json"))
        except KeyboardInterrupt:
            work.client.stop()
            folder = str(work.run.folder)
            print(
                f"\nStopped. Everything paid for is kept in {folder!r} and in the reply cache. Run the same command "
                "again to go on" + ("." if run_dir is None else f" (run_dir={folder!r})."),
                file=sys.stderr,
            )
            raise
        work.progress.message(f"{verdict}\n{_bill(work.ledger)}")
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
            teleprompter=teleprompter,
            budget=budget,
            seed=seed,
            concurrency=concurrency,
            report_metrics=report_metrics,
            min_gain=min_gain,
        )
    )


@dataclass
class Work:
    """What is open while a compile runs."""

    run: Run
    client: Client
    ledger: Ledger
    bench: Bench
    events: EventLog
    progress: Progress


def search(task: Task, work: Work) -> Candidate:
    """Scores the student, lets the teleprompter search until it is done or the budget ends, and fixes the finalist."""
    bench = work.bench
    try:
        student = task.program.student
        for rows in (bench.dev[:FIRST_ROWS], bench.dev):
            stop_on_broken_program(rows, bench.predict(student, rows), FIRST_ROWS)
        bench.score([student], origin=STUDENT)
        _drain(task, work)
    except BudgetSpent:
        work.events.write("budget spent")
    ranking = bench.ranking()
    return ranking[0].score.candidate if ranking else task.program.student


def _drain(task: Task, work: Work) -> None:
    idle = 0
    rounds = task.teleprompter.search(work.bench)
    try:
        before = (work.ledger.spent(), len(work.bench.records))
        for done in rounds:
            work.events.write("round", name=done.name, proposed=[c.digest for c in done.proposed])
            now = (work.ledger.spent(), len(work.bench.records))
            idle = idle + 1 if now == before else 0
            if idle >= IDLE_ROUNDS:
                work.events.write("stopped: nothing new", rounds=idle)
                return
            before = now
    finally:
        rounds.close()  # type: ignore[attr-defined]


def final_comparison(task: Task, sizing: Sizing, work: Work, finalist: Candidate) -> Verdict:
    """Opens the holdout once: finalist and student on the same rows, one test, a verdict."""
    student = task.program.student
    if finalist == student:
        return same_program(task.min_gain)
    if not sizing.compares:
        return no_comparison(f"budget too small. {needed(task, sizing)}", task.min_gain)
    old, new = _run_pairs(task, work, student, finalist)
    if len(old) < MIN_PAIRS:
        return no_comparison(f"budget too small: it paid for {len(old)} pairs. {needed(task, sizing)}", task.min_gain)
    comparison = compare(_values(old), _values(new), score_range=task.metric.range)
    evaluator = work.bench.evaluator
    report = {
        metric.name: compare(
            evaluator.report(metric, old, "final"), evaluator.report(metric, new, "final"), score_range=metric.range
        )
        for metric in task.report_metrics
    }
    return decide(comparison, task.min_gain, report)


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


def _open(
    task: Task, sizing: Sizing, folder: Path | None, progress: bool, storage: str | None, opened: ExitStack
) -> Work:
    """Everything a compile works with; closed in reverse when `opened` closes."""
    from .lm import Client, ReplyCache

    run = Run(task.identity, folder)
    opened.callback(run.close)
    cache = ReplyCache()
    opened.callback(cache.close)
    attempts = AttemptLog(run.path("attempts.jsonl"), cache.has)
    opened.callback(attempts.close)
    ledger = Ledger(task.budget, sizing.final_need, attempts, spent_seconds=run.earlier_seconds)
    client = Client(cache, ledger, concurrency=task.concurrency, offline=bool(os.environ.get("BURNISH_OFFLINE")))
    opened.callback(client.close)
    journal = Journal(run.path("outcomes"), digest([task.program.identity, task.metric.identity, _judge(task)]))
    opened.callback(journal.close)
    events = EventLog(run.path("events.jsonl"))
    opened.callback(events.close)
    study = Study(storage or run.path("study.log"), name=run.digest[:12], seed=task.seed)
    opened.callback(study.close)
    line = Progress(progress)
    opened.callback(line.close)
    evaluator = Evaluator(
        task.program, task.metric, task.lms, client, ledger, journal, concurrency=task.concurrency or THREADS
    )
    opened.callback(evaluator.close)

    def on_record(record: Record) -> None:
        attributes = {**record.to_json(), "scores": list(record.score.values)}
        study.record(record.number, record.score.candidate.digest, record.score.mean, attributes)

    bench = Bench(
        task.program.student,
        sizing.splits.pool,
        sizing.splits.dev,
        evaluator,
        task.lms["optimizer"],
        client,
        ledger,
        task.seed,
        events,
        on_record,
    )
    work = Work(run, client, ledger, bench, events, line)
    evaluator.on_block = lambda: _show(work)
    if run.is_resumed:
        line.message(f"resuming {str(run.folder)!r}")
    return work


def _judge(task: Task) -> JSON:
    judge = task.lms["judge"]
    return [{role: [lm.endpoint, lm.identity()] for role, lm in (("judge", judge), ("task", task.lms["task"]))}]


def _bill(ledger: Ledger) -> str:
    """What this process paid for, and what it did not have to."""
    paid, counted = ledger.paid.spend.calls, ledger.spent().calls
    return f"paid calls: {paid}; {max(0, counted - paid)} of {counted} were answered by earlier runs"


def _show(work: Work) -> None:
    work.run.beat()
    ranking = work.bench.ranking()
    account = work.ledger.current
    work.progress.update(
        "search" if account == "search" else "final comparison",
        spent=work.ledger.spent(account),
        limit=work.ledger.limits(account),
        best=ranking[0].score.mean if ranking else None,
        paid=work.ledger.paid.spend,
    )


def _freeze(task: Task, sizing: Sizing, work: Work, finalist: Candidate, verdict: Verdict) -> CompiledProgram:
    shipped = finalist if verdict.decision == "ship" else task.program.student
    return freeze(
        task.program,
        shipped,
        lm=task.lms["task"].identity(),
        verdict=verdict.to_json(),
        evidence=_evidence(sizing, work, finalist),
        provenance=_provenance(task),
        finalist=None if finalist == shipped else finalist,
        live_lm=task.lms["task"],
    )


def _evidence(sizing: Sizing, work: Work, finalist: Candidate) -> dict[str, JSON]:
    """How the finalist was found. Holds nothing that varies between equal runs."""
    records = work.bench.records
    spent = {account: work.ledger.spent(account) for account in ("search", "final")}
    return {
        "rows": {name: len(getattr(sizing.splits, name)) for name in ("pool", "dev", "holdout")},
        "candidates": len(records),
        "dev": {"student": records[0].score.mean if records else None, "best": _mean_of(records, finalist)},
        "parts": parts_of(records, finalist),
        "formats": formats_of(records),
        "lineage": [record.to_json() for record in records if record.score.candidate == finalist],
        "spent": {account: {"calls": s.calls, "tokens": s.tokens, "usd": s.usd} for account, s in spent.items()},
        "failures": dict(sorted(work.bench.failures.items())),
        "events": dict(sorted(work.events.counts.items())),
        "notes": list(sizing.splits.notes),
    }


def parts_of(records: Sequence[Record], finalist: Candidate) -> list[dict[str, JSON]]:
    """What each part of the finalist brought on dev: the student with one part after the other exchanged for the
    finalist's (format, position, instruction, demonstrations), as far as such candidates were scored."""
    if not records:
        return []
    means = {record.score.candidate.digest: record.score.mean for record in records if record.is_whole}
    hybrid = records[0].score.candidate
    rows: list[dict[str, JSON]] = [{"part": "student", "dev": means.get(hybrid.digest)}]
    for name in ("format", "position", "instruction", "demos"):
        previous = hybrid
        for path in hybrid.predictors:
            hybrid = hybrid.with_prompt(path, **{name: getattr(finalist.prompt(path), name)})
        if name == "demos":
            hybrid = finalist  # with its demonstration rule and settings
        if hybrid != previous:
            rows.append({"part": "demonstrations" if name == "demos" else name, "dev": means.get(hybrid.digest)})
    return rows


def formats_of(records: Sequence[Record]) -> dict[str, JSON]:
    """For each format that was tried, the best dev score without and with demonstrations."""
    found: dict[str, dict[str, JSON]] = {}
    for record in records:
        candidate = record.score.candidate
        names = {candidate.prompt(path).format for path in candidate.predictors}
        if record.is_whole and len(names) == 1:
            best = found.setdefault(names.pop(), {"without": None, "with": None})
            kind = "with" if candidate.demos else "without"
            best[kind] = max(best[kind] or 0.0, record.score.mean)
    return dict(sorted(found.items()))


def _mean_of(records: Sequence[Record], candidate: Candidate) -> JSON:
    return next((r.score.mean for r in records if r.is_whole and r.score.candidate == candidate), None)


def _provenance(task: Task) -> dict[str, JSON]:
    identity = task.identity
    names = ("data", "teleprompter", "budget", "seed", "min_gain", "versions")
    return {
        **{name: identity[name] for name in names},
        "metric": task.metric.name,
        "metric_identity": digest(task.metric.identity),
        "models": {role: lm.identity() for role, lm in sorted(task.lms.items())},
        "program": digest(task.program.identity),
    }
