"""Running a candidate: a copy of the user's program whose predictors call whom they are told to."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import dspy
from dspy import BaseLM, Module, Predict, Prediction, settings
from dspy.adapters import ChatAdapter
from pydantic import TypeAdapter, ValidationError

from .candidate import Candidate, Part
from .canonical import JSON
from .dspy_program import OWN_SETTINGS, Program, copy_with_leaves
from .errors import ProgramError, ReplyError, SchemaError
from .example import Example
from .schema import Schema
from .values import to_json

_OVERRIDES = ("lm", "demos", "signature", "config")


@dataclass(frozen=True)
class Called:
    """What a predictor's call gave: its output values in JSON form and the text of the reply."""

    outputs: Mapping[str, JSON]
    text: str


class Caller(Protocol):
    """Renders, asks and parses for one predictor: called with its path and its inputs, any Python values."""

    def __call__(self, path: str, inputs: dict[str, Any], /) -> Called: ...


class Traced(Protocol):
    """One predictor's call as it was recorded: path, inputs and outputs in JSON form."""

    @property
    def path(self) -> str: ...
    @property
    def inputs(self) -> Mapping[str, JSON]: ...
    @property
    def outputs(self) -> Mapping[str, JSON]: ...


# Binding


@dataclass(frozen=True)
class _Binding:
    """What a bound predictor needs at each call, apart from dspy's own attributes, which are slow to reach."""

    path: str
    call: Caller
    schema: Schema
    types: Mapping[str, TypeAdapter[Any]]

    @cached_property
    def input_names(self) -> frozenset[str]:
        return frozenset(field.name for field in self.schema.inputs)

    def outputs(self, given: Mapping[str, JSON]) -> dict[str, Any]:
        """Each output field's typed value; its default, or None, where there is none."""
        return {
            field.name: typed(self.types[field.name], given.get(field.name, field.default), field.name)
            for field in self.schema.outputs
        }


class BoundPredict(Predict):  # type: ignore[misc]
    """A predictor that leaves rendering, asking and parsing to a Caller.

    Inputs that are no fields are ignored and missing ones take their default, as dspy does. Outputs come typed as the
    user's signature says; ReplyError where a value does not fit its annotation. Overrides of one call (`lm=`, `demos=`,
    `signature=`, `config=`) raise ProgramError: the candidate decides them.
    """

    binding: _Binding

    def __call__(self, *args: Any, **given: Any) -> Prediction:
        if args or self.callbacks or settings.callbacks:
            return super().__call__(*args, **given)
        # dspy's own way in costs as much again: it keeps the stack of callers for its history, which nobody reads here.
        return BoundPredict.forward(self, **given)

    def forward(self, **given: Any) -> Prediction:
        binding = self.binding
        inputs = self._inputs(binding, given)
        return self._traced(inputs, binding.call(binding.path, inputs), binding, given)

    async def aforward(self, **given: Any) -> Prediction:
        binding = self.binding
        inputs = self._inputs(binding, given)
        return self._traced(inputs, await asyncio.to_thread(binding.call, binding.path, inputs), binding, given)

    def _inputs(self, binding: _Binding, given: dict[str, Any]) -> dict[str, Any]:
        names = binding.input_names
        for override in _OVERRIDES:
            if override in given and override not in names and given[override]:
                raise ProgramError(_OVERRIDDEN.format(path=binding.path, what=f"is called with {override}="))
        if settings.get("burnish_lm") and not (isinstance(settings.lm, _LentLM) and isinstance(self.lm, _MAY_HOLD)):
            raise ProgramError(_OVERRIDDEN.format(path=binding.path, what="is given an LM (dspy.context or set_lm)"))
        return {name: value for name, value in given.items() if name in names}

    def _traced(self, inputs: dict[str, Any], called: Called, binding: _Binding, given: dict[str, Any]) -> Prediction:
        prediction = Prediction.from_completions([binding.outputs(called.outputs)], signature=self.signature)
        trace = settings.trace
        if trace is not None and given.get("_trace", True) and settings.max_trace_size > 0:
            if len(trace) >= settings.max_trace_size:
                trace.pop(0)
            trace.append((self, inputs, prediction))
        return prediction

    def __deepcopy__(self, memo: dict[int, Any]) -> BoundPredict:
        # Programs that copy their own parts (best of n, refine) keep calling the same Caller.
        twin = BoundPredict.__new__(BoundPredict)
        twin.__dict__.update(self.__dict__, demos=list(self.demos), history=[], traces=[], train=[])
        memo[id(self)] = twin
        return twin


_OVERRIDDEN = (
    "predictor {path!r} {what} inside the program, but a compiled candidate decides LM, demonstrations, signature and "
    "parameters. Make it a predictor of its own with these settings."
)


