"""Work: everything that is open while a compile runs, and what it tells those who watch."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..signatures.canonical import digest
from ..teleprompters.base import Spend
from .attempts import AttemptLog
from .budget import USD_UNITS, Ledger, Limit, limit_of
from .callbacks import (
    FINAL,
    SEARCH,
    BlockEnded,
    Callbacks,
    CompileEnded,
    CompileStarted,
    PhaseStarted,
    RequestEnded,
    SearchEnded,
)
from .evaluate import Evaluator
from .frozen.compiled import CompiledProgram
from .journal import Journal
from .records import EventLog, Record
from .report.notes import Notes
from .run import Run
from .sizing import Sizing
from .study import Study
from .task import Task
from .workbench import Bench

if TYPE_CHECKING:
    from .lm import Client
    from .lm.connection import Asked
    from .lm.failures import AttemptFailure
    from .lm.request import Reply, Request

THREADS = 32  # executions of a user's program at once, where the user does not say


@dataclass
class Work:
    """What is open while a compile runs. was_cut: the budget ended the search.

    notes: what the evidence has to say. unusable: replies that could not be used in the final comparison, by kind.
    """

    sizing: Sizing
    run: Run
    client: Client
    ledger: Ledger
    bench: Bench
    events: EventLog
    report: Notes
    was_cut: bool = False
    notes: list[str] = field(default_factory=list)
    unusable: dict[str, dict[str, int]] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)

    def begin_phase(self, phase: str) -> None:
        limits = _by_currency(self.ledger.limits("search" if phase == SEARCH else "final"))
        self.events.callbacks.tell("on_phase_started", PhaseStarted(self.events.run, phase, limits))

    def end_search(self) -> None:
        told = SearchEnded(self.events.run, self.bench.finalist.digest, self.was_cut)
        self.events.callbacks.tell("on_search_ended", told)

    def end_block(self) -> None:
        """Notes the time and says how far the budget is spent."""
        self.run.beat()
        account, ranking = self.ledger.current, self.bench.ranking()
        self.events.block(
            BlockEnded(
                self.events.run,
                _phase(self.ledger),
                self.ledger.spent(account),
                _by_currency(self.ledger.limits(account)),
                self.ledger.spent(),
                self.ledger.paid.spend,
                ranking[0].score.values if ranking else (),
            )
        )

    def end(self, compiled: CompiledProgram | None, error: BaseException | None = None) -> None:
        accounts = {name: asdict(self.ledger.spent(name)) for name in ("search", "final")}
        self.report.end({**accounts, "faults": asdict(self.ledger.faults)}, self.was_cut, error)
        counts = {"the search": dict(self.bench.failures), **self.unusable}
        told = CompileEnded(
            self.events.run,
            time.monotonic() - self._began,
            None if compiled is None else compiled.verdict,
            None if compiled is None else compiled.digest,
            self.ledger.spent(),
            self.ledger.paid.spend,
            {who: sum(kinds.values()) for who, kinds in counts.items() if kinds},
            error,
        )
        self.events.callbacks.tell("on_compile_ended", told)


def open_work(
    task: Task,
    sizing: Sizing,
    folder: Path | None,
    storage: str | None,
    callbacks: Callbacks,
    opened: ExitStack,
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
    outcomes = _outcomes_identity(task)
    journal = Journal(run.path("outcomes"), outcomes)
    opened.callback(journal.close)
    events = EventLog(run.path("events.jsonl"), callbacks, str(run.folder))
    opened.callback(events.close)
    report = Notes(run.folder)
    opened.callback(report.close)
    report.begin(task, outcomes)
    if callbacks.wants("on_request_ended"):
        client.watch = partial(_tell_request, events, ledger)
    study = Study(storage or run.path("study.log"), name=run.digest[:12], seed=task.seed)
    opened.callback(study.close)
    evaluator = Evaluator(
        task.program, task.metric, task.lms, client, ledger, journal, concurrency=task.concurrency or THREADS
    )
    opened.callback(evaluator.close)

    def on_record(record: Record) -> None:
        attributes = {**record.to_json(), "scores": list(record.score.values)}
        report.candidate(record.score.candidate)
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
        task.teleprompter.preference,
        run.folder,
        on_spent=report.spent,
    )
    work = Work(sizing, run, client, ledger, bench, events, report)
    evaluator.on_block = work.end_block
    started = CompileStarted(
        events.run,
        task.program.student.predictors,
        type(task.teleprompter).__name__,
        {role: lm.model for role, lm in task.lms.items()},
        _by_currency(limit_of(task.budget)) | ({} if task.budget.seconds is None else {"seconds": task.budget.seconds}),
        run.is_resumed,
        task.metric.range,
    )
    callbacks.tell("on_compile_started", started)
    return work


def _outcomes_identity(task: Task) -> str:
    """Digest of all that an outcome depends on besides candidate and example."""
    roles = [role for role in task.lms if role != "optimizer"]
    asked = {role: [task.lms[role].endpoint, task.lms[role].identity()] for role in roles}
    return digest([task.program.identity, task.metric.identity, asked])


def _phase(ledger: Ledger) -> str:
    return SEARCH if ledger.current == "search" else FINAL


def _by_currency(limit: Limit) -> dict[str, float]:
    limits = {"calls": limit.calls, "tokens": limit.tokens, "usd": None if limit.usd is None else limit.usd / USD_UNITS}
    return {currency: most for currency, most in limits.items() if most is not None}


def _tell_request(
    events: EventLog,
    ledger: Ledger,
    lm: Asked,
    request: Request,
    came: Reply | AttemptFailure,
    seconds: float | None,
) -> None:
    # Copies: what a callback does with them reaches nobody else.
    reply = None if isinstance(came, Exception) else type(came)(came.body_json)
    told = RequestEnded(
        events.run,
        _phase(ledger),
        lm.model,
        request.at(request.index),
        reply,
        Spend() if isinstance(came, Exception) else lm.spend(request, came),
        from_cache=seconds is None,
        seconds=seconds or 0.0,
        error=came if isinstance(came, Exception) else None,
    )
    events.callbacks.tell("on_request_ended", told)
