"""Runs a frozen file: render, ask, parse. Imports neither dspy nor optuna nor any of the search."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from itertools import count
from typing import TYPE_CHECKING, Any

from ...signatures.candidate import Candidate
from ...signatures.canonical import JSON
from ...signatures.errors import FrozenError, ReplyError, SchemaError
from ...signatures.prompt import Template
from ...signatures.schema import Field, Schema
from ...signatures.values import to_python
from ..execution import RowFailure, Spoken, predict, query_vector
from ..frozen.document import candidate_of, read_document
from ..lm.encoders import Encoder
from ..lm.request import Request
from .answering import Answering, answering, encoding

if TYPE_CHECKING:
    from ...signatures.dspy_bridge import Program


def load(
    path: str | os.PathLike[str], lm: object = None, program: object = None, encoder: object = None
) -> FrozenProgram:
    """The program in a compiled file, ready to call.

    lm: who answers. None: the model named in the file, reached as the environment says (OPENAI_BASE_URL,
        OPENAI_API_KEY; "local/..." runs in this process). Or a model name, a `burnish.LM`, an openai client, a
        `dspy.LM`, or a function (messages, parameters with the model's name) -> text. It answers; how it is asked stays
        as frozen.
    encoder: who embeds queries, in files whose demonstrations are picked by vectors. None: the encoder named in the
        file, reached as the environment says. Or what `compile(encoder=...)` takes, an openai client, or a function
        from texts to vectors. It must be the encoder of the file.
    program: the user's own module, needed where its control flow could not be frozen; it must still have the predictors
        and fields that were compiled. With it, results have the module's own types.
    Raises FrozenError for a file that is damaged, unknown or hostile, or that does not fit the program or the encoder.
    Makes no call.
    """
    return FrozenProgram(read_document(path), lm=lm, program=program, encoder=encoder)


class Result:
    """What a call gave: outputs as attributes (`result.label`) and as items (`result["label"]`)."""

    __slots__ = ("_plain", "_values")

    def __init__(self, values: Mapping[str, Any], plain: Mapping[str, JSON]) -> None:
        self._values = dict(values)
        self._plain = dict(plain)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in self.__slots__:
            raise AttributeError(name)
        try:
            return self._values[name]
        except KeyError:
            known = ", ".join(repr(key) for key in self._values)
            raise AttributeError(f"the result has no output {name!r}; it has {known}") from None

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Result) and self._plain == other._plain

    __hash__ = None  # type: ignore[assignment]

    def keys(self) -> Iterable[str]:
        """The names of the outputs, so that `dict(result)` works."""
        return self._values.keys()

    def to_dict(self) -> dict[str, JSON]:
        """The outputs in JSON form."""
        return dict(self._plain)

    def __repr__(self) -> str:
        return f"Result({', '.join(f'{name}={value!r}' for name, value in self._values.items())})"


# What one run of a module has asked so far: its n-th equal request is the n-th sample, as at compile time.
_ASKED: ContextVar[dict[str, Iterator[int]] | None] = ContextVar("burnish_asked", default=None)


class Predictors:
    """The predictors of a compiled file, each ready to be asked."""

    def __init__(self, document: Mapping[str, JSON], lm: object = None, encoder: object = None) -> None:
        self.candidate: Candidate = candidate_of(document["predictors"])
        self._lm: Mapping[str, JSON] = document["lm"]
        self.model: str = document["lm"]["model"]
        # Where nobody is named, the model of the file is looked for at the first call: rendering needs none.
        self._answering: Answering | None = None if lm is None else answering(lm, self.model)
        # Another encoder would pick other demonstrations without a word, so this is settled before any call.
        wanted = self.candidate.encoders
        self._encoding: Answering | None = encoding(encoder, wanted[0]) if wanted else None
        self._lock = threading.Lock()

    @property
    def schemas(self) -> dict[str, Schema]:
        return {path: part.prompt.schema for path, part in self.candidate.parts}

    def _named(self) -> Answering:
        """The model that the file names. Raises FrozenError when a model of this process is now another one."""
        found = answering(None, self.model)
        compiled, here = (lm.get("local", {}).get("sha256") for lm in (self._lm, found.lm.identity()))
        if compiled != here:
            raise FrozenError(
                f"This file was compiled for {self.model!r} with the sha256 {compiled}, and the one here has {here}. "
                "Pass load(path, lm=...) to run it on another model."
            )
        return found

    def to_messages(self, step: str | None, inputs: Mapping[str, Any]) -> list[dict[str, str]]:
        """The exact messages of one call of one predictor. step: its path; None where there is only one."""
        paths = self.candidate.predictors
        known = ", ".join(repr(path) for path in paths)
        if step is None and len(paths) > 1:
            raise FrozenError(f"This program has several predictors: name one, to_messages(step, ...). It has {known}.")
        if step is not None and step not in paths:
            raise FrozenError(f"This program has no predictor {step!r}. It has {known}.")
        template = self.candidate[step or paths[0]].prompt.template
        return template.render(inputs, self._vector(template, inputs))

    def _vector(self, template: Template, inputs: Mapping[str, Any]) -> str | None:
        asking = query_vector(template, self._encoder, inputs)
        try:
            request = next(asking)
            while True:
                assert self._encoding is not None
                request = asking.send(self._encoding.answer(request))
        except StopIteration as stop:
            vector: str | None = stop.value
            return vector

    @property
    def _encoder(self) -> Encoder | None:
        found = None if self._encoding is None else self._encoding.lm
        return found if isinstance(found, Encoder) else None

    def call(self, path: str, inputs: Mapping[str, Any]) -> Spoken:
        """Renders, asks and parses for one predictor, as at compile time. Raises ReplyError naming the predictor."""
        with self._lock:
            who = self._answering = self._answering or self._named()
        asking = predict(self.candidate[path], who.lm, inputs, self._encoder)
        request = next(asking)
        while True:
            try:
                if self._encoding is not None and request.kind == "embedding":
                    request = asking.send(self._encoding.answer(request))
                else:
                    request = asking.send(who.answer(_numbered(request)))
            except StopIteration as stop:
                spoken: Spoken = stop.value
                return spoken
            except RowFailure as failure:
                raise ReplyError(f"predictor {path!r}: {failure}") from None


class FrozenProgram:
    """A compiled program that runs as it was scored. Safe to call from many threads.

    predictors: their paths. inputs, outputs: names of what a call takes and gives (empty for a module, whose code
    decides).
    """

    def __init__(
        self, document: Mapping[str, JSON], *, lm: object = None, program: object = None, encoder: object = None
    ) -> None:
        self._document = document
        self._predictors = Predictors(document, lm, encoder)
        self._schemas = self._predictors.schemas
        self.predictors: tuple[str, ...] = tuple(self._schemas)
        self._steps: tuple[str, ...] = self.predictors
        if document["kind"] == "pipeline":
            self._steps = tuple(step["path"] for step in document["pipeline"]["steps"])
        self._inputs: dict[str, Field] = {} if document["kind"] == "module" else _inputs(self._chain())
        self.inputs: tuple[str, ...] = tuple(self._inputs)
        self.outputs: tuple[str, ...] = ()
        if document["kind"] != "module":
            self.outputs = tuple(dict.fromkeys(field.name for schema in self._chain() for field in schema.outputs))
        self._program: Program | None = None if program is None else self._fitting(program)
        if document["kind"] == "module":
            self._module: Any = self._bound()

    def __call__(self, **inputs: Any) -> Result:
        """Runs the program on one set of inputs.

        Raises SchemaError on missing or unknown inputs (before any call), ReplyError when a reply does not hold the
        outputs after the reply policy that was compiled, LMError when the model cannot be reached.
        """
        if self._document["kind"] == "module":
            return self._through_module(inputs)
        self._check_inputs(inputs)
        values: dict[str, Any] = dict(inputs)
        outputs: dict[str, JSON] = {}
        for path in self._steps:
            known = {field.name: values[field.name] for field in self._schemas[path].inputs if field.name in values}
            given = self._predictors.call(path, known).outputs
            outputs.update(given)
            values.update(given)
        return Result(self._typed(outputs), outputs)

    async def acall(self, **inputs: Any) -> Result:
        """The same without blocking the event loop: the call runs in a thread."""
        import asyncio

        return await asyncio.to_thread(self.__call__, **inputs)

    def batch(self, rows: Iterable[Mapping[str, Any]], concurrency: int = 8) -> list[Result | ReplyError]:
        """One result for each row of inputs, in order; a ReplyError in the place of a row whose reply failed.

        Inputs of all rows are checked before the first call. Any other error ends the batch and is raised.
        """
        from concurrent.futures import ThreadPoolExecutor

        listed = [dict(row) for row in rows]
        for number, row in enumerate(listed, 1):
            try:
                self._check_inputs(row)
            except SchemaError as error:
                raise SchemaError(f"row {number} of {len(listed)}: {error} Nothing was sent.") from None
        with ThreadPoolExecutor(max_workers=max(1, concurrency)) as pool:
            futures = [pool.submit(self._row, row) for row in listed]
            try:
                return [future.result() for future in futures]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def to_messages(self, step: str | None = None, /, **inputs: Any) -> list[dict[str, str]]:
        """The exact messages of one call; where there are several predictors, of the one whose path is `step`.

        Where demonstrations are picked by vectors this makes the call to the encoder, as a call does.
        Raises SchemaError on missing or unknown inputs, FrozenError on an unknown step.
        """
        return self._predictors.to_messages(step, inputs)

    def __repr__(self) -> str:
        taken = ", ".join(self.inputs) or "..."
        given = ", ".join(self.outputs) or "..."
        return f"FrozenProgram({taken} -> {given}; {self._predictors.model}; {self._document['verdict']['decision']})"

    def _row(self, row: Mapping[str, Any]) -> Result | ReplyError:
        try:
            return self(**row)
        except ReplyError as failure:
            return failure

    def _typed(self, outputs: Mapping[str, JSON]) -> dict[str, Any]:
        if self._program is not None:
            from ...signatures.dspy_bridge import to_prediction

            return dict(to_prediction(self._program, outputs).items())
        fields = {field.name: field for schema in self._schemas.values() for field in schema.outputs}
        return {name: to_python(fields[name], value) for name, value in outputs.items()}

    # inputs

    def _chain(self) -> list[Schema]:
        return [self._schemas[path] for path in self._steps]

    def _check_inputs(self, inputs: Mapping[str, Any]) -> None:
        if self._document["kind"] == "module":
            return
        unknown = [name for name in inputs if name not in self._inputs]
        missing = [name for name, field in self._inputs.items() if field.required and name not in inputs]
        if unknown or missing:
            problem = f"no input {unknown[0]!r}" if unknown else f"the input {missing[0]!r} is missing"
            raise SchemaError(f"{problem}; the program takes {', '.join(map(repr, self.inputs))}.")

    # the user's own module

    def _fitting(self, program: object) -> Program:
        from ...signatures.dspy_bridge import read_program

        read = read_program(program)
        refuse_drift(self._schemas, read)
        return read

    def _bound(self) -> Any:
        if self._program is None:
            raise FrozenError(
                f"This file holds the predictors {', '.join(map(repr, self.predictors))} of a module whose own code "
                "runs between them, and that code is not in the file. Pass load(path, program=YourModule())."
            )
        from ...signatures.dspy_bridge import Called, bind

        def call(path: str, inputs: Mapping[str, Any]) -> Called:
            spoken = self._predictors.call(path, inputs)
            return Called(spoken.outputs, spoken.text)

        return bind(self._program, self._predictors.candidate, call)

    def _through_module(self, inputs: Mapping[str, Any]) -> Result:
        from ...signatures.dspy_bridge import prediction_to_json, run

        self._check_inputs(inputs)
        numbering = _ASKED.set({})
        try:
            prediction = run(self._module, inputs)
        finally:
            _ASKED.reset(numbering)
        return Result(dict(prediction.items()), prediction_to_json(prediction))


def _numbered(request: Request) -> Request:
    asked = _ASKED.get()
    return request if asked is None else request.at(next(asked.setdefault(request.key, count())))


def refuse_drift(schemas: Mapping[str, Schema], program: Program) -> None:
    """Raises FrozenError, naming path and field, unless the program has the predictors and fields of the file."""
    for path in program.schemas:
        if path not in schemas:
            raise FrozenError(f"The program has a predictor {path!r} that the compiled one had not. {_REMEDY}")
    for path, compiled in schemas.items():
        if path not in program.schemas:
            known = ", ".join(repr(name) for name in program.schemas)
            raise FrozenError(f"The program has no predictor {path!r}; it has {known}. {_REMEDY}")
        now = program.schemas[path]
        for side, before, after in (("input", compiled.inputs, now.inputs), ("output", compiled.outputs, now.outputs)):
            _refuse_fields(path, side, before, after)


def _refuse_fields(path: str, side: str, before: tuple[Field, ...], after: tuple[Field, ...]) -> None:
    names = [field.name for field in after]
    for field in before:
        if field.name not in names:
            raise FrozenError(f"Predictor {path!r} no longer has the {side} {field.name!r}. {_REMEDY}")
        found = after[names.index(field.name)]
        if found.json_schema != field.json_schema or found.required != field.required:
            raise FrozenError(
                f"The {side} {field.name!r} of predictor {path!r} was {field.type_name} when it was compiled and is "
                f"{found.type_name} now. {_REMEDY}"
            )
    added = [name for name in names if name not in {field.name for field in before}]
    if added:
        raise FrozenError(f"Predictor {path!r} has a new {side} {added[0]!r}. {_REMEDY}")


_REMEDY = "Load the file with the program it was compiled from, or compile the program again."


def _inputs(chain: list[Schema]) -> dict[str, Field]:
    """What the whole chain takes: inputs that no earlier step gives. Required where any step requires it."""
    taken: dict[str, Field] = {}
    given: set[str] = set()
    for schema in chain:
        for field in schema.inputs:
            if field.name not in given and (field.name not in taken or field.required):
                taken[field.name] = field
        given.update(field.name for field in schema.outputs)
    return taken
