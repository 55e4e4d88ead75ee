"""What users may rely on: traces and metrics follow the GenAI conventions and hang together across threads."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import burnish as b
from burnish.compiler.callbacks import CallEnded, CallStarted, RunEnded, RunStarted

pytest.importorskip("opentelemetry.sdk")
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode


class Collected:
    """A tracer and a meter of our own, and what came out of them."""

    def __init__(self, **options):
        self._exporter = InMemorySpanExporter()
        self.tracing = TracerProvider()
        self.tracing.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._reader = InMemoryMetricReader()
        metering = MeterProvider([self._reader])
        self.callback = b.OpenTelemetry(tracer_provider=self.tracing, meter_provider=metering, **options)
        self.tracer = self.tracing.get_tracer("test")

    @property
    def spans(self):
        return self._exporter.get_finished_spans()

    def named(self, name):
        return [span for span in self.spans if span.name == name]

    def children(self, span):
        return [one for one in self.spans if one.parent is not None and one.parent.span_id == span.context.span_id]

    def points(self, name):
        found = self._reader.get_metrics_data()
        metrics = [m for r in found.resource_metrics for scope in r.scope_metrics for m in scope.metrics]
        return [point for metric in metrics if metric.name == name for point in metric.data.data_points]


def a_run(callback, number=1, text="positive", error=None):
    """What a callback is told of one run with one call."""
    params = {"temperature": 0.5, "max_tokens": 20, "stop": "\n", "n": 1}
    messages = [{"role": "system", "content": "Judge."}, {"role": "user", "content": "secret"}]
    started = CallStarted(number, "self", "small", messages, params, 0)
    callback.on_run_started(RunStarted(number, {"review": "secret"}))
    callback.on_call_started(started)
    reply = (text, "stop", 12, 3, True) if error is None else (None, None, None, None, False)
    callback.on_call_ended(CallEnded(started, 0.25, *reply, error))
    callback.on_run_ended(RunEnded(number, 0.3, None if error else {"label": text}, error))


def test_a_call_is_a_client_span_with_the_attributes_of_the_conventions():
    told = Collected()
    a_run(told.callback)
    call, run = told.spans
    assert (call.name, call.kind, run.name) == ("chat small", SpanKind.CLIENT, "burnish.run")
    assert dict(call.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "small",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 20,
        "gen_ai.request.stop_sequences": ("\n",),
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 3,
        "burnish.predictor": "self",
        "burnish.ask": 0,
        "burnish.parsed": True,
    }
    assert call.status.status_code is StatusCode.UNSET


def test_the_names_are_those_of_the_installed_conventions():
    from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
    from opentelemetry.semconv._incubating.metrics import gen_ai_metrics

    told = Collected(content=True)
    a_run(told.callback)
    known = {value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI_")}
    assert {name for name in told.spans[0].attributes if name.startswith("gen_ai.")} <= known
    assert told.points(gen_ai_metrics.GEN_AI_CLIENT_OPERATION_DURATION)
    assert told.points(gen_ai_metrics.GEN_AI_CLIENT_TOKEN_USAGE)


def test_texts_are_left_out_unless_they_are_asked_for():
    silent, open_ = Collected(), Collected(content=True)
    for told in (silent, open_):
        a_run(told.callback)
        a_run(told.callback, 2, error=ValueError("secret"))
    assert "secret" not in "".join(span.to_json() for span in silent.spans)
    call, run, *_ = open_.spans
    (_, asked) = json.loads(call.attributes["gen_ai.input.messages"])
    assert asked == {"role": "user", "parts": [{"type": "text", "content": "secret"}]}
    (said,) = json.loads(call.attributes["gen_ai.output.messages"])
    assert said == {
        "role": "assistant",
        "parts": [{"type": "text", "content": "positive"}],
        "finish_reason": "stop",
    }
    assert json.loads(run.attributes["burnish.outputs"]) == {"label": "positive"}


def test_what_goes_wrong_is_marked_with_the_name_of_the_error():
    told = Collected()
    a_run(told.callback, error=b.LMError("the server is gone"))
    for span in told.spans:
        assert span.attributes["error.type"] == "LMError"
        assert span.status.status_code is StatusCode.ERROR
    (point,) = told.points("gen_ai.client.operation.duration")
    assert point.attributes["error.type"] == "LMError"


def test_metrics_count_seconds_and_tokens_by_model():
    told = Collected()
    a_run(told.callback)
    a_run(told.callback, 2)
    (duration,) = told.points("gen_ai.client.operation.duration")
    assert (duration.count, duration.sum) == (2, 0.5)
    tokens = {point.attributes["gen_ai.token.type"]: point for point in told.points("gen_ai.client.token.usage")}
    assert (tokens["input"].sum, tokens["output"].sum) == (24, 6)
    assert tokens["input"].explicit_bounds[:4] == (1, 4, 16, 64)
    assert tokens["input"].attributes["gen_ai.request.model"] == "small"


@pytest.fixture
def frozen(compiled_program, tmp_path):
    """A frozen program that answers at once, watched."""

    def load(told):
        path = compiled_program(format="plain").save(tmp_path / "program.json")
        return b.load(path, lm=lambda messages, params: "positive", callbacks=[told.callback])

    return load


def test_runs_of_a_frozen_program_join_the_trace_of_the_caller(frozen):
    told = Collected()
    classify = frozen(told)
    with told.tracer.start_as_current_span("request") as request:
        classify(review="Fine.")
    (run,), (call,) = told.named("burnish.run"), told.named("chat small")
    assert run.parent.span_id == request.context.span_id
    assert call.parent.span_id == run.context.span_id


def test_many_threads_and_tasks_at_once_keep_their_traces_apart(frozen):
    told = Collected()
    classify = frozen(told)
    together = threading.Barrier(8)

    def one(number):
        together.wait()
        with told.tracer.start_as_current_span(f"request {number}"):
            classify(review="Fine.")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(8)))

    async def task(number):
        with told.tracer.start_as_current_span(f"request {number}"):
            await classify.acall(review="Fine.")

    async def all_tasks():
        await asyncio.gather(*(task(number) for number in range(8, 16)))

    asyncio.run(all_tasks())
    for number in range(16):
        (request,) = told.named(f"request {number}")
        (run,) = told.children(request)
        (call,) = told.children(run)
        assert {span.context.trace_id for span in (request, run, call)} == {request.context.trace_id}
    assert len(told.spans) == 48


def test_rows_of_a_batch_belong_to_whoever_asked_for_the_batch(frozen):
    told = Collected()
    classify = frozen(told)
    with told.tracer.start_as_current_span("request"):
        classify.batch([{"review": "Fine."}, {"review": "Bad."}])
    (request,) = told.named("request")
    assert [span.name for span in told.children(request)] == ["burnish.run"] * 2


def test_a_compile_is_a_trace_of_phases_rounds_and_paid_requests(program, reviewer, reviews, tmp_path):
    told = Collected()
    lm = reviewer(lambda prompt: 0.9 if "care" in prompt else 0.5)
    given = {
        "trainset": reviews(60),
        "metric": b.exact_match("label"),
        "lm": lm,
        "teleprompter": b.OPRO(steps=2, proposals=2),
        "budget": b.Budget(calls=240),
        "progress": False,
        "callbacks": [told.callback],
    }
    with told.tracer.start_as_current_span("job") as job:
        compiled = b.compile(program, **given)
    (top,) = told.named("burnish.compile")
    assert top.parent.span_id == job.context.span_id
    assert top.attributes["burnish.verdict"] == compiled.verdict.decision
    assert top.attributes["burnish.paid.calls"] == len(lm.calls)
    phases = told.children(top)
    assert [span.name for span in phases] == ["burnish.search", "burnish.final comparison"]
    rounds = [span for span in told.children(phases[0]) if span.name.startswith("burnish.round")]
    assert [span.attributes.get("burnish.round") for span in rounds][:2] == [1, 2]
    requests = told.named("chat scripted")
    assert len(requests) == len(lm.calls)
    within = {span.context.span_id for span in (*phases, *rounds)}
    assert {span.parent.span_id for span in requests} <= within
    assert {span.parent.span_id for span in requests} & {span.context.span_id for span in rounds}
    assert all(span.start_time <= span.end_time for span in requests)
    scored = [event for span in (*phases, *rounds) for event in span.events if event.name == "candidate scored"]
    assert len(scored) == compiled.evidence["candidates"]
    assert "Review number" not in "".join(span.to_json() for span in told.spans)
    again = Collected()
    b.compile(program, **{**given, "callbacks": [again.callback], "run_dir": tmp_path / "again"})
    assert not again.named("chat scripted")  # every reply came from the cache


def test_without_opentelemetry_the_error_says_what_to_install():
    program = """
import sys
sys.modules["opentelemetry"] = None
import burnish
try:
    burnish.OpenTelemetry()
except burnish.BurnishError as error:
    print(error)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(b.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert "pip install 'burnish[otel]'" in done.stdout
