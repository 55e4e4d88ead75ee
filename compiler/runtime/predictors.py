"""Predictors: those of a compiled file, each ready to be asked."""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping
from itertools import count
from typing import Any

from ...signatures.candidate import Candidate
from ...signatures.canonical import JSON
from ...signatures.errors import FrozenError, ReplyError
from ...signatures.prompt import Template
from ...signatures.schema import Schema
from ..execution import RowFailure, Spoken, predict, query_vector
from ..frozen.document import candidate_of
from ..lm.encoders import Encoder
from .answering import Answering, answering, encoding
from .running import Ask, Asks, Run, drive


class Predictors:
    """The predictors of a compiled file and who answers them.

    seconds: for one attempt, where the user says so. model: of those who answer.
    """

    def __init__(
        self, document: Mapping[str, JSON], lm: object = None, encoder: object = None, seconds: float | None = None
    ) -> None:
        self.candidate: Candidate = candidate_of(document["predictors"])
        self._lm: Mapping[str, JSON] = document["lm"]
        # Where nobody is named, the model of the file is looked for at the first call: rendering needs none.
        self._answering: Answering | None = None if lm is None else answering(lm, self._lm["model"]).within(seconds)
        self.model: str = self._lm["model"] if self._answering is None else self._answering.lm.model
        self._seconds = seconds
        # Another encoder would pick other demonstrations without a word, so this is settled before any call.
        wanted = self.candidate.encoders
        self._encoding: Answering | None = encoding(encoder, wanted[0]) if wanted else None
        self._lock = threading.Lock()

    @property
    def schemas(self) -> dict[str, Schema]:
        return {path: part.prompt.schema for path, part in self.candidate.parts}

    def with_options(self, lm: object, model: str | None, seconds: float | None) -> Predictors:
        """The same predictors, answered in another way; see `FrozenProgram.with_options`."""
        who = self.who() if lm is None else answering(lm, self._lm["model"])
        if model is not None:
            who = who.named(model)
        view = copy.copy(self)
        # Another LM brings its own time-out along.
        view._seconds = self._seconds if lm is None and seconds is None else seconds
        view._answering = who.within(view._seconds)
        view.model = who.lm.model
        return view

    def who(self) -> Answering:
        """Who answers. Raises LMError or FrozenError where the model of the file cannot be reached as described."""
        with self._lock:
            if self._answering is None:
                self._answering = self._named().within(self._seconds)
            return self._answering

    def open(self) -> None:
        """Loads the models of this process, those that answer and those that embed. Raises as `who` does."""
        self.who().open()
        if self._encoding is not None:
            self._encoding.open()

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
        return template.render(inputs, drive(self._vector(template, inputs)))

    def _vector(self, template: Template, inputs: Mapping[str, Any]) -> Asks[str | None]:
        asking = query_vector(template, self._encoder, inputs)
        try:
            request = next(asking)
            while True:
                assert self._encoding is not None
                request = asking.send((yield Ask(self._encoding, request)))
        except StopIteration as stop:
            vector: str | None = stop.value
            return vector

    @property
    def _encoder(self) -> Encoder | None:
        found = None if self._encoding is None else self._encoding.lm
        return found if isinstance(found, Encoder) else None

    def call(self, path: str, inputs: Mapping[str, Any], run: Run | None = None) -> Spoken:
        """Renders, asks and parses for one predictor. Raises ReplyError naming the predictor."""
        return drive(self.asks(path, inputs, run or Run()))

    def asks(self, path: str, inputs: Mapping[str, Any], run: Run, streams: bool = False) -> Asks[Spoken]:
        """The calls of one predictor, as at compile time. streams: the first reply may be handed on as it comes."""
        who = self.who()
        asking = predict(self.candidate[path], who.lm, inputs, self._encoder)
        try:
            request = next(asking)
            while request.kind == "embedding":
                assert self._encoding is not None
                request = asking.send((yield Ask(self._encoding, request)))
        except RowFailure as failure:
            raise _named(path, failure) from None
        for ask in count():
            answer, call = yield from run.call(path, who, run.numbered(request), ask, streams and ask == 0)
            try:
                request = asking.send(answer)
            except StopIteration as stop:
                call.ended(answer, parsed=True)
                spoken: Spoken = stop.value
                return spoken
            except RowFailure as failure:
                error = _named(path, failure)
                call.ended(answer, parsed=False, error=error)
                raise error from None
            except BaseException as error:
                call.failed(error)
                raise
            call.ended(answer, parsed=False)
        raise AssertionError("unreachable")


def _named(path: str, failure: RowFailure) -> ReplyError:
    return ReplyError(f"predictor {path!r}: {failure}")
