"""judge(): a call of the judge LM from inside a metric, metered, cached and retried like every other call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

from ..signatures.canonical import JSON
from ..signatures.errors import MetricError

Caller: TypeAlias = Callable[[Sequence[Mapping[str, Any]], Mapping[str, JSON]], str]

_CALLER: ContextVar[Caller | None] = ContextVar("burnish_judge", default=None)


def judge(prompt: str | Sequence[Mapping[str, Any]], *, temperature: float = 0.0, max_tokens: int = 256) -> str:
    """The judge LM's reply to a prompt or to chat messages, for metrics that ask a model.

    The call counts against the run's budget, comes from the cache when it was made before, and goes to
    `compile(judge_lm=...)`. Raises MetricError outside a metric that a run is measuring.
    """
    caller = _CALLER.get()
    if caller is None:
        raise MetricError(
            "judge() was called where no run is measuring: it works inside a metric, while compile() or `burnish eval` "
            "scores with it. In a thread that the metric starts itself, run through contextvars.copy_context().run."
        )
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
    return caller(messages, {"temperature": temperature, "max_tokens": max_tokens})


@contextmanager
def bind_judge(caller: Caller) -> Iterator[None]:
    """Within this context, in this thread or task, `judge()` goes to `caller(messages, parameters)`."""
    token = _CALLER.set(caller)
    try:
        yield
    finally:
        _CALLER.reset(token)
