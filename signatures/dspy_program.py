"""Program: what a user's `dspy.Module` says, read once, so that it can be searched without touching it."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from functools import cached_property, partial
from types import FunctionType, MethodType
from typing import Any, Literal, TypeAlias

from dspy import ChainOfThought, Module, Predict, settings
from dspy.adapters import ChatAdapter, JSONAdapter, XMLAdapter
from pydantic import TypeAdapter

from .candidate import Candidate, Part, Settings
from .canonical import JSON, canonical
from .code_identity import code_identity
from .dspy_schema import schema_of
from .errors import ProgramError, SchemaError
from .pipeline import Pipeline
from .prompt import Demo, Prompt
from .schema import Field, Schema
from .values import to_json

Kind: TypeAlias = Literal["predictor", "pipeline", "module"]

_FORMATS = {type(None): "chat", ChatAdapter: "chat", JSONAdapter: "json", XMLAdapter: "xml"}
# Keys of a predictor's configuration that are Burnish's own; all others are sampling parameters of the LM.
OWN_SETTINGS = ("format", "position", "reply_policy")
# What dspy keeps among the sampling parameters without sending it: it only tells entries of dspy's own cache apart.
_NEVER_SENT = ("rollout_id",)


@dataclass(frozen=True, eq=False)
class Program:
    """A user's program as it was read.

    module: the user's own; never mutated. leaves: its predictors by path, also the user's own.
    kind: "predictor": one Predict or ChainOfThought. "pipeline": a declared Pipeline. "module": the user's own code.
    student: what the program says now. schemas: of each predictor, by path.
    inputs, outputs: names of what the whole program takes and gives; empty for a module, whose code decides.
    identity: JSON that changes whenever the program's code, fields or plain settings change, and not otherwise.
    spec: the wiring of a pipeline; {} otherwise.
    """

    module: Module
    kind: Kind
    student: Candidate
    schemas: Mapping[str, Schema]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    identity: JSON
    spec: JSON
    leaves: Mapping[str, Predict] = dataclass_field(repr=False)

    @cached_property
    def fields(self) -> dict[str, Field]:
        """The program's own input and output fields by name; empty for a module."""
        found: dict[str, Field] = {}
        for _, one in self._own_fields():
            # An input that one step can do without and another cannot is required.
            if one.name not in found or one.required:
                found[one.name] = one
        return found

    @cached_property
    def leaf_types(self) -> dict[str, dict[str, TypeAdapter[Any]]]:
        """For each predictor, what turns JSON into the typed values of its fields."""
        return {path: field_types(leaf.signature) for path, leaf in self.leaves.items()}

    @cached_property
    def types(self) -> dict[str, TypeAdapter[Any]]:
        """What turns JSON into the typed values of the program's own fields; empty for a module."""
        return {field.name: self.leaf_types[path][field.name] for path, field in self._own_fields()}

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """What a call of a module's forward() must give.

        Empty where its parameters do not say what it takes: none must be given, or it takes `*args`, `**kwargs` or one
        without a name.
        """
        try:
            taken = inspect.signature(forward_of(self.module)).parameters.values()
        except (AttributeError, TypeError, ValueError):  # no forward() at all, or a callable that does not say
            return ()
        if any(one.kind not in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY) for one in taken):
            return ()
        return tuple(one.name for one in taken if one.default is one.empty)

    def _own_fields(self) -> Iterator[tuple[str, Field]]:
        for path, schema in self.schemas.items():
            yield from ((path, field) for field in schema.inputs if field.name in self.inputs)
            yield from ((path, field) for field in schema.outputs if field.name in self.outputs)


def field_types(signature: Any) -> dict[str, TypeAdapter[Any]]:
    """A type adapter for each field of a dspy signature."""
    return {name: TypeAdapter(field.annotation) for name, field in signature.fields.items()}


def read_program(program: object) -> Program:
    """Reads predictors, prompts and identity of a dspy program, and tries whether it can be copied. Calls no LM.

    Raises ProgramError, naming path and remedy, for what is no program or cannot be bound or copied; SchemaError for
    a field that a template cannot hold or a prompt that cannot be rendered.
    """
    module = _module(program)
    leaves = dict(_leaves(module))
    if not leaves:
        raise ProgramError(
            f"{type(module).__name__} has no predictors. Assign dspy.Predict or dspy.ChainOfThought objects to "
            "attributes in __init__(), so that they can be found; predictors created inside forward() cannot."
        )
    for path, leaf in leaves.items():
        _check_leaf(path, leaf)
    schemas = {path: schema_of(leaf.signature) for path, leaf in leaves.items()}
    student = Candidate.of({path: _part(path, leaf, schemas[path]) for path, leaf in leaves.items()})
    _check_copy(module, leaves)
    kind = _kind(module)
    inputs, outputs, spec = _interface(module, kind, schemas)
    return Program(
        module, kind, student, schemas, inputs, outputs, _identity(module, kind, schemas, spec), spec, leaves
    )


