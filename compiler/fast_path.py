"""The fast path of single-predictor programs: no dspy in the loop, all requests of a block at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from ..signatures.candidate import Candidate
from ..signatures.example import Example
from ..teleprompters.base import Step
from .execution import Execution, Overdrawn, RowFailure, Spoken, addressee, advance, predict
from .lm.encoders import encoder_of
from .lm.failures import AttemptFailure
from .lm.request import Reply, Request

if TYPE_CHECKING:
    from .lm import LM
    from .lm.client import Client

Answers: TypeAlias = dict[int, Spoken | RowFailure]


class Block:
    """Drives the predictors of a block in step: all first requests together, then all second ones, and so on."""

    def __init__(self, client: Client, lms: Mapping[str, LM], executions: Mapping[int, Execution]) -> None:
        self._client = client
        self._lms = lms
        self._encoder = encoder_of(lms)
        self._executions = executions
        self._asking: dict[int, tuple[Any, LM]] = {}
        self._waiting: dict[int, tuple[LM, Request]] = {}
        self._answers: Answers = {}

    def answer(self, work: Mapping[int, tuple[Candidate, Example]]) -> Answers:
        """The parsed answer or the failure of each row; a row whose execution was overdrawn is left out."""
        for index, (candidate, example) in work.items():
            (path,) = candidate.predictors
            part = candidate[path]
            lm = self._lms[part.settings.role]
            self._asking[index] = (predict(part, lm, example.input_values, self._encoder), lm)
            self._advance(index, None)
        while self._waiting:
            order = list(self._waiting)
            replies = self._replies([self._waiting.pop(index) for index in order])
            for index, (lm, request, reply) in zip(order, replies, strict=True):
                if isinstance(reply, Reply):
                    self._executions[index].settle(lm, request, reply)
                self._advance(index, reply)
        for index, answer in self._answers.items():
            candidate, example = work[index]
            said = (answer.outputs, answer.text) if isinstance(answer, Spoken) else ({}, answer.reply)
            self._executions[index].note(Step(candidate.predictors[0], example.input_values, *said))
        return self._answers

    def _advance(self, index: int, reply: Reply | AttemptFailure | None) -> None:
        asking, lm = self._asking[index]
        step = advance(asking, reply)
        if not isinstance(step, Request):
            self._answers[index] = step
            return
        lm = addressee(step, lm, self._encoder)
        try:
            self._waiting[index] = (lm, self._executions[index].number(lm, step))
        except Overdrawn:
            asking.close()

    def _replies(self, asked: Sequence[tuple[LM, Request]]) -> list[tuple[LM, Request, Reply | AttemptFailure]]:
        # Hits are read here and now; only misses make the hop to the event loop.
        replies: list[Reply | AttemptFailure | None] = [self._client.cached(lm, request) for lm, request in asked]
        missing = [index for index, reply in enumerate(replies) if reply is None]
        for index, reply in zip(missing, self._client.send_many([asked[i] for i in missing]), strict=True):
            replies[index] = reply
        return [(lm, request, reply) for (lm, request), reply in zip(asked, replies, strict=True) if reply is not None]
