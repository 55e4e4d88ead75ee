"""One execution of a candidate on an example: which requests it makes, and what they cost.

`predict` is the one place where a predictor's call is spelled out. It is a generator of requests, so that the evaluator
can drive thousands of them in step on the fast path and a thread can drive one inside a user's program: both send
identical requests.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ..signatures.calls import FailureKind, Messages, Spend, Step
from ..signatures.candidate import Candidate, Part
from ..signatures.canonical import JSON, canonical
from ..signatures.errors import BudgetError, LMError, MetricError, ProgramError, ReplyError
from ..signatures.prompt import Template
from ..signatures.reask import reask_messages
from ..signatures.rules.vectors import quantised
from ..signatures.values import to_json
from .lm.encoders import encoder_of, vectors_of
from .lm.failures import AttemptFailure, ContentRefused, ContextOverflow
from .lm.request import Reply, Request

if TYPE_CHECKING:
    from .lm import LM, Encoder

RUNAWAY = 1000  # calls on one example that no program means to make
BOUNDLESS = 10**15  # tokens or dollars where the budget limits neither

# The execution that the running thread works for; set around a user's program and its metric.
CURRENT: ContextVar[Execution | None] = ContextVar("burnish_execution", default=None)


class RowFailure(ReplyError):
    """The program's failure on one row: a score of 0, counted by kind. Never a server's or a budget's fault."""

    def __init__(self, kind: FailureKind, reason: str, reply: str = "") -> None:
        super().__init__(reason)
        self.kind = kind
        self.reply = reply  # the text that could not be used


class Sender(Protocol):
    """Answers one request from a worker thread."""

    def send(self, lm: LM, request: Request) -> Reply: ...


class Booked(Protocol):
    """Tells which requests this run has paid for already."""

    def is_charged(self, key: str) -> bool: ...


class Overdrawn(BaseException):
    """An execution needs more than was reserved for it. Derives from BaseException so that no program swallows it."""