def forward_of(module: Module) -> Callable[..., Any]:
    """A module's forward(), or its aforward() where it has only that; to be read, not called."""
    # Past dspy's own look-up, which logs a warning that forward() is called.
    name = "forward" if hasattr(type(module), "forward") else "aforward"
    found: Callable[..., Any] = object.__getattribute__(module, name)
    return found


def copy_with_leaves(module: Module, leaves: Mapping[int, Predict]) -> Module:
    """A deep copy of a module in which the predictors with these ids are replaced, wherever they are referred to."""
    copied: Module = copy.deepcopy(module, dict(leaves))
    return copied


def _module(program: object) -> Module:
    if isinstance(program, Module):
        return program
    if inspect.isclass(program) and issubclass(program, Module):
        raise ProgramError(f"{program.__name__} is a class, not a program. Pass an instance: {program.__name__}(...).")
    raise ProgramError(
        f"{type(program).__name__} object {program!r:.80} is not a dspy program. Pass a dspy.Module instance: "
        "burnish.Predict(Signature), burnish.ChainOfThought(Signature), burnish.Pipeline(...) or your own module."
    )


def _kind(module: Module) -> Kind:
    if type(module) in (Predict, ChainOfThought):
        return "predictor"
    return "pipeline" if type(module) is Pipeline else "module"


def _interface(
    module: Module, kind: Kind, schemas: Mapping[str, Schema]
) -> tuple[tuple[str, ...], tuple[str, ...], JSON]:
    if kind == "predictor":
        (schema,) = schemas.values()
        return tuple(f.name for f in schema.inputs), tuple(f.name for f in schema.outputs), {}
    if kind == "pipeline":
        return module.inputs, module.outputs, module.spec
    return (), (), {}


# Finding predictors


def _leaves(module: Module) -> Iterator[tuple[str, Predict]]:
    """Every predictor once, by the path that dspy gives it, in dspy's order; also where dspy does not look:
    in lists within lists, and in modules that an earlier optimizer marked as compiled."""
    if isinstance(module, Predict):
        yield "self", module
        return
    seen: set[int] = {id(module)}
    for name, value in vars(module).items():
        yield from _leaves_in(name, value, seen)


def _leaves_in(path: str, value: object, seen: set[int]) -> Iterator[tuple[str, Predict]]:
    if not isinstance(value, Module | list | tuple | dict | set | frozenset) or id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, Predict):
        yield path, value
    elif isinstance(value, Module):
        for name, inner in vars(value).items():
            yield from _leaves_in(f"{path}.{name}", inner, seen)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _leaves_in(f"{path}[{index}]", inner, seen)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves_in(f"{path}['{key}']", inner, seen)
    elif any(isinstance(inner, Module) for inner in value):
        raise ProgramError(
            f"attribute {path!r} keeps modules in a set, which has no order, so they have no path. Keep them in a "
            "list or a dict."
        )


def _check_leaf(path: str, leaf: Predict) -> None:
    if type(leaf).forward is not Predict.forward or type(leaf).aforward is not Predict.aforward:
        raise ProgramError(
            f"predictor {path!r} is a {type(leaf).__name__}, which overrides forward() of dspy.Predict, so its calls "
            "cannot be replaced. Use a dspy.Predict inside a dspy.Module that does the rest."
        )
    if leaf.lm is not None:
        raise ProgramError(
            f"predictor {path!r} has an LM of its own (set_lm() or .lm). Unset it with program.set_lm(None) and give "
            "the LM to compile(lm=...)."
        )


# Reading prompts


