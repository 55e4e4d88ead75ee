"""Metrics: how good a prediction is, stated with its range and its identity; and those that most programs need."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, overload

from ..signatures.canonical import JSON, digest
from ..signatures.code_identity import code_identity
from ..signatures.errors import BurnishError, ExampleError, MetricError
from ..signatures.example import Example
from . import matching

Function: TypeAlias = Callable[..., Any]

BUILT_IN = ("contains", "exact_match", "json_match", "normalized_match", "numeric_match", "token_f1")
SHOWN = 300  # characters of an example or a result in a message


@dataclass(frozen=True)
class Metric:
    """A function of (example, prediction, trace=None), its range and its identity.

    range: lowest and highest score; a program that fails on a row has the lowest. identity: outcomes are kept under it,
    so a changed metric never meets old scores. needs_thread: whether it may call a model, and so runs in a thread of
    its own. reads: the output field and the example's column that a built-in compares.
    """

    name: str
    fn: Function
    range: tuple[float, float]
    identity: str
    needs_thread: bool = True
    reads: tuple[str, str] | None = None

    def __call__(self, example: Any, prediction: Any, trace: Any = None) -> Any:
        """What the function itself returns, for use wherever dspy takes a metric."""
        return self.fn(example, prediction, trace)

    def measure(self, example: Any, prediction: Any, trace: Any = None) -> tuple[float, str]:
        """The score, checked, and the feedback in words ("" without).

        The function may return a bool, a number, or an object or dict with `score` and `feedback`. Raises MetricError
        that shows the example when it raises or returns anything that is not a finite number in the range.
        """
        try:
            result = self.fn(example, prediction, trace)
        except BurnishError:  # a judge that cannot be reached, say: already clear, and not the metric's doing
            raise
        except Exception as error:
            raise MetricError(
                f"metric {self.name!r} raised {type(error).__name__}: {error}\n{_shown(example, prediction)}\n"
                "An error is never a score, so the run stops here; what was paid for is kept. Mend the metric and run "
                "again."
            ) from error
        value, feedback = _parts(result)
        score = _number(value)
        low, high = self.range
        if score is None or not low <= score <= high:
            what = "nothing (None)" if value is None else repr(value)[:SHOWN]
            raise MetricError(
                f"metric {self.name!r} returned {what}, which is not a number from {low:g} to {high:g}.\n"
                f"{_shown(example, prediction)}\n"
                "Return a number in that range, or state another: burnish.metric(fn, range=(0, 10))."
            )
        return score, feedback


@overload
def metric(fn: Function, range: tuple[float, float] = ..., version: str | None = ...) -> Metric: ...
@overload
def metric(
    fn: None = ...,
    range: tuple[float, float] = ...,
    version: str | None = ...,
) -> Callable[[Function], Metric]: ...
def metric(
    fn: Function | None = None,
    range: tuple[float, float] = (0, 1),
    version: str | None = None,
) -> Metric | Callable[[Function], Metric]:
    """A metric with a range and an identity: `metric(fn, range=(0, 10))`, or above a function `@metric(version="2")`.

    fn: takes (example, prediction) or (example, prediction, trace). version: names what the function does; without it
    the identity is its source with the plain values it closes over, and functions that it calls do not count.
    Raises MetricError on a function that cannot be called so, or a range that is not two rising numbers.
    """
    return (lambda function: _wrap(function, range, version)) if fn is None else _wrap(fn, range, version)


def as_metric(fn: Metric | Function) -> Metric:
    """The metric itself, or any function wrapped with range 0 to 1. Raises MetricError on what cannot be called."""
    return fn if isinstance(fn, Metric) else _wrap(fn, (0, 1), None)


def _wrap(fn: Function, bounds: tuple[float, float], version: str | None) -> Metric:
    low, high = bounds
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise MetricError(f"range={bounds!r} is not the lowest and the highest score, such as (0, 1).")
    name = getattr(fn, "__name__", type(fn).__name__)
    called = _with_trace(fn, name)
    identity = [name, low, high, code_identity(fn) if version is None else ["version", version]]
    return Metric(name, called, (float(low), float(high)), digest(identity))


def exact_match(field: str, *, label: str | None = None) -> Metric:
    """1 when the output field equals the example's column `label` (default: of the same name), 0 otherwise.

    Texts are compared without surrounding space; 3, 3.0 and the text "3" are equal, as are enums and their values.
    """
    return _built_in("exact_match", field, label, matching.exact)


def normalized_match(field: str, *, label: str | None = None) -> Metric:
    """1 when the texts are equal without case, punctuation, articles and extra space.

    The label may be a list of answers, any of which counts.
    Source: Rajpurkar et al. 2016, the evaluation script of SQuAD.
    """
    return _built_in("normalized_match", field, label, matching.normalized)


def token_f1(field: str, *, label: str | None = None) -> Metric:
    """Overlap of words after SQuAD's normalisation, as harmonic mean of precision and recall.

    The label may be a list of answers, the best of which counts. Source: Rajpurkar et al. 2016.
    """
    return _built_in("token_f1", field, label, matching.token_overlap)


def contains(field: str, *, label: str | None = None) -> Metric:
    """1 when the output's text holds the label (or one of several), whatever the case and the space."""
    return _built_in("contains", field, label, matching.holds)


def numeric_match(field: str, tolerance: float = 1e-6, *, label: str | None = None) -> Metric:
    """1 when the last number in the output equals the last number in the label.

    Currency signs, thousands separators and percent signs do not count. tolerance: absolute, and relative to the
    larger of both.
    """
    return _built_in(
        "numeric_match", field, label, lambda value, truth: matching.numeric(value, truth, tolerance), [tolerance]
    )