@dataclass
class Execution:
    """One run of a candidate on an example: numbers its requests, keeps to its worst case, adds up what it spent.

    worst: what was reserved for it. booked: given when nothing else runs; what it has booked then costs nothing again.
    most_calls: more calls than this end the run: declared by the user, or far beyond what a program means to make.
    bound: worst case of all requests so far. fatal: the first error that must stop the execution even if the program
    swallows it. failures: those of its predictors on this row, which the program may have caught.
    """

    candidate: Candidate
    lms: Mapping[str, LM]
    worst: Spend
    booked: Booked | None = None
    most_calls: int = RUNAWAY
    bound: Spend = Spend()
    requests: list[tuple[str, Spend]] = field(default_factory=list)
    fatal: BaseException | None = None
    failures: list[RowFailure] = field(default_factory=list)
    _ordinals: dict[str, int] = field(default_factory=dict)
    _needs: Spend = Spend()
    _home: int = field(default_factory=threading.get_ident)
    _steps: list[tuple[int, Step]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def number(self, lm: LM, request: Request) -> Request:
        """The request as the n-th equal one of this execution, its worst case deducted from what was reserved.

        Raises Overdrawn, before anything is sent, where the request does not fit into what was reserved, BudgetError
        where the calls pass `most_calls`.
        """
        limited = self.worst.tokens < BOUNDLESS or self.worst.usd < BOUNDLESS
        bound = lm.bound(request) if limited else Spend(1)
        with self._lock:
            ordinal = self._ordinals.get(request.key, 0)
            # A text has one vector, however often it is asked for.
            self._ordinals[request.key] = ordinal + (request.kind != "embedding")
            request = request.at(ordinal) if ordinal else request
            self.bound += bound
            if self.booked is None or not self.booked.is_charged(request.key):
                self._needs += bound
            if self.bound.calls > self.most_calls:
                self.fatal = self.fatal or BudgetError(
                    f"The program and its metric made more than {self.most_calls} calls on one row. Declare the most "
                    "they may make with Budget(..., calls_per_example=N). Everything paid for is kept."
                )
                raise self.fatal
            needs, worst = self._needs, self.worst
            if needs.calls > worst.calls or needs.tokens > worst.tokens or needs.usd > worst.usd * (1 + 1e-9):
                self.fatal = self.fatal or Overdrawn()
                raise self.fatal
        return request

    def settle(self, lm: LM, request: Request, reply: Reply) -> None:
        with self._lock:
            self.requests.append((request.key, lm.spend(request, reply)))

    def settle_in(self) -> None:
        """Says that the calling thread is the one that the execution belongs to."""
        self._home = threading.get_ident()

    def note(self, step: Step) -> None:
        with self._lock:
            self._steps.append((threading.get_ident(), step))

    @property
    def trace(self) -> tuple[Step, ...]:
        """The steps in the order in which they ended; where several threads made them, in an order that does not depend
        on which was faster: by predictor, then by inputs and outputs."""
        steps = [step for _, step in self._steps]
        if any(thread != self._home for thread, _ in self._steps):
            paths = self.candidate.predictors
            steps.sort(key=lambda s: (paths.index(s.path), canonical([dict(s.inputs), dict(s.outputs), s.reply])))
        return tuple(steps)

    @property
    def spend(self) -> Spend:
        return sum((spend for _, spend in self.requests), Spend())


@dataclass(frozen=True)
class Spoken:
    """A predictor's parsed answer: output values in JSON form and the reply's text."""

    outputs: Mapping[str, JSON]
    text: str


def predict(
    part: Part, lm: LM, inputs: Mapping[str, object], encoder: Encoder | None = None
) -> Generator[Request, Reply | AttemptFailure, Spoken]:
    """The calls of one predictor on its inputs: render, ask, parse, and ask once more where the reply policy says so.

    Where demonstrations are picked by vectors, the encoder is asked for the query's before the rest.
    Yields each request (an embedding goes to the encoder) and is sent its reply. Raises RowFailure when the predictor
    fails on this row.
    """
    template = part.prompt.template
    vector = yield from query_vector(template, encoder, inputs)
    messages: Messages = template.render(inputs, vector)
    text, finish = _read((yield _request(part, lm, messages)))
    try:
        return Spoken(template.parse(text), text)
    except ReplyError as failure:
        if part.settings.reply_policy == "none":
            raise _unparsed(failure, finish, text) from None
        messages = reask_messages(template.render(inputs, vector), text, str(failure))
    text, finish = _read((yield _request(part, lm, messages)))
    try:
        return Spoken(template.parse(text), text)
    except ReplyError as failure:
        raise _unparsed(failure, finish, text) from None


def query_vector(
    template: Template, encoder: Encoder | None, inputs: Mapping[str, object]
) -> Generator[Request, Reply | AttemptFailure, str | None]:
    """The vector that a template takes beside its inputs, in bytes; None, and no request, where it takes none."""
    if template.encoder is None:
        return None
    encoder = same_encoder(template, encoder)
    reply = yield encoder.embedding([template.question(inputs)])
    if isinstance(reply, ContextOverflow):
        raise RowFailure("overflow", f"The inputs do not fit the encoder's context: {reply}")
    if isinstance(reply, ContentRefused):
        raise RowFailure("refused", f"The encoder refused the inputs: {reply}")
    if isinstance(reply, AttemptFailure):
        raise LMError(str(reply))
    return quantised(vectors_of(encoder, reply)[0])


def same_encoder(template: Template, encoder: Encoder | None) -> Encoder:
    """The encoder, where it is the one whose vectors the demonstrations of a template have; else raises LMError."""
    if encoder is not None and encoder.name == template.encoder:
        return encoder
    there = "there is no encoder" if encoder is None else f"the encoder is {encoder.name}"
    raise LMError(
        f"The prompt picks demonstrations by vectors of {template.encoder}, and {there}. Pass that one as encoder=."
    )


def check_encoder(candidate: Candidate, encoder: Encoder | None) -> None:
    """Raises LMError where a rule compares vectors of another encoder: queries have to be embedded by the same one."""
    for _, part in candidate.parts:
        if part.prompt.template.encoder is not None:
            same_encoder(part.prompt.template, encoder)


def bound_of(part: Part, lm: LM, inputs: Mapping[str, object], encoder: Encoder | None = None) -> Spend:
    """The worst case of one predictor's calls on these inputs: the encoder's too, the longest demonstrations that a
    rule may pick, and the re-ask where the policy has one."""
    template = part.prompt.template
    messages = template.longest(inputs)
    first = lm.bound(_request(part, lm, messages))
    if template.encoder is not None and encoder is not None:
        first += encoder.bound(encoder.embedding([template.question(inputs)]))
    if part.settings.reply_policy == "none":
        return first
    # The re-ask shows the reply again (at most max_tokens, each at least a byte on the way back) and the reason.
    reply = "x" * (4 * int(_request(part, lm, messages).body.get("max_tokens", 0)))
    return first + lm.bound(_request(part, lm, reask_messages(messages, reply, "x" * 500)))


def most_calls(part: Part) -> int:
    """Of one predictor on its inputs: the encoder's and the re-ask too."""
    return 1 + (part.settings.reply_policy == "reask") + (part.prompt.template.encoder is not None)


def _request(part: Part, lm: LM, messages: Messages) -> Request:
    schema_json = part.prompt.template.response_schema
    return lm.chat(messages, schema=schema_json, **part.settings.params)


def _read(reply: Reply | AttemptFailure) -> tuple[str, str]:
    if isinstance(reply, ContextOverflow):
        raise RowFailure("overflow", f"The prompt does not fit the model's context: {reply}")
    if isinstance(reply, ContentRefused):
        raise RowFailure("refused", f"A content filter refused the request: {reply}")
    if isinstance(reply, AttemptFailure):
        raise LMError(str(reply))
    finish = reply.finish_reasons[0]
    if finish == "content_filter":
        raise RowFailure("refused", "A content filter stopped the reply.")
    return reply.text, finish


def _unparsed(failure: ReplyError, finish: str, reply: str) -> RowFailure:
    if finish == "length":
        return RowFailure("truncated", f"The reply was cut at max_tokens before it was whole: {failure}", reply)
    return RowFailure("unparsed", str(failure), reply)


def call_predictor(sender: Sender, execution: Execution, path: str, inputs: Mapping[str, object]) -> Spoken:
    """A predictor's call inside a user's program, on behalf of an execution.

    Errors that are no failure of the program (a dead server, a spent budget) are noted on the execution as well, since
    the program around it may catch them.
    """
    part = execution.candidate[path]
    lm, encoder = execution.lms[part.settings.role], encoder_of(execution.lms)
    asking = predict(part, lm, inputs, encoder)
    try:
        request = next(asking)
        while True:
            asked = addressee(request, lm, encoder)
            request = execution.number(asked, request)
            request = asking.send(_answer(sender, execution, asked, request))
    except StopIteration as stop:
        spoken: Spoken = stop.value
    except RowFailure as failure:
        execution.failures.append(failure)
        execution.note(_step(path, inputs, {}, failure.reply))
        raise
    except BaseException as error:
        execution.fatal = execution.fatal or error
        raise
    execution.note(_step(path, inputs, spoken.outputs, spoken.text))
    return spoken


def addressee(request: Request, lm: LM, encoder: Encoder | None) -> LM:
    """Who answers a request of `predict`."""
    return encoder if encoder is not None and request.kind == "embedding" else lm


def _step(path: str, inputs: Mapping[str, object], outputs: Mapping[str, JSON], reply: str) -> Step:
    return Step(path, {name: to_json(value) for name, value in inputs.items()}, outputs, reply)


def handed_over(inputs: Mapping[str, object]) -> dict[str, object]:
    """The inputs of a pipeline's step, with what earlier steps gave in the JSON form of their replies.

    A frozen pipeline hands over just that, without the user's types, which may order or spell values in another way.
    """
    given = {name: value for step in current("a pipeline's step").trace for name, value in step.outputs.items()}
    return {name: given.get(name, value) for name, value in inputs.items()}


def _answer(sender: Sender, execution: Execution, lm: LM, request: Request) -> Reply | AttemptFailure:
    try:
        reply = sender.send(lm, request)
    except (ContextOverflow, ContentRefused) as failure:
        return failure
    execution.settle(lm, request, reply)
    return reply


def ask_judge(sender: Sender, lm: LM, messages: Messages, params: Mapping[str, JSON]) -> str:
    """A call of the judge LM inside a metric, on behalf of the execution of this thread.

    Raises MetricError where a content filter or the context refuses it: the metric may decide what that means.
    """
    execution = current("judge()")
    try:
        request = execution.number(lm, lm.chat(messages, **params))
        reply = sender.send(lm, request)
        execution.settle(lm, request, reply)
        return reply.text
    except (ContentRefused, ContextOverflow) as failure:
        raise MetricError(
            f"The judge LM {lm.model!r} would not answer: {failure}. Catch burnish.MetricError in the metric and "
            "return what such a row is worth, or take another judge_lm."
        ) from failure
    except BaseException as error:
        execution.fatal = execution.fatal or error
        raise


def current(who: str) -> Execution:
    execution = CURRENT.get()
    if execution is None:
        raise ProgramError(
            f"{who} was called in a thread that the program started by itself, where its run is not known. "
            "Use dspy.Parallel or asyncio, or start threads with contextvars.copy_context().run."
        )
    return execution


def advance(
    asking: Generator[Request, Reply | AttemptFailure, Spoken], reply: Reply | AttemptFailure | None
) -> Request | Spoken | RowFailure:
    """One step: sends the reply (None to start) and returns the next request, the answer, or the row's failure."""
    try:
        return next(asking) if reply is None else asking.send(reply)
    except StopIteration as stop:
        spoken: Spoken = stop.value
        return spoken
    except RowFailure as failure:
        return failure
