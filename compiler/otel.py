"""OpenTelemetry: spans and metrics of compiles and of frozen programs at work (extra `otel`).

Names follow the GenAI semantic conventions of OpenTelemetry as of version 1.37, whose status is "development":
https://github.com/open-telemetry/semantic-conventions/blob/v1.37.0/docs/gen-ai/gen-ai-spans.md and gen-ai-metrics.md.
What they have no name for begins with "burnish.".
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ..signatures.canonical import JSON
from ..signatures.errors import BurnishError
from .callbacks import (
    BlockEnded,
    Callback,
    CallEnded,
    CallStarted,
    CandidateRejected,
    CandidateScored,
    CompileEnded,
    CompileStarted,
    PhaseStarted,
    RequestEnded,
    RoundEnded,
    RunEnded,
    RunStarted,
    SearchEnded,
)

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

SCHEMA = "https://opentelemetry.io/schemas/1.37.0"
OPERATIONS = {"chat": "chat", "completion": "text_completion", "embedding": "embeddings"}
# What the conventions call the parameters that servers of the OpenAI protocol take.
PARAMETERS = {
    "temperature": "temperature",
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "top_p": "top_p",
    "top_k": "top_k",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "seed": "seed",
    "stop": "stop_sequences",
    "n": "choice.count",
}
# Buckets that the conventions ask for.
SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS = tuple(4**power for power in range(14))

Attributes: TypeAlias = dict[str, Any]


@dataclass
class _Compile:
    """Open spans of one compile. in_rounds: the student is scored, so what is asked now is part of a round."""

    span: Span
    token: Any
    phase: Span | None = None
    round: Span | None = None
    in_rounds: bool = False

    @property
    def innermost(self) -> Span:
        return self.round or self.phase or self.span


class OpenTelemetry(Callback):
    """Spans and metrics for `compile(callbacks=[...])` and `load(callbacks=[...])`.

    A run of a frozen program is a span with one child for each call of a model. A compile is a span with a child for
    each phase, below them the rounds of the search, and below these each request that was paid for; replies of the
    cache make no spans. Spans join the trace that is current where the program is called.
    Metrics: `gen_ai.client.operation.duration` and `gen_ai.client.token.usage`.

    content: puts inputs, messages, outputs and replies into the spans. Off, for they may hold what nobody else should
    read. provider: whom the calls go to, in the conventions' words. tracer_provider, meter_provider: None for the
    global ones, which do nothing until your program sets the SDK up.
    Raises BurnishError when opentelemetry-api is not installed.
    """

    def __init__(
        self,
        *,
        content: bool = False,
        provider: str = "openai",
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        try:
            from opentelemetry import context, metrics, trace
        except ImportError:
            raise BurnishError(
                "burnish.OpenTelemetry needs the package opentelemetry-api. Install it: pip install 'burnish[otel]'."
            ) from None
        self._context, self._trace = context, trace
        self._content = content
        self._provider = provider
        self._tracer = trace.get_tracer("burnish", None, tracer_provider, SCHEMA)
        meter = metrics.get_meter("burnish", "", meter_provider, SCHEMA)
        self._durations = meter.create_histogram(
            "gen_ai.client.operation.duration",
            "s",
            "GenAI operation duration.",
            explicit_bucket_boundaries_advisory=SECONDS,
        )
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=TOKENS,
        )
        self._lock = threading.Lock()
        self._runs: dict[int, Span] = {}
        self._calls: dict[int, Span] = {}  # by the id of what began them
        self._compiles: dict[str, _Compile] = {}

    # frozen programs at work

    def on_run_started(self, event: RunStarted) -> None:
        span = self._tracer.start_span("burnish.run")
        if self._content:
            span.set_attribute("burnish.inputs", _text(event.inputs))
        # It is not made the current one: a stream that is read while another begins would stay current for ever.
        with self._lock:
            self._runs[event.run] = span

    def on_run_ended(self, event: RunEnded) -> None:
        with self._lock:
            span = self._runs.pop(event.run)
        if self._content and event.outputs is not None:
            span.set_attribute("burnish.outputs", _text(event.outputs))
        self._end(span, event.error)

    def on_call_started(self, event: CallStarted) -> None:
        attributes = self._request("chat", event.model, event.params)
        attributes["burnish.predictor"] = event.predictor
        attributes["burnish.ask"] = event.ask
        if self._content:
            attributes |= _messages_in(event.messages)
        with self._lock:
            run = self._runs.get(event.run)
        within = None if run is None else self._trace.set_span_in_context(run)
        span = self._start(f"chat {event.model}", attributes, within)
        with self._lock:
            self._calls[id(event)] = span

    def on_call_ended(self, event: CallEnded) -> None:
        with self._lock:
            span = self._calls.pop(id(event.started))
        reasons = None if event.finish_reason is None else [event.finish_reason]
        texts = None if event.text is None else [event.text]
        span.set_attributes(self._reply(reasons, event.prompt_tokens, event.completion_tokens, texts))
        span.set_attribute("burnish.parsed", event.parsed)
        self._end(span, event.error)
        self._measure(
            self._request("chat", event.started.model, {}),
            event.seconds,
            event.prompt_tokens,
            event.completion_tokens,
            event.error,
        )

    # compiles

    def on_compile_started(self, event: CompileStarted) -> None:
        span = self._tracer.start_span("burnish.compile")
        span.set_attributes(
            {
                "burnish.run_dir": event.run,
                "burnish.teleprompter": event.teleprompter,
                "burnish.predictors": list(event.predictors),
                "burnish.resumed": event.is_resumed,
                **{f"burnish.model.{role}": model for role, model in event.models.items()},
                **{f"burnish.budget.{currency}": most for currency, most in event.limits.items()},
            }
        )
        # Current until the compile ends, so that what the program and the metric trace stands below it.
        token = self._context.attach(self._trace.set_span_in_context(span))
        with self._lock:
            self._compiles[event.run] = _Compile(span, token)

    def on_phase_started(self, event: PhaseStarted) -> None:
        with self._lock:
            work = self._compiles[event.run]
            self._end_phase(work)
            within = self._trace.set_span_in_context(work.span)
            work.phase = self._tracer.start_span(f"burnish.{event.phase}", within)

    def on_request_ended(self, event: RequestEnded) -> None:
        within = None if event.from_cache else self._round_of(event.run)
        if within is None:
            return
        operation, body = OPERATIONS[event.request.kind], event.request.wire
        attributes = self._request(operation, event.model, body)
        if self._content and "messages" in body:
            attributes |= _messages_in(body["messages"])
        # The span is made when all is known, and set back to when the request was sent.
        ended = time.time_ns()
        span = self._start(f"{operation} {event.model}", attributes, within, ended - int(event.seconds * 1e9))
        prompt_tokens = completion_tokens = None
        if event.reply is not None:
            usage = event.reply.usage
            prompt_tokens, completion_tokens = usage.prompt_tokens, usage.completion_tokens
            texts = None if event.request.kind == "embedding" else event.reply.texts
            reasons = event.reply.finish_reasons or None
            span.set_attributes(self._reply(reasons, prompt_tokens, completion_tokens, texts))
            span.set_attributes(
                {
                    f"gen_ai.response.{name}": event.reply.body[name]
                    for name in ("model", "id")
                    if isinstance(event.reply.body.get(name), str)
                }
            )
        self._end(span, event.error, ended)
        self._measure(
            self._request(operation, event.model, {}), event.seconds, prompt_tokens, completion_tokens, event.error
        )

    def on_candidate_scored(self, event: CandidateScored) -> None:
        with self._lock:
            self._compiles[event.run].in_rounds = True
        self._note(
            event.run,
            "candidate scored",
            {"burnish.candidate": event.candidate, "burnish.score": event.mean, "burnish.origin": event.origin},
        )

    def on_candidate_rejected(self, event: CandidateRejected) -> None:
        self._note(event.run, "candidate rejected", {"burnish.reason": event.reason})

    def on_block_ended(self, event: BlockEnded) -> None:
        with self._lock:
            phase = self._compiles[event.run].phase
        if phase is not None:
            phase.set_attributes({f"burnish.spent.{name}": spent for name, spent in vars(event.spent).items()})

    def on_round_ended(self, event: RoundEnded) -> None:
        with self._lock:
            work = self._compiles[event.run]
            span = work.round or self._open_round(work)
            work.round = None
        span.update_name(f"burnish.round {event.name}")
        span.set_attributes({"burnish.round": event.number, "burnish.proposed": len(event.proposed)})
        span.end()

    def on_search_ended(self, event: SearchEnded) -> None:
        with self._lock:
            work = self._compiles[event.run]
            work.in_rounds = False
        if work.phase is not None:
            work.phase.set_attributes({"burnish.finalist": event.finalist, "burnish.cut_by_budget": event.was_cut})

    def on_compile_ended(self, event: CompileEnded) -> None:
        with self._lock:
            work = self._compiles.pop(event.run)
            self._end_phase(work)
        self._context.detach(work.token)
        work.span.set_attributes({f"burnish.spent.{name}": spent for name, spent in vars(event.total).items()})
        work.span.set_attributes({f"burnish.paid.{name}": spent for name, spent in vars(event.paid).items()})
        if event.verdict is not None:
            work.span.set_attributes({"burnish.verdict": event.verdict.decision, "burnish.digest": event.digest or ""})
            if event.verdict.gain is not None:
                work.span.set_attribute("burnish.gain", event.verdict.gain)
        self._end(work.span, event.error)

    # spans

    def _start(self, name: str, attributes: Attributes, within: Context | None, began: int | None = None) -> Span:
        return self._tracer.start_span(
            name, within, kind=self._trace.SpanKind.CLIENT, attributes=attributes, start_time=began
        )

    def _end(self, span: Span, error: BaseException | None, ended: int | None = None) -> None:
        if error is not None:
            span.set_attribute("error.type", type(error).__name__)
            # The message of an error may quote a reply.
            said = str(error) if self._content else type(error).__name__
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, said))
        span.end(ended)

    def _end_phase(self, work: _Compile) -> None:
        for span in (work.round, work.phase):
            if span is not None:
                span.end()
        work.round = work.phase = None

    def _round_of(self, run: str) -> Context | None:
        """Where a request belongs: a round of the search, which begins with its first request; or the phase."""
        with self._lock:
            work = self._compiles.get(run)
            if work is None:  # a reply that landed after its compile was stopped
                return None
            if work.in_rounds and work.round is None:
                self._open_round(work)
            return self._trace.set_span_in_context(work.innermost)

    def _open_round(self, work: _Compile) -> Span:
        """Its name is known when it is over; a round that the budget cuts keeps this one."""
        within = self._trace.set_span_in_context(work.phase or work.span)
        work.round = self._tracer.start_span("burnish.round", within)
        return work.round

    def _note(self, run: str, name: str, attributes: Attributes) -> None:
        with self._lock:
            self._compiles[run].innermost.add_event(name, attributes)

    # attributes

    def _request(self, operation: str, model: str, params: Mapping[str, JSON]) -> Attributes:
        attributes: Attributes = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": self._provider,
            "gen_ai.request.model": model,
        }
        for name, convention in PARAMETERS.items():
            value = params.get(name)
            if value is not None and not (name == "n" and value == 1):
                attributes[f"gen_ai.request.{convention}"] = (
                    [value] if name == "stop" and isinstance(value, str) else value
                )
        return attributes

    def _reply(
        self,
        finish_reasons: Sequence[str] | None,
        prompt_tokens: int | None,
        completion_tokens: int | None,
        texts: Sequence[str] | None,
    ) -> Attributes:
        known: Attributes = {
            "gen_ai.response.finish_reasons": finish_reasons,
            "gen_ai.usage.input_tokens": prompt_tokens,
            "gen_ai.usage.output_tokens": completion_tokens,
        }
        if self._content and texts is not None:
            reasons = finish_reasons or ["unknown"] * len(texts)
            known["gen_ai.output.messages"] = _text(
                [
                    {"role": "assistant", "parts": [{"type": "text", "content": text}], "finish_reason": reason}
                    for text, reason in zip(texts, reasons, strict=False)
                ]
            )
        return {name: value for name, value in known.items() if value is not None}

    def _measure(
        self,
        attributes: Attributes,
        seconds: float,
        prompt_tokens: int | None,
        completion_tokens: int | None,
        error: Exception | None,
    ) -> None:
        failed = {} if error is None else {"error.type": type(error).__name__}
        self._durations.record(seconds, attributes | failed)
        for kind, count in (("input", prompt_tokens), ("output", completion_tokens)):
            if count is not None:
                self._tokens.record(count, attributes | {"gen_ai.token.type": kind})


def _messages_in(messages: Sequence[Mapping[str, JSON]]) -> Attributes:
    said = [
        {"role": message["role"], "parts": [{"type": "text", "content": message["content"]}]} for message in messages
    ]
    return {"gen_ai.input.messages": _text(said)}


def _text(value: object) -> str:
    """As JSON text: attributes of a span hold no objects."""
    return json.dumps(value, ensure_ascii=False, default=repr)