def _part(path: str, leaf: Predict, schema: Schema) -> Part:
    config = {name: value for name, value in leaf.config.items() if value is not None and name not in _NEVER_SENT}
    if config.pop("n", 1) != 1:
        raise ProgramError(
            f"predictor {path!r} asks for n={leaf.config['n']} completions at once. Call a predictor with n=1 several "
            "times instead: each call is a sample of its own."
        )
    own = {name: config.pop(name) for name in OWN_SETTINGS if name in config}
    policy = own.get("reply_policy", "none")
    if policy not in ("none", "reask"):
        raise ProgramError(f"predictor {path!r} has reply_policy={policy!r}. Known: 'none', 'reask'.")
    try:
        settings_ = Settings("task", canonical(config), policy)
    except (TypeError, ValueError) as error:
        raise ProgramError(
            f"predictor {path!r} has a sampling parameter that is not JSON: {error}. Its parameters: {config!r}. Give "
            "numbers, texts, lists and dictionaries of such."
        ) from error
    try:
        prompt = Prompt(
            schema=schema,
            instruction=leaf.signature.instructions,
            demos=tuple(_demos(leaf, schema)),
            format=own.get("format") or _adapter_format(),
            position=own.get("position", "system"),
        )
        prompt.template  # noqa: B018 - rendered now, so that what cannot be rendered is refused before any call
    except SchemaError as error:
        raise SchemaError(f"predictor {path!r}: {error}") from error
    return Part(prompt, settings_)


def _demos(leaf: Predict, schema: Schema) -> Iterator[Demo]:
    inputs, outputs = ({field.name for field in fields} for fields in (schema.inputs, schema.outputs))
    for demo in leaf.demos:
        values = {name: to_json(value) for name, value in demo.items() if name in schema.by_name}
        # dspy shows no demonstration that lacks all inputs or all outputs; the student's prompt is what dspy shows.
        if inputs & values.keys() and outputs & values.keys():
            yield Demo.of(values)


def _adapter_format() -> str:
    adapter = settings.adapter
    if type(adapter) not in _FORMATS:
        raise ProgramError(
            f"dspy is configured with {type(adapter).__name__}, whose prompts Burnish cannot render. "
            "Configure ChatAdapter, JSONAdapter or XMLAdapter, or give each predictor a format of its own: "
            "Predict(Signature, format='chat')."
        )
    return _FORMATS[type(adapter)]


# Trying the copy


def _check_copy(module: Module, leaves: Mapping[str, Predict]) -> None:
    kept = {id(leaf): leaf for leaf in leaves.values()}
    try:
        copy_with_leaves(module, kept)
    except Exception as error:
        name, cause = _uncopied(module, "", kept) or (type(module).__name__, error)
        raise ProgramError(
            f"{name!r} cannot be copied ({type(cause).__name__}: {cause}), and the program is bound on a copy so that "
            "yours is never changed. Create it inside forward(), keep it at module level, or give its class a "
            "__deepcopy__ that returns self when sharing it is safe."
        ) from error


def _uncopied(module: Module, prefix: str, kept: Mapping[int, Predict]) -> tuple[str, Exception] | None:
    """Path and error of the first attribute that does not copy."""
    for name, value in vars(module).items():
        try:
            copy.deepcopy(value, dict(kept))
        except Exception as error:  # noqa: BLE001 - any object of the user's may refuse in its own way; it is named
            inner = _uncopied(value, f"{prefix}{name}.", kept) if isinstance(value, Module) else None
            return inner or (f"{prefix}{name}", error)
    return None


# Identity


def _identity(module: Module, kind: Kind, schemas: Mapping[str, Schema], spec: JSON) -> JSON:
    digests = {path: schema.digest for path, schema in schemas.items()}
    if kind != "module":
        return {"kind": kind, "schemas": digests, "spec": spec}
    return {
        "kind": kind,
        "class": type(module).__qualname__,
        "schemas": digests,
        "code": code_identity(module, _counted),
    }


def _counted(value: object) -> object:
    """What counts in a module's identity: its own classes and its members; of other objects the class alone, since what
    they hold may change while they run."""
    if isinstance(value, Predict):
        return "predictor"
    if isinstance(value, Module):
        bases = type(value).__mro__
        own = [base for base in bases if base is not object and base.__module__.split(".")[0] != "dspy"]
        return [own, {name: inner for name, inner in sorted(vars(value).items()) if name not in _RUNTIME_STATE}]
    if callable(value) and not (isinstance(value, FunctionType | MethodType | partial) or inspect.isclass(value)):
        return type(value).__qualname__
    return value


# What a module collects while it runs.
_RUNTIME_STATE = ("history", "callbacks", "_compiled")
