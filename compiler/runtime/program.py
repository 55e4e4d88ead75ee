"""A frozen program: loaded, called, streamed. Imports neither dspy nor optuna nor any of the search."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Mapping, Sequence
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from ...signatures.canonical import JSON
from ...signatures.errors import FrozenError, ReplyError, SchemaError
from ...signatures.schema import Field, Schema
from ...signatures.values import to_python
from ..frozen.document import read_document
from .drift import refuse_drift
from .predictors import Predictors
from .result import Result
from .running import Asks, Run, Watched, adrive, drive

if TYPE_CHECKING:
    from ...signatures.dspy_bridge import Program
    from ..callbacks import Callback, Callbacks
    from ..lm.connection import Connection
    from .streaming import AsyncStream, Stream


def load(
    path: str | os.PathLike[str],
    lm: object = None,
    program: object = None,
    signature: object = None,
    encoder: object = None,
    timeout: float | None = None,
    callbacks: Sequence[Callback] = (),
) -> FrozenProgram:
    """The program in a compiled file, ready to call.

    lm: who answers. None: the model named in the file, reached as the environment says (OPENAI_BASE_URL,
        OPENAI_API_KEY; "local/..." runs in this process). Or a model name, a `burnish.LM`, an openai client, a
        `dspy.LM`, or a function (messages, parameters with the model's name) -> text, which may be `async` and may give
        the text in pieces. It answers; how it is asked stays as frozen.
    program: the user's own module, needed where its control flow could not be frozen; it must still have the predictors
        and fields that were compiled. With it, results have the module's own types.
    signature: gives results the types of a signature (a class, or one for each path of a pipeline) without its module.
    encoder: who embeds queries, in files whose demonstrations are picked by vectors. None: the encoder named in the
        file, reached as the environment says. Or what `compile(encoder=...)` takes, an openai client, or a function
        from texts to vectors. It must be the encoder of the file.
    timeout: seconds for one attempt; None: those of the LM, 60 where none is given. A failed attempt is followed by two
        more at most. Of a stream it limits the silence, not the whole.
    callbacks: told of each run and call.
    Raises FrozenError for a file that is damaged, unknown or hostile, or that does not fit program, signature or
    encoder. Makes no call.
    """
    return FrozenProgram(
        read_document(path),
        lm=lm,
        program=program,
        signature=signature,
        encoder=encoder,
        timeout=timeout,
        callbacks=callbacks,
    )


class FrozenProgram:
    """A compiled program that runs as it was scored. Safe to call from many threads.

    predictors: their paths. inputs, outputs: names of what a call takes and gives, `input_fields` and `output_fields`
    their types; empty for a module, whose code decides.
    """

    def __init__(
        self,
        document: Mapping[str, JSON],
        *,
        lm: object = None,
        program: object = None,
        signature: object = None,
        encoder: object = None,
        timeout: float | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        self._document = document
        self._predictors = Predictors(document, lm, encoder, timeout)
        self._schemas = self._predictors.schemas
        self._told = tuple(callbacks)
        self._callbacks = _together(self._told)
        self.predictors: tuple[str, ...] = tuple(self._schemas)
        self._steps: tuple[str, ...] = self.predictors
        if document["kind"] == "pipeline":
            self._steps = tuple(step["path"] for step in document["pipeline"]["steps"])
        self._is_module: bool = document["kind"] == "module"
        chain = [] if self._is_module else [self._schemas[path] for path in self._steps]
        self.input_fields: dict[str, Field] = _inputs(chain)
        self.output_fields: dict[str, Field] = {field.name: field for schema in chain for field in schema.outputs}
        self.inputs: tuple[str, ...] = tuple(self.input_fields)
        self.outputs: tuple[str, ...] = tuple(self.output_fields)
        self._program: Program | None = None if program is None else self._fitting(program)
        self._types = self._types_of(signature)
        if self._is_module:
            self._module: Any = self._bound()

    @property
    def digest(self) -> str:
        """Of the file."""
        digest: str = self._document["digest"]
        return digest

    @property
    def model(self) -> str:
        """The model that answers."""
        return self._predictors.model

    @property
    def module(self) -> object:
        """The user's own module, where `program=` was given."""
        return None if self._program is None else self._program.module

    def connection(self) -> Connection:
        """How the model is reached. Raises LMError or FrozenError where it cannot be."""
        return self._predictors.who().lm.connection

    def open(self) -> None:
        """Loads a model that runs in this process, so that the first call need not wait for it. Makes no call.

        A server is not looked for. Raises LMError or FrozenError where the model cannot be loaded.
        """
        self._predictors.open()

    def with_options(
        self,
        *,
        lm: object = None,
        model: str | None = None,
        timeout: float | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> FrozenProgram:
        """The same program, asked in another way: `program.with_options(model="large", timeout=5)(review="...")`.

        A view that costs microseconds and shares connections, so that it can be made for one call; the program stays as
        it is. lm: as for `load`. model: another model at the same server, client or function. timeout: seconds for one
        attempt. callbacks: told beside those of the program.
        Raises LMError where that cannot be: a `dspy.LM` is one model, a plain function keeps its own time.
        """
        view = copy.copy(self)
        if lm is not None or model is not None or timeout is not None:
            view._predictors = self._predictors.with_options(lm, model, timeout)
        if callbacks:
            view._told = (*self._told, *callbacks)
            view._callbacks = _together(view._told)
        if self._is_module and view._predictors is not self._predictors:
            view._module = view._bound()
        return view

    def __call__(self, **inputs: Any) -> Result:
        """Runs the program on one set of inputs.

        Raises SchemaError on missing or unknown inputs (before any call), ReplyError when a reply does not hold the
        outputs after the reply policy that was compiled, LMError when the model cannot be reached.
        """
        self._check_inputs(inputs)
        if self._is_module:
            return self._through_module(inputs)
        return drive(self._run(inputs))

    async def acall(self, **inputs: Any) -> Result:
        """The same in an event loop.

        An asynchronous function or openai client is awaited. HTTP requests, plain functions, synchronous clients and
        modules take a thread each, of 64 for all programs of the process (a server has its own: `asgi`). Cancelling
        ends the request: its connection is closed. Only a plain function, a synchronous client or a module runs on to
        its end, and nobody hears of it.
        """
        self._check_inputs(inputs)
        if self._is_module:
            from .threads import in_thread

            return await in_thread(lambda: self._through_module(inputs))
        return await adrive(self._run(inputs))

    def stream(self, **inputs: Any) -> Stream:
        """The reply's raw text in pieces, as they come; then `.result()`. Asks when it is iterated; see `Stream`.

        Of a pipeline it is the last step's reply; the steps before it are asked whole. Raises FrozenError for a module,
        whose own code decides what is asked.
        """
        from .streaming import Stream

        return Stream(self._streaming(inputs))

    def astream(self, **inputs: Any) -> AsyncStream:
        """The same for an event loop: `async for piece in program.astream(...)`; then `await stream.result()`."""
        from .streaming import AsyncStream

        return AsyncStream(self._streaming(inputs))

    def batch(self, rows: Iterable[Mapping[str, Any]], concurrency: int = 8) -> list[Result | ReplyError]:
        """One result for each row of inputs, in order; a ReplyError in the place of a row whose reply failed.

        Inputs of all rows are checked before the first call. Any other error ends the batch and is raised.
        """
        from concurrent.futures import ThreadPoolExecutor

        listed = self._checked_rows(rows)
        with ThreadPoolExecutor(max_workers=max(1, concurrency)) as pool:
            futures = [pool.submit(copy_context().run, self._row, row) for row in listed]
            try:
                return [future.result() for future in futures]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    async def abatch(self, rows: Iterable[Mapping[str, Any]], concurrency: int = 8) -> list[Result | ReplyError]:
        """The same in an event loop, at most `concurrency` calls at once. Cancelling ends those in flight."""
        import asyncio

        listed = list(enumerate(self._checked_rows(rows)))
        results: dict[int, Result | ReplyError] = {}
        waiting = iter(listed)

        async def work() -> None:
            for place, row in waiting:
                try:
                    results[place] = await self.acall(**row)
                except ReplyError as failure:
                    results[place] = failure

        workers = [asyncio.ensure_future(work()) for _ in range(min(max(1, concurrency), len(listed)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        return [results[place] for place, _ in listed]

    def to_messages(self, step: str | None = None, /, **inputs: Any) -> list[dict[str, str]]:
        """The exact messages of one call; where there are several predictors, of the one whose path is `step`.

        Where demonstrations are picked by vectors this makes the call to the encoder, as a call does.
        Raises SchemaError on missing or unknown inputs, FrozenError on an unknown step.
        """
        return self._predictors.to_messages(step, inputs)

    def __repr__(self) -> str:
        taken = ", ".join(self.inputs) or "..."
        given = ", ".join(self.outputs) or "..."
        return f"FrozenProgram({taken} -> {given}; {self.model}; {self._document['verdict']['decision']})"

    def _row(self, row: Mapping[str, Any]) -> Result | ReplyError:
        try:
            return self(**row)
        except ReplyError as failure:
            return failure

    # one run

    def _run(self, inputs: Mapping[str, Any], streams: bool = False) -> Asks[Result]:
        run = Run(self._callbacks)
        with Watched(run, inputs) as watched:
            values: dict[str, Any] = dict(inputs)
            outputs: dict[str, JSON] = {}
            for path in self._steps:
                known = {field.name: values[field.name] for field in self._schemas[path].inputs if field.name in values}
                spoken = yield from self._predictors.asks(path, known, run, streams and path == self._steps[-1])
                outputs.update(spoken.outputs)
                values.update(spoken.outputs)
            watched.result = Result(self._typed(outputs), outputs)
        return watched.result

    def _streaming(self, inputs: Mapping[str, Any]) -> Asks[Result]:
        if self._is_module:
            raise FrozenError("A module cannot be streamed: its own code decides what is asked. Call it instead.")
        self._check_inputs(inputs)
        return self._run(inputs, streams=True)

    def _typed(self, outputs: Mapping[str, JSON]) -> dict[str, Any]:
        if self._program is not None:
            from ...signatures.dspy_bridge import to_prediction

            return dict(to_prediction(self._program, outputs).items())
        return {
            name: self._types[name](value) if name in self._types else to_python(self.output_fields[name], value)
            for name, value in outputs.items()
        }

    # inputs

    def _check_inputs(self, inputs: Mapping[str, Any]) -> None:
        if self._is_module:
            return
        unknown = [name for name in inputs if name not in self.input_fields]
        missing = [name for name, field in self.input_fields.items() if field.required and name not in inputs]
        if unknown or missing:
            problem = f"no input {unknown[0]!r}" if unknown else f"the input {missing[0]!r} is missing"
            raise SchemaError(f"{problem}; the program takes {', '.join(map(repr, self.inputs))}.")

    def _checked_rows(self, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        listed = [dict(row) for row in rows]
        for number, row in enumerate(listed, 1):
            try:
                self._check_inputs(row)
            except SchemaError as error:
                raise SchemaError(f"row {number} of {len(listed)}: {error} Nothing was sent.") from None
        return listed

    # the user's own module and types

    def _types_of(self, signature: object) -> dict[str, Any]:
        if signature is None:
            return {}
        if self._program is not None:
            raise FrozenError("Pass program= or signature=, not both: a program has signatures of its own.")
        from .typed import types_of

        return types_of(signature, self._schemas)

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
        from ...signatures.dspy_bridge import Called, bind, carried

        def call(path: str, inputs: Mapping[str, Any]) -> Called:
            running = carried()  # in the threads of dspy.Parallel too
            spoken = predictors.call(path, inputs, running if isinstance(running, Run) else None)
            return Called(spoken.outputs, spoken.text)

        predictors = self._predictors
        return bind(self._program, predictors.candidate, call)

    def _through_module(self, inputs: Mapping[str, Any]) -> Result:
        from ...signatures.dspy_bridge import prediction_to_json, run

        running = Run(self._callbacks)
        with Watched(running, inputs) as watched:
            prediction = run(self._module, inputs, carry=running)
            watched.result = Result(dict(prediction.items()), prediction_to_json(prediction))
        return watched.result


def _together(callbacks: Sequence[Callback]) -> Callbacks | None:
    if not callbacks:
        return None
    from ..callbacks import Callbacks

    return Callbacks(callbacks)


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