def bind(program: Program, candidate: Candidate, call: Caller) -> Module:
    """A deep copy of the user's program in which each predictor asks `call`, wherever the program refers to it.

    What the candidate says is for `call` to follow; programs see their own signatures, without demonstrations.
    Raises ProgramError when the candidate's predictors are not the program's.
    """
    _check_paths(program, candidate)
    bound = {id(leaf): _bound(program, path, leaf, call) for path, leaf in program.leaves.items()}
    return copy_with_leaves(program.module, bound)


def to_dspy(program: Program, candidate: Candidate, call: Caller) -> Module:
    """A copy of the user's program that says what the candidate says, to be used like any dspy program.

    A predictor whose prompt dspy itself renders to the same messages becomes a plain `dspy.Predict` with the
    candidate's instruction, demonstrations and parameters, which calls the LM that dspy is configured with (through
    ChatAdapter, dspy's default) and which any dspy optimizer can go on from. Every other one asks `call`.
    """
    _check_paths(program, candidate)
    leaves = {
        id(leaf): _plain(leaf, candidate[path]) or _bound(program, path, leaf, call)
        for path, leaf in program.leaves.items()
    }
    return copy_with_leaves(program.module, leaves)


def carried() -> Any:
    """What `run` was told to carry, in the threads that dspy itself starts for a program (dspy.Parallel) too."""
    return settings.get("burnish_carried")


def run(module: Module, inputs: Mapping[str, Any], carry: object = None) -> Prediction:
    """Runs a bound program once, in the calling thread, and returns its Prediction. What the program raises passes.

    A program that has only `aforward()` runs in an event loop of its own. LM calls that do not go through a bound
    predictor raise ProgramError, and so does a program that returns anything else than a dspy.Prediction.
    """
    lent = _LentLM("bound", _refuse)
    with dspy.context(
        lm=lent,
        burnish_lm=lent,
        burnish_carried=carry,
        trace=[],
        callbacks=[],
        disable_history=True,
        track_usage=False,
        send_stream=None,
    ):
        result = module(**inputs) if hasattr(type(module), "forward") else _run_async(module, inputs)
    if not isinstance(result, Prediction):
        raise ProgramError(
            f"{type(module).__name__} returned {type(result).__name__} {result!r:.80}, not a dspy.Prediction. "
            "End forward() with: return dspy.Prediction(name=value, ...)."
        )
    return result


def _run_async(module: Module, inputs: Mapping[str, Any]) -> Any:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(module.acall(**inputs))
    # A notebook's loop already runs in this thread, and a thread has one loop.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(copy_context().run, asyncio.run, module.acall(**inputs)).result()


def _check_paths(program: Program, candidate: Candidate) -> None:
    if set(candidate.predictors) != set(program.leaves):
        raise ProgramError(
            f"The candidate speaks of the predictors {', '.join(candidate.predictors)}; the program has "
            f"{', '.join(program.leaves)}. Take the program that the candidate was made for."
        )


def _bound(program: Program, path: str, leaf: Predict, call: Caller) -> BoundPredict:
    # Not through __init__: that of dspy.Predict draws from the global random generator.
    bound = BoundPredict.__new__(BoundPredict)
    bound.__dict__.update(
        leaf.__dict__,
        demos=[],
        config={},
        history=[],
        traces=[],
        train=[],
        binding=_Binding(path, call, program.schemas[path], program.leaf_types[path]),
    )
    return bound


def _plain(leaf: Predict, part: Part) -> Predict | None:
    """A dspy.Predict that says the same, or None where dspy would render something else."""
    prompt = part.prompt
    if prompt.format != "chat" or prompt.rule is not None:
        return None
    signature = leaf.signature.with_instructions(prompt.instruction)
    demos = [dspy.Example(demo.values) for demo in prompt.demos]
    sample = {field.name: "-" for field in prompt.schema.inputs}
    if chat_messages(signature, demos, sample) != prompt.template.render(sample):
        return None
    plain: Predict = copy.deepcopy(leaf)
    plain.signature, plain.demos = signature, demos
    kept = {name: value for name, value in leaf.config.items() if name not in OWN_SETTINGS}
    plain.config = {**kept, **part.settings.params}
    return plain


def chat_messages(signature: Any, demos: Sequence[dspy.Example], inputs: Mapping[str, str]) -> list[dict[str, JSON]]:
    """The messages that dspy itself sends: those of ChatAdapter, its default."""
    messages: list[dict[str, JSON]] = ChatAdapter().format(signature, list(demos), dict(inputs))
    return messages


# LMs lent to the user's code


