"""Evaluator: (candidate, example) -> outcome. Admitted in blocks, concurrent, paired, journaled before it counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from ..signatures.candidate import Candidate
from ..signatures.errors import BudgetSpent, BurnishError, ProgramError, ReplyError
from ..signatures.example import Example
from ..teleprompters.base import Outcome, Spend
from .budget import Account, Ledger, TimeUp
from .execution import (
    BOUNDLESS,
    CURRENT,
    RUNAWAY,
    Execution,
    Overdrawn,
    RowFailure,
    ask_judge,
    bound_of,
    call_predictor,
    current,
    handed_over,
)
from .fast_path import Answers, Block
from .journal import Journal
from .lm.encoders import encoder_of
from .metrics import Metric

if TYPE_CHECKING:
    from ..signatures.dspy_bridge import Program
    from .lm import LM
    from .lm.client import Client

BLOCK = 128  # executions admitted together; fixed, so that a budget cuts at the same place at any concurrency
FIRST_ROWS = 3  # run one by one where the calls of an execution are not known before they were made
UNKNOWN_ROOM = 2  # later prompts may be this much longer than those seen so far


@dataclass(frozen=True)
class Job:
    """One execution to be done.

    purpose: "score"; "bootstrap", where the metric is called with the trace; or the name of a further metric's report.
    """

    candidate: Candidate
    example: Example
    purpose: str = "score"

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.candidate.digest, self.example.digest, self.purpose)


@dataclass
class Evaluator:
    """Runs jobs for one program and one metric.

    lms: by role ("task", "judge", "encoder" where there is one). Single-predictor programs take the fast path: no dspy
    in the loop, all requests of a block at once. Other programs run in threads with their predictors bound.
    """

    program: Program
    metric: Metric
    lms: Mapping[str, LM]
    client: Client
    ledger: Ledger
    journal: Journal
    concurrency: int
    on_block: Callable[[], None] = lambda: None
    needed: Spend = Spend()  # the largest worst case of an execution so far
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
            block = rest[: self._block_size()]
            # What this run has done already costs nothing more; what only an earlier process did is charged again.
            worst = [Spend() if job.key in self._done else self.worst(job, account) for job in block]
            admitted = self.ledger.admit(account, worst)
            if not admitted:
                raise BudgetSpent(f"the {account} account is shut")
            block = block[:admitted]
            with self._settling(account):
                done = self._run_block(block, worst)
            for index, job in enumerate(block):
                if index not in done:
                    done[index] = self._run_alone(job, account)
            self._done.update(job.key for job in block)
            self.on_block()
            yield [(job, done[index]) for index, job in enumerate(block)]
            rest = rest[admitted:]

    def _block_size(self) -> int:
        if self.is_measured and self._measured < FIRST_ROWS:
            return 1
        # A limit in seconds cannot be reproduced anyway, and is kept best when little is in flight as it ends.
        return BLOCK if self.ledger.budget.seconds is None else min(BLOCK, self.concurrency)

    def worst(self, job: Job, account: Account = "search") -> Spend:
        """What an execution may cost at most. One that turns out to need more is run again when nothing else runs."""
        if not self.is_measured:
            (path,) = job.candidate.predictors
            part = job.candidate[path]
            if self._is_limited:
                return bound_of(part, self.lms[part.settings.role], job.example.input_values, encoder_of(self.lms))
            calls = (2 if part.settings.reply_policy == "reask" else 1) + len(job.candidate.encoders)
            return Spend(calls, BOUNDLESS, BOUNDLESS)
        if self._measured < FIRST_ROWS:
            return self._all_that_is_left(account)
        calls = self.ledger.budget.calls_per_example or max(1, self.needed.calls)
        calls *= _calls_each(job.candidate)
        if not self._is_limited:
            return Spend(calls, BOUNDLESS, BOUNDLESS)
        return Spend(calls, UNKNOWN_ROOM * self.needed.tokens, UNKNOWN_ROOM * self.needed.usd)

    @property
    def _is_limited(self) -> bool:
        return self.ledger.budget.tokens is not None or self.ledger.budget.usd is not None

    def _all_that_is_left(self, account: Account) -> Spend:
        left = self.ledger.left(account)
        return Spend(
            BOUNDLESS if left.calls is None else left.calls,
            BOUNDLESS if left.tokens is None else left.tokens,
            BOUNDLESS if left.usd is None else left.usd,
        )

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    # a block

    def _run_block(self, jobs: Sequence[Job], worst: Sequence[Spend], *, alone: bool = False) -> dict[int, Outcome]:
        """Outcomes by place in the block. Those whose execution was overdrawn are missing."""
        found: dict[int, Outcome] = {}
        executions: dict[int, Execution] = {}
        for index, job in enumerate(jobs):
            row = self.journal.get(*job.key)
            if row is None:
                booked = self.ledger if alone else None
                most = (self.ledger.budget.calls_per_example or RUNAWAY) * _calls_each(job.candidate)
                executions[index] = Execution(job.candidate, self.lms, worst[index], booked, most)
                continue
            found[index], requests, bound = row
            for key, spend in requests:
                self.ledger.charge(key, spend, paid=False)
            self._measure(bound)
        run = self._run_fast if self.is_fast else self._run_threads
        found.update(run({index: jobs[index] for index in executions}, executions))
        for index, execution in executions.items():
            if index in found:
                self._measure(execution.bound)
        return found

    def _run_alone(self, job: Job, account: Account) -> Outcome:
        """An execution that needed more than was reserved, once more with all that is left: on replies that it has
        paid for already, and when nothing else runs, so that what it finds does not depend on timing."""
        worst = self._all_that_is_left(account)
        if self.ledger.admit(account, [worst]):
            with self._settling(account):
                outcome = self._run_block([job], [worst], alone=True).get(0)
            if outcome is not None:
                return outcome
        raise BudgetSpent(f"the {account} account does not pay for {job.example.place or 'a row'}")

    @contextmanager
    def _settling(self, account: Account) -> Iterator[None]:
        try:
            yield
        except TimeUp as end:
            raise BudgetSpent(str(end)) from end
        finally:
            self.ledger.settle(account)

    def _measure(self, bound: Spend) -> None:
        self._measured += 1
        needed = self.needed
        self.needed = Spend(
            max(needed.calls, bound.calls), max(needed.tokens, bound.tokens), max(needed.usd, bound.usd)
        )

    # the fast path

    def _run_fast(self, jobs: Mapping[int, Job], executions: Mapping[int, Execution]) -> dict[int, Outcome]:
        answers = self._answer(jobs, executions)

        def one(index: int) -> Outcome:
            job, execution, answer = jobs[index], executions[index], answers[index]
            if isinstance(answer, RowFailure):
                return self._failed(answer, execution)
            try:
                prediction = bridge().to_prediction(self.program, answer.outputs)
            except ReplyError as failure:  # a value may fit its schema and still not the user's own type
                return self._failed(failure, execution)
            return self._scored(job, execution, prediction, answer.outputs)

        if self.metric.needs_thread:
            outcomes = self._in_threads({index: partial(one, index) for index in answers}, executions)
        else:
            outcomes = {index: one(index) for index in answers}
        self.journal.put([(*jobs[i].key, o, executions[i].requests, executions[i].bound) for i, o in outcomes.items()])
        return outcomes

    def _answer(self, jobs: Mapping[int, Job], executions: Mapping[int, Execution]) -> Answers:
        work = {index: (job.candidate, job.example) for index, job in jobs.items()}
        return Block(self.client, self.lms, executions).answer(work)

    # programs with their own code

    def _run_threads(self, jobs: Mapping[int, Job], executions: Mapping[int, Execution]) -> dict[int, Outcome]:
        def one(index: int) -> Outcome:
            job, execution = jobs[index], executions[index]
            outcome = self._execute(job, execution)
            self.journal.put([(*job.key, outcome, execution.requests, execution.bound)])
            return outcome

        return self._in_threads({index: partial(one, index) for index in jobs}, executions)

    def _execute(self, job: Job, execution: Execution) -> Outcome:
        try:
            prediction = bridge().run(self._bound_module(job.candidate), job.example.input_values, execution)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # the user's program may raise anything on an odd reply
            if execution.fatal is not None:
                raise execution.fatal from error
            cause = _leaf(error)
            if isinstance(cause, ReplyError):  # a value may also fit its schema and still not the user's own type
                return self._failed(cause, execution)
            if isinstance(cause, BurnishError) or not isinstance(cause, Exception):
                raise cause from None
            return self._failed(_program_failure(cause, execution.failures), execution)
        if execution.fatal is not None:
            raise execution.fatal
        return self._scored(job, execution, prediction, bridge().prediction_to_json(prediction))

    def _bind(self, candidate: Candidate) -> Any:
        def call(path: str, inputs: Mapping[str, Any]) -> Any:
            if self.program.kind == "pipeline":
                inputs = handed_over(inputs)
            # dspy.Parallel hands on its own context to its threads, and no other.
            execution = CURRENT.get() or bridge().carried() or current(f"predictor {path!r}")
            spoken = call_predictor(self.client, execution, path, inputs)
            return bridge().Called(outputs=spoken.outputs, text=spoken.text)

        return bridge().bind(self.program, candidate, call)

    # metrics

    def _scored(self, job: Job, execution: Execution, prediction: Any, outputs: Mapping[str, Any]) -> Outcome:
        trace = None
        if job.purpose == "bootstrap":  # as dspy's own trace, which holds no call that failed
            trace = bridge().metric_trace(self.program, [step for step in execution.trace if step.outputs])
        example = bridge().to_dspy_example(job.example, self.program)
        with self._judging() if self.metric.needs_thread else nullcontext():
            score, feedback = self.metric.measure(example, prediction, trace)
        if execution.fatal is not None:
            raise execution.fatal
        return Outcome(score, dict(outputs), feedback, execution.trace, spend=execution.spend)

    @contextmanager
    def _judging(self) -> Iterator[None]:
        """Where a metric's own calls go: to the judge LM, metered, on behalf of the execution of this thread."""
        from .judge import bind_judge

        judge = self.lms["judge"]
        ask = partial(ask_judge, self.client, judge)
        with bind_judge(ask), bridge().metric_context(judge, ask):
            yield

    def _failed(self, failure: ReplyError, execution: Execution) -> Outcome:
        return Outcome(
            self.metric.range[0],
            trace=execution.trace,
            failure=failure.kind if isinstance(failure, RowFailure) else "unparsed",
            reason=str(failure),
            spend=execution.spend,
        )

    # threads

    def _in_threads(
        self, work: Mapping[int, Callable[[], Outcome]], executions: Mapping[int, Execution]
    ) -> dict[int, Outcome]:
        """Outcomes of the work that was not overdrawn. Raises the first failure in the order of the rows."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.concurrency, thread_name_prefix="burnish")
        futures: dict[int, Future[Outcome]] = {}
        for index, one in work.items():
            context = copy_context()
            context.run(CURRENT.set, executions[index])
            futures[index] = self._pool.submit(context.run, _at_home, executions[index], one)
        wait(futures.values())
        return {i: future.result() for i, future in futures.items() if not isinstance(future.exception(), Overdrawn)}


def _calls_each(candidate: Candidate) -> int:
    """Calls that a predictor's call may turn into: with one to the encoder before it where a rule compares vectors."""
    return 2 if candidate.encoders else 1


def _at_home(execution: Execution, one: Callable[[], Outcome]) -> Outcome:
    execution.settle_in()
    return one()


def _leaf(error: BaseException) -> BaseException:
    """The error itself or, of a group, the first of ours in it, else its first."""
    inside = getattr(error, "exceptions", None)
    if not isinstance(inside, tuple) or not inside:
        return error
    leaves = [_leaf(one) for one in inside]
    ours = [leaf for leaf in leaves if isinstance(leaf, BurnishError)]
    return (ours or leaves)[0]


def _program_failure(error: Exception, before: Sequence[RowFailure]) -> RowFailure:
    """Why a program raised: its own fault, or that of a predictor whose failure it (or dspy.Parallel) had caught."""
    raised = f"{type(error).__name__}: {error}"
    if not before:
        return RowFailure("program_error", raised)
    first = min(before, key=lambda failure: (failure.kind, str(failure)))  # of several threads, none is the first
    return RowFailure(first.kind, f"{first} (The program went on and raised {raised})")


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
