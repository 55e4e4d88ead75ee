"""What a server counts, for Prometheus. docs/serving.md lists the names."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from ..callbacks import Callback, CallEnded

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
        self.in_flight = Gauge("burnish_requests_in_flight", "Runs of the program now.", registry=self._registry)
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