class _LentLM(BaseLM):  # type: ignore[misc]
    """An LM for code of the user's that asks dspy's configured LM: every call goes to `ask`."""

    def __init__(self, model: str, ask: Callable[[Sequence[Mapping[str, str]], Mapping[str, JSON]], str]) -> None:
        super().__init__(model=model, cache=False, num_retries=0)
        self._ask = ask

    def __call__(self, prompt: str | None = None, *, messages: Any = None, **params: Any) -> list[str]:
        asked = messages if messages is not None else [{"role": "user", "content": prompt or ""}]
        sent = {name: value for name, value in params.items() if name not in ("cache", "rollout_id", "n")}
        # One call a completion: each is a sample of its own.
        return [self._ask(asked, sent) for _ in range(params.get("n") or 1)]

    async def acall(self, prompt: str | None = None, *, messages: Any = None, **params: Any) -> list[str]:
        return await asyncio.to_thread(self.__call__, prompt, messages=messages, **params)

    def __deepcopy__(self, memo: dict[int, Any]) -> _LentLM:
        return self


# What a predictor's own `lm` may be while a candidate runs: programs that resample set the LM they were lent.
_MAY_HOLD = (_LentLM, type(None))


def _refuse(messages: Sequence[Mapping[str, str]], params: Mapping[str, JSON]) -> str:
    raise ProgramError(
        "The program called an LM other than through the predictors that were found in it: through a predictor made "
        "inside forward(), or kept where it cannot be found. Assign each predictor to an attribute in __init__()."
    )


@contextmanager
def metric_context(lm: Any, ask: Callable[[Sequence[Mapping[str, str]], Mapping[str, JSON]], str]) -> Iterator[None]:
    """Where metrics run: dspy's configured LM is the judge, and each of its calls goes to `ask(messages, params)`.

    lm: the judge; only its name (`.model`) is shown. Nothing is traced or kept in dspy's history.
    """
    lent = _LentLM(lm.model, ask)
    with dspy.context(lm=lent, burnish_lm=None, trace=None, callbacks=[], disable_history=True, track_usage=False):
        yield


def configured_lm() -> Any:
    """The LM that dspy is configured with, or None."""
    return settings.lm


# Values in and out


def typed(adapter: TypeAdapter[Any], value: JSON, name: str) -> Any:
    """A JSON value as the Python value that an annotation asks for. Raises ReplyError, naming the field."""
    try:
        return _validated(adapter, value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = "".join(f"[{part!r}]" for part in first["loc"])
        raise ReplyError(f"field {name!r}{where}: {first['msg']}") from error


def _validated(adapter: TypeAdapter[Any], value: JSON) -> Any:
    try:
        return adapter.validate_python(value)
    except ValidationError:
        # A strict model takes a date from JSON text, but not from a Python string.
        return adapter.validate_json(json.dumps(value))


def to_prediction(program: Program, outputs: Mapping[str, JSON]) -> Prediction:
    """A program's outputs in JSON form as the dspy.Prediction that the program itself would have returned.

    Values are typed as the fields of a predictor or pipeline say, those of a module stay as they are. Raises
    ReplyError where a value does not fit its annotation.
    """
    types = program.types
    return Prediction(**{n: typed(types[n], v, n) if n in types else v for n, v in outputs.items()})


def prediction_to_json(prediction: Prediction) -> dict[str, JSON]:
    """The values of a Prediction in JSON form. Raises ProgramError for one that has none."""
    values: dict[str, JSON] = {}
    for name, value in prediction.items():
        try:
            values[name] = to_json(value)
        except SchemaError as error:
            raise ProgramError(
                f"The program returned {name}={value!r:.80}, which is not JSON: {error} Return it as such in the "
                "dspy.Prediction."
            ) from error
    return values


def to_dspy_example(example: Example, program: Program) -> dspy.Example:
    """A row as the dspy.Example that a metric is given, its inputs marked.

    Values are typed as the program's fields say where they fit, and stay as they are where they do not or where no
    field has their name.
    """
    return dspy.Example(_fitting(program.types, example.values)).with_inputs(*example.inputs)


def metric_trace(program: Program, steps: Iterable[Traced]) -> list[tuple[Predict, dict[str, Any], Prediction]]:
    """Recorded calls as the trace that dspy gives a metric when bootstrapping: (predictor, inputs, Prediction)."""
    return [
        (
            program.leaves[step.path],
            _fitting(program.leaf_types[step.path], step.inputs),
            Prediction.from_completions([_fitting(program.leaf_types[step.path], step.outputs)]),
        )
        for step in steps
    ]


def _fitting(types: Mapping[str, TypeAdapter[Any]], values: Mapping[str, JSON]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        try:
            found[name] = _validated(types[name], value) if name in types else value
        except ValidationError:
            found[name] = value
    return found
