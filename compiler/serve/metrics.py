"""What a server counts, for Prometheus. docs/serving.md lists the names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from ..callbacks import Callback, CallEnded
from .problems import KINDS

HUNG_UP = 499  # in log and metrics: the client was gone before there was an answer
_STATUSES = sorted({200, HUNG_UP, *(status for kind, (status, _) in KINDS.items() if kind != "not_found")})
# Seconds. A reply of a language model takes from some milliseconds (cached by a proxy) to minutes.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


@dataclass
class Tally:
    """The calls to the model on behalf of one request."""

    ended: list[CallEnded] = field(default_factory=list)

    @property
    def prompt_tokens(self) -> int:
        return sum(event.prompt_tokens or 0 for event in self.ended)

    @property
    def completion_tokens(self) -> int:
        return sum(event.completion_tokens or 0 for event in self.ended)


# Of the request that the running task or thread works for.
TALLY: ContextVar[Tally | None] = ContextVar("burnish_served_calls", default=None)


class Metrics(Callback):
    """Counts requests as the app tells it, and calls to the model as the program does."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter("burnish_requests", "POST /run by status.", ["status"], registry=self._registry)
        self._seconds = Histogram(
            "burnish_request_seconds", "Wall time of POST /run.", buckets=_BUCKETS, registry=self._registry
        )
        self._in_flight = Gauge("burnish_requests_in_flight", "Runs of the program now.", registry=self._registry)
        self._calls = Histogram(
            "burnish_model_seconds", "Wall time of a call.", ["predictor"], buckets=_BUCKETS, registry=self._registry
        )
        self._unparsed = Counter(
            "burnish_parse_failures",
            "Replies that do not hold the outputs, those that were asked for again too.",
            ["predictor"],
            registry=self._registry,
        )
        self._failed = Counter(
            "burnish_model_failures", "Calls without a reply.", ["predictor"], registry=self._registry
        )
        tokens = Counter("burnish_tokens", "Tokens, as the server counts.", ["kind"], registry=self._registry)
        self._prompt, self._completion = tokens.labels("prompt"), tokens.labels("completion")
        for status in _STATUSES:  # a rate over a counter that begins with its first failure does not see that failure
            self._requests.labels(str(status))

    def begin(self, predictors: Iterable[str], in_flight: Callable[[], int]) -> None:
        """Counts of each predictor begin at 0. in_flight: runs now."""
        for predictor in predictors:
            for counted in (self._calls, self._unparsed, self._failed):
                counted.labels(predictor)
        self._in_flight.set_function(in_flight)

    def request_ended(self, status: int, seconds: float) -> None:
        self._requests.labels(str(status)).inc()
        self._seconds.observe(seconds)

    def on_call_ended(self, event: CallEnded) -> None:
        predictor = event.started.predictor
        self._calls.labels(predictor).observe(event.seconds)
        if event.text is None:
            self._failed.labels(predictor).inc()
        elif not event.parsed:
            self._unparsed.labels(predictor).inc()
        self._prompt.inc(event.prompt_tokens or 0)
        self._completion.inc(event.completion_tokens or 0)
        tally = TALLY.get()
        if tally is not None:
            tally.ended.append(event)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)