def json_match(field: str, *, label: str | None = None, partial: bool = False) -> Metric:
    """1 when output and label are the same JSON, whatever the order of keys; texts are parsed.

    partial: the share of equal leaves among the leaves of both instead.
    """
    compared = matching.json_share if partial else matching.json_equal
    return _built_in("json_match", field, label, compared, [partial])


def metric_by_name(name: str, field: str) -> Metric:
    """One of BUILT_IN on a field, with its defaults."""
    made: Metric = globals()[name](field)
    return made


def check_fields(metric: Metric, rows: Iterable[Example], outputs: Sequence[str]) -> None:
    """Checks, before any call, that a built-in metric finds what it reads. Does nothing for a function of the user's.

    outputs: the program's output fields. Raises MetricError that names the field, ExampleError that names the row.
    """
    if metric.reads is None:
        return
    field, column = metric.reads
    if field not in outputs:
        raise MetricError(
            f"metric {metric.name} reads the output field {field!r}, which the program does not give. "
            f"It gives: {_names(outputs)}. Nothing was spent."
        )
    for row in rows:
        if column not in row.values:
            raise ExampleError(
                f"{row.place or 'a row'} has no field {column!r}, which metric {metric.name} reads.\n"
                f"It has: {_names(row.values)}. Rename the column, or pass label=... with the column's name.\n"
                "Nothing was spent."
            )
        try:
            metric.fn(row.values, {field: row.values[column]})  # a label that nothing can match shows here
        except MetricError as error:
            raise ExampleError(
                f"{row.place or 'a row'}: {error}\nMend or leave out the row. Nothing was spent."
            ) from error


def unlabelled_note(metric: Metric, rows: Iterable[Example], title: str) -> str:
    """How many rows have no value in the column that a built-in metric reads, in words; "" when all of them have one.

    title: what the rows are called.
    """
    if metric.reads is None:
        return ""
    _, column = metric.reads
    count = sum(column in row.values and row.values[column] is None for row in rows)
    if not count:
        return ""
    return (
        f"{count} rows of {title} have no {column!r} and cannot score in {metric.name}, unless the answer is empty as "
        "well; fill in the column, or leave the rows out."
    )


def _built_in(
    kind: str, field: str, label: str | None, compared: Callable[[Any, Any], float], options: Sequence[JSON] = ()
) -> Metric:
    if not isinstance(field, str) or not field:
        raise MetricError(f"{kind}({field!r}) needs the name of an output field, such as {kind}('label').")
    column = field if label is None else label
    name = f"{kind}({field!r})" if label is None else f"{kind}({field!r}, label={label!r})"

    def fn(example: Any, prediction: Any, trace: Any = None) -> float:
        value = _read(prediction, field, "the prediction", name)
        return compared(value, _read(example, column, "the example", name))

    identity = digest([kind, matching.VERSION, field, column, list(options)])
    return Metric(name, fn, (0.0, 1.0), identity, needs_thread=False, reads=(field, column))


def _read(record: Any, field: str, what: str, name: str) -> Any:
    values = _values(record)
    if values is not None and field in values:
        return values[field]
    if values is None and hasattr(record, field):
        return getattr(record, field)
    raise MetricError(f"{what} has no field {field!r}, which metric {name} reads. It has: {_names(values or ())}.")


def _values(record: Any) -> Mapping[str, Any] | None:
    if isinstance(record, Mapping):
        return record
    items = getattr(record, "items", None)  # dspy's examples and predictions
    return dict(items()) if callable(items) else None


def _with_trace(fn: Function, name: str) -> Function:
    """The function as one of three arguments."""
    if not callable(fn):
        raise MetricError(f"{fn!r} is not a metric. Pass a function of (example, prediction, trace=None).")
    if inspect.iscoroutinefunction(fn):
        raise MetricError(f"metric {name!r} is an async function. Pass a plain one; it runs in a thread of its own.")
    try:
        parameters = inspect.signature(fn).parameters.values()
    except ValueError:  # written in C, without a signature
        return fn
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    starred = any(p.kind == p.VAR_POSITIONAL for p in parameters)
    required = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    needs_keyword = any(p.kind == p.KEYWORD_ONLY for p in required)
    # A third argument with a default is the trace only by name; "weight=0.5" is the user's own.
    third = len(positional) >= 3 and (positional[2].default is inspect.Parameter.empty or "trace" in positional[2].name)
    takes = 3 if starred or third else min(2, len(positional))
    if takes < 2 or len(required) > takes or needs_keyword:
        raise MetricError(
            f"metric {name!r} takes ({', '.join(str(p) for p in parameters)}), and is called with (example, "
            "prediction, trace=None)."
        )
    if takes == 3:
        return fn

    @functools.wraps(fn)
    def called(example: Any, prediction: Any, trace: Any = None) -> Any:
        return fn(example, prediction)

    return called


def _parts(result: Any) -> tuple[Any, str]:
    """Score and feedback of what a metric returned."""
    if isinstance(result, Mapping):
        value, feedback = result.get("score"), result.get("feedback")
    elif hasattr(result, "score"):
        value, feedback = result.score, getattr(result, "feedback", None)
    else:
        return result, ""
    return value, "" if feedback is None else str(feedback)


def _number(value: Any) -> float | None:
    # Arrays and tensors of one element are numbers to Python; texts that look like numbers are not.
    if value is None or isinstance(value, str | bytes) or not hasattr(value, "__float__"):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _shown(example: Any, prediction: Any) -> str:
    return f"example: {_short(example)}\nprediction: {_short(prediction)}"


def _short(record: Any) -> str:
    values = _values(record)
    text = repr(record) if values is None else ", ".join(f"{name}={value!r}" for name, value in values.items())
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def _names(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names) or "nothing"
