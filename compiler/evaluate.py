"""Evaluator: (candidate, example) -> outcome. Admitted in blocks, concurrent, paired, journaled before it counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..signatures.candidate import Candidate
from ..signatures.canonical import digest
from ..signatures.errors import BudgetSpent, BurnishError, ProgramError, ReplyError
from ..signatures.example import Example
from ..teleprompters.base import Outcome, Spend, Step
from .budget import Account, Ledger
from .execution import (
    BOUNDLESS,
    CURRENT,
    Execution,
    RowFailure,
    Spoken,
    advance,
    ask_judge,
    bound_of,
    call_predictor,
    handed_over,
    predict,
)
from .journal import Journal, Requests
from .lm.failures import AttemptFailure
from .lm.request import Reply, Request
from .metrics import Metric

if TYPE_CHECKING:
    from ..signatures.dspy_bridge import Program
    from .lm import LM
    from .lm.client import Client

BLOCK = 128  # executions admitted together; fixed, so that a budget cuts at the same place at any concurrency
FIRST_ROWS = 3  # run one by one where the calls of an execution are not known before they were made
FIRST_CALLS = 32  # the most calls that such a row may make
UNKNOWN_ROOM = 2  # later prompts may be this much longer than those of the first rows

Purpose: TypeAlias = Literal["score", "bootstrap"]


@dataclass(frozen=True)
class Job:
    """One execution to be done. purpose "bootstrap": the metric is called with the trace."""

    candidate: Candidate
    example: Example
    purpose: Purpose = "score"

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.candidate.digest, self.example.digest, self.purpose)


@dataclass
class Evaluator:
    """Runs jobs for one program and one metric.

    lms: by role ("task", "judge"). Single-predictor programs take the fast path: no dspy in the loop, all requests of a
    block at once. Other programs run in threads with their predictors bound.
    """

    program: Program
    metric: Metric
    lms: Mapping[str, LM]
    client: Client
    ledger: Ledger
    journal: Journal
    concurrency: int
    on_block: Callable[[], None] = lambda: None
    _needed: Spend = Spend()  # the most that an execution was bounded by so far, where that is measured
    _measured: int = 0
    _done: set[tuple[str, str, str]] = field(default_factory=set)
    _pool: ThreadPoolExecutor | None = None
    _bound_module: Callable[[Candidate], Any] = field(init=False)

    def __post_init__(self) -> None:
        self._bound_module = lru_cache(maxsize=64)(self._bind)

    @property
    def is_fast(self) -> bool:
        """Whether executions need no user code between render and parse."""
        return self.program.kind == "predictor"

    @property
    def is_measured(self) -> bool:
        """Whether the calls of an execution are found out by making them."""
        return not self.is_fast or self.metric.needs_thread

    def run(self, jobs: Sequence[Job], account: Account) -> Iterator[list[tuple[Job, Outcome]]]:
        """Outcomes of the jobs, in order, a block at a time. Raises BudgetSpent where the account shuts."""
        rest = list(jobs)
        while rest:
            unknown = self.is_measured and self._measured < FIRST_ROWS
            block = rest[: 1 if unknown else BLOCK]
            # What this run has done already costs nothing more; what only an earlier process did is charged again.
            worst = [Spend() if job.key in self._done else self.worst(job, account) for job in block]
            admitted = self.ledger.admit(account, worst)
            if not admitted:
                raise BudgetSpent(f"the {account} account is shut")
            try:
                done = self._run_block(block[:admitted], worst[:admitted])
            finally:
                self.ledger.settle(account)
            self._done.update(job.key for job, _ in done)
            self.on_block()
            yield done
            rest = rest[admitted:]

    def worst(self, job: Job, account: Account = "search") -> Spend:
        """What an execution may cost at most."""
        limited = self.ledger.budget.tokens is not None or self.ledger.budget.usd is not None
        declared = self.ledger.budget.calls_per_example
        if not self.is_measured:
            (path,) = job.candidate.predictors
            part = job.candidate[path]
            if limited:
                return bound_of(part, self.lms[part.settings.role], job.example.input_values)
            return Spend(2 if part.settings.reply_policy == "reask" else 1, BOUNDLESS, BOUNDLESS)
        if self._measured < FIRST_ROWS:
            left = self.ledger.left(account)
            calls = declared or (FIRST_CALLS if left.calls is None else max(1, min(FIRST_CALLS, left.calls)))
            tokens = BOUNDLESS if left.tokens is None else max(1, left.tokens)
            return Spend(calls, tokens, BOUNDLESS if left.usd is None else max(0.0, left.usd))
        if not limited:
            return Spend(declared or self._needed.calls, BOUNDLESS, BOUNDLESS)
        needed = self._needed
        return Spend(declared or needed.calls, UNKNOWN_ROOM * needed.tokens, UNKNOWN_ROOM * needed.usd)

    def report(self, metric: Metric, done: Sequence[tuple[Job, Outcome]], account: Account) -> list[float]:
        """Scores of a further metric on outcomes that are there already. The program does not run again.

        A row on which the program failed has the lowest score. Calls of the metric's judge draw on what the account has
        left; BudgetError when that is too little.
        """
        purpose = f"report {digest(metric.identity)}"
        scores: list[float] = []
        for job, outcome in done:
            row = self.journal.get(job.candidate.digest, job.example.digest, purpose)
            if outcome.failure is not None:
                scores.append(metric.range[0])
            elif row is not None:
                for key, spend in row[1]:
                    self.ledger.charge(key, spend, paid=False)
                scores.append(row[0].score)
            else:
                execution = Execution(job.candidate, self.lms, Spend(), self.ledger)
                prediction = bridge().to_prediction(self.program, outcome.outputs)

                def one(job: Job = job, execution: Execution = execution, prediction: Any = prediction) -> Outcome:
                    return self._scored(job, execution, prediction, {}, metric)

                (measured,) = self._in_threads({0: one}, {0: execution}).values()
                self.journal.put([(job.candidate.digest, job.example.digest, purpose, measured, execution.requests)])
                scores.append(measured.score)
        self.ledger.settle(account)
        return scores

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    # a block

    def _run_block(self, jobs: Sequence[Job], worst: Sequence[Spend]) -> list[tuple[Job, Outcome]]:
        found: dict[int, Outcome] = {}
        missing: list[int] = []
        for index, job in enumerate(jobs):
            row = self.journal.get(*job.key)
            if row is None:
                missing.append(index)
                continue
            found[index], requests = row
            for key, spend in requests:
                self.ledger.charge(key, spend, paid=False)
            self._measure(requests, found[index])
        executions = {i: Execution(jobs[i].candidate, self.lms, worst[i], self.ledger) for i in missing}
        run = self._run_fast if self.is_fast else self._run_threads
        found.update(run({i: jobs[i] for i in missing}, executions))
        for index, execution in executions.items():
            self._measure(execution.requests, found[index])
        return [(job, found[index]) for index, job in enumerate(jobs)]

    def _measure(self, requests: Requests, outcome: Outcome) -> None:
        """Remembers the most that an execution needed. From what was spent, so that a replay measures the same."""
        self._measured += 1
        spend = outcome.spend
        # A reply may be longer next time: count each request at twice what it took.
        needed = Spend(len(requests), 2 * spend.tokens, 2 * spend.usd)
        self._needed = Spend(
            max(self._needed.calls, needed.calls, 1),
            max(self._needed.tokens, needed.tokens),
            max(self._needed.usd, needed.usd),
        )

    # the fast path

    def _run_fast(self, jobs: Mapping[int, Job], executions: Mapping[int, Execution]) -> dict[int, Outcome]:
        answers = self._answer_all(jobs, executions)
        outcomes = self._measure_all(jobs, executions, answers)
        self.journal.put([(*job.key, outcomes[i], executions[i].requests) for i, job in jobs.items()])
        return outcomes

    def _answer_all(
        self, jobs: Mapping[int, Job], executions: Mapping[int, Execution]
    ) -> dict[int, Spoken | RowFailure]:
        """Drives every predictor of the block in step: all first requests together, then all re-asks."""
        asking = {}
        answers: dict[int, Spoken | RowFailure] = {}
        waiting: dict[int, tuple[LM, Request]] = {}
        for index, job in jobs.items():
            (path,) = job.candidate.predictors
            part = job.candidate[path]
            lm = self.lms[part.settings.role]
            asking[index] = (predict(part, lm, job.example.input_values), lm)
            self._advance(index, asking, None, executions, waiting, answers)
        while waiting:
            order = list(waiting)
            replies = self._replies([waiting.pop(index) for index in order])
            for index, (lm, request, reply) in zip(order, replies, strict=True):
                if isinstance(reply, Reply):
                    executions[index].settle(lm, request, reply)
                self._advance(index, asking, reply, executions, waiting, answers)
        return answers

    def _advance(
        self,
        index: int,
        asking: Mapping[int, tuple[Any, LM]],
        reply: Reply | AttemptFailure | None,
        executions: Mapping[int, Execution],
        waiting: dict[int, tuple[LM, Request]],
        answers: dict[int, Spoken | RowFailure],
    ) -> None:
        generator, lm = asking[index]
        step = advance(generator, reply)
        if isinstance(step, Request):
            waiting[index] = (lm, executions[index].number(lm, step))
        else:
            answers[index] = step

    def _replies(self, jobs: Sequence[tuple[LM, Request]]) -> list[tuple[LM, Request, Reply | AttemptFailure]]:
        # Hits are read here and now; only misses make the hop to the event loop.
        replies: list[Reply | AttemptFailure | None] = [self.client.cached(lm, request) for lm, request in jobs]
        missing = [index for index, reply in enumerate(replies) if reply is None]
        for index, reply in zip(missing, self.client.send_many([jobs[i] for i in missing]), strict=True):
            replies[index] = reply
        return [(lm, request, reply) for (lm, request), reply in zip(jobs, replies, strict=True) if reply is not None]

    def _measure_all(
        self,
        jobs: Mapping[int, Job],
        executions: Mapping[int, Execution],
        answers: Mapping[int, Spoken | RowFailure],
    ) -> dict[int, Outcome]:
        def one(index: int) -> Outcome:
            job, answer = jobs[index], answers[index]
            if isinstance(answer, RowFailure):
                return self._failed(answer, executions[index])
            (path,) = job.candidate.predictors
            executions[index].steps.append(Step(path, job.example.input_values, answer.outputs, answer.text))
            try:
                prediction = bridge().to_prediction(self.program, answer.outputs)
            except ReplyError as failure:  # a value may fit its schema and still not the user's own type
                return self._failed(failure, executions[index])
            return self._scored(job, executions[index], prediction, answer.outputs, self.metric)

        if not self.metric.needs_thread:
            return {index: one(index) for index in jobs}
        return self._in_threads({index: partial(one, index) for index in jobs}, executions)

    # programs with their own code

    def _run_threads(self, jobs: Mapping[int, Job], executions: Mapping[int, Execution]) -> dict[int, Outcome]:
        def one(index: int) -> Outcome:
            job, execution = jobs[index], executions[index]
            outcome = self._execute(job, execution)
            if execution.fatal is None:
                self.journal.put([(*job.key, outcome, execution.requests)])
            return outcome

        return self._in_threads({index: partial(one, index) for index in jobs}, executions)

    def _execute(self, job: Job, execution: Execution) -> Outcome:
        try:
            prediction = bridge().run(self._bound_module(job.candidate), job.example.input_values)
        except ReplyError as failure:  # a value may fit its schema and still not the user's own type
            return self._failed(failure, execution)
        except BurnishError:
            raise
        except Exception as error:  # the user's program may raise anything on an odd reply
            if execution.fatal is not None:
                raise execution.fatal from error
            reason = f"{type(error).__name__}: {error}"
            return self._failed(RowFailure("program_error", reason), execution)
        if execution.fatal is not None:
            raise execution.fatal
        return self._scored(job, execution, prediction, bridge().prediction_to_json(prediction), self.metric)

    def _bind(self, candidate: Candidate) -> Any:
        def call(path: str, inputs: Mapping[str, Any]) -> Any:
            if self.program.kind == "pipeline":
                inputs = handed_over(inputs)
            spoken = call_predictor(self.client, path, inputs)
            return bridge().Called(outputs=spoken.outputs, text=spoken.text)

        return bridge().bind(self.program, candidate, call)

    # metrics

    def _scored(
        self, job: Job, execution: Execution, prediction: Any, outputs: Mapping[str, Any], metric: Metric
    ) -> Outcome:
        trace = bridge().metric_trace(self.program, execution.steps) if job.purpose == "bootstrap" else None
        example = bridge().to_dspy_example(job.example, self.program)
        if metric.needs_thread:
            from .judge import bind_judge

            judge = self.lms["judge"]
            with (
                bind_judge(lambda messages, params: ask_judge(self.client, judge, messages, params)),
                bridge().metric_context(
                    judge, lambda messages, params: ask_judge(self.client, judge, messages, params)
                ),
            ):
                score, feedback = metric.measure(example, prediction, trace)
        else:
            score, feedback = metric.measure(example, prediction, trace)
        if execution.fatal is not None:
            raise execution.fatal
        return Outcome(score, dict(outputs), feedback, tuple(execution.steps), spend=execution.spend)

    def _failed(self, failure: ReplyError, execution: Execution) -> Outcome:
        return Outcome(
            self.metric.range[0],
            trace=tuple(execution.steps),
            failure=failure.kind if isinstance(failure, RowFailure) else "unparsed",
            reason=str(failure),
            spend=execution.spend,
        )

    # threads

    def _in_threads(
        self, work: Mapping[int, Callable[[], Outcome]], executions: Mapping[int, Execution]
    ) -> dict[int, Outcome]:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.concurrency, thread_name_prefix="burnish")
        futures: dict[int, Future[Outcome]] = {}
        for index, one in work.items():
            context = copy_context()
            context.run(CURRENT.set, executions[index])
            futures[index] = self._pool.submit(context.run, one)
        wait(futures.values())
        # The first failure in the order of the rows, whichever came first in time.
        return {index: future.result() for index, future in futures.items()}


def stop_on_broken_program(rows: Sequence[Example], outcomes: Sequence[Outcome], first_rows: int) -> None:
    """Raises ProgramError when the student's first rows, or more than a fifth of its rows, end in an exception of the
    user's program: something is wrong, and scoring on would hide it."""
    broken = [(row, outcome) for row, outcome in zip(rows, outcomes, strict=True) if outcome.failure == "program_error"]
    all_first = all(outcome.failure == "program_error" for outcome in outcomes[:first_rows])
    if broken and (all_first or len(broken) > len(outcomes) / 5):
        row, outcome = broken[0]
        raise ProgramError(
            f"The program raised on {len(broken)} of {len(outcomes)} rows; on {row.place or 'one of them'}: "
            f"{outcome.reason}. Its inputs were {row.input_values!r}. Mend the program and run again; replies already "
            "paid for are in the cache."
        )


def bridge() -> Any:
    """The dspy bridge, imported when the first program runs."""
    from ..signatures import dspy_bridge

    return dspy_bridge
