"""dspy's own optimizers under a hard budget of ours, for `peers.py`.

Every call of theirs becomes a request of our LM, is admitted by our Ledger and sent by our Client, one after the other:
what a compile of ours may ask, they may, and not one call more. Nothing needs to be installed for them: gepa comes with
dspy, optuna and numpy with burnish. How each peer is sized, and why, stands in its function at the end of this file.
"""

from __future__ import annotations

import contextlib
import io
import logging
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import dspy
from dspy.utils.callback import BaseCallback
from dspy.utils.exceptions import AdapterParseError

import burnish as b
from burnish.compiler.budget import Ledger
from burnish.compiler.lm import Client
from burnish.compiler.lm.failures import ContentRefused, ContextOverflow
from burnish.compiler.lm.request import Reply, Request
from burnish.compiler.metrics import Metric
from burnish.signatures.canonical import digest
from burnish.signatures.dspy_bridge import schema_of
from burnish.signatures.prompt import Demo, Prompt

WRITTEN_TOKENS = 200  # of an instruction, a summary or a reflection: for the sake of time, as for our searches


# A dspy.LM whose calls go through our client


class Broken(BaseException):
    """Something other than the budget stopped a call. No Exception: dspy makes a score of 0 of those."""


class Purse:
    """Sends what the budget admits, each distinct request counted once, and stays shut when it is spent.

    ledger: None sends without a budget.
    """

    def __init__(self, client: Client, ledger: Ledger | None) -> None:
        self._client = client
        self._ledger = ledger
        self._lock = threading.Lock()

    def send(self, lm: b.LM, request: Request) -> Reply:
        """Raises BudgetSpent, which is no Exception, for a request that is new and does not fit."""
        with self._lock:  # one at a time: the ledger admits when nothing is in flight, and always cuts at one place
            ledger = self._ledger
            if ledger is None or ledger.is_charged(request.key):
                return self._sent(lm, request)
            if not ledger.admit("search", [lm.bound(request)]):
                raise b.BudgetSpent("the peer's budget is spent")
            try:
                return self._sent(lm, request)
            finally:
                ledger.settle("search")

    def _sent(self, lm: b.LM, request: Request) -> Reply:
        try:
            return self._client.send(lm, request)
        except ContextOverflow as error:
            raise dspy.ContextWindowExceededError(str(error)) from error
        except ContentRefused as error:
            raise dspy.LMError(str(error)) from error
        except b.BurnishError as error:
            raise Broken(str(error)) from error

    @property
    def left(self) -> int:
        """Calls that are left."""
        calls = None if self._ledger is None else self._ledger.left("search").calls
        return 1_000_000 if calls is None else calls


_NEVER_SENT = ("rollout_id", "n", "cache")


class MeteredLM(dspy.BaseLM):  # type: ignore[misc]
    """What dspy takes for an LM.

    n samples are n requests, as dspy's own engines send them. With a temperature each rollout, and each seed, has
    samples of its own; without one, equal requests are one, whatever their rollout.
    """

    supports_response_schema = True
    supported_params = frozenset({"temperature", "max_tokens", "n", "stop", "response_format"})

    def __init__(self, lm: b.LM, purse: Purse, seed: int, **params: Any) -> None:
        super().__init__(lm.model, cache=False, num_retries=0, **params)
        self._lm = lm
        self._purse = purse
        self._seed = seed

    def __call__(self, prompt: str | None = None, *, messages: Any = None, **params: Any) -> list[str]:
        asked = messages if messages is not None else [{"role": "user", "content": prompt or ""}]
        given = {name: value for name, value in {**self.kwargs, **params}.items() if value is not None}
        sent = {name: value for name, value in given.items() if name not in _NEVER_SENT}
        if isinstance(sent.get("response_format"), type):  # a pydantic model, as dspy's JSONAdapter gives it
            sent["schema"] = sent.pop("response_format").model_json_schema()
        replies = []
        for place in range(given.get("n", 1)):
            sample = [self._seed, given.get("rollout_id"), place]
            index = 1 + int(digest(sample)[:8], 16) if sent.get("temperature") else 0
            replies.append(self._purse.send(self._lm, self._lm.chat(asked, index=index, **sent)).text)
        return replies

    def __deepcopy__(self, memo: dict[int, Any]) -> MeteredLM:
        return self


class WrittenAdapter(dspy.JSONAdapter):  # type: ignore[misc]
    """dspy's JSONAdapter, but that texts missing from a reply that was cut are empty.

    With dspy's own, one such reply, of which a small model gives many, ends the whole search of COPRO and MIPROv2.
    """

    def parse(self, signature: Any, completion: str) -> dict[str, Any]:
        try:
            return dict(super().parse(signature, completion))
        except AdapterParseError as error:
            if any(field.annotation is not str for field in signature.output_fields.values()):
                raise
            found = error.parsed_result or {}
            return {name: found.get(name, "") for name in signature.output_fields}


class PlainAdapter(dspy.Adapter):  # type: ignore[misc]
    """The task's own predictor speaks our plain format; all others, which write prompts, dspy's JSONAdapter.

    dspy's default, ChatAdapter, asks once more with JSONAdapter where a reply does not parse. Of the first 24
    replies of the small model none did: half of these calls would be lost.
    """

    def __init__(self, task: type[dspy.Signature]) -> None:
        super().__init__()
        self._fields = tuple(task.fields)
        self._writing = WrittenAdapter()

    def __call__(self, lm: Any, lm_kwargs: Any, signature: Any, demos: Any, inputs: Any) -> Any:
        if tuple(signature.fields) != self._fields:
            return self._writing(lm, lm_kwargs, signature, demos, inputs)
        return super().__call__(lm, lm_kwargs, signature, demos, inputs)

    def format(self, signature: Any, demos: Any, inputs: Any) -> list[dict[str, str]]:
        shown = tuple(Demo.of({name: demo[name] for name in self._fields if name in demo}) for demo in demos)
        prompt = Prompt(schema_of(signature), signature.instructions, shown, "plain")
        return prompt.template.render({name: inputs[name] for name in signature.input_fields if name in inputs})

    def parse(self, signature: Any, completion: str) -> dict[str, Any]:
        try:
            return Prompt(schema_of(signature), signature.instructions, format="plain").template.parse(completion)
        except b.ReplyError as error:
            raise AdapterParseError("PlainAdapter", signature, completion, message=str(error)) from error


# What the peers start from. MIPROv2 and SIMBA show their LM the source of this class.
class Answering(dspy.Module):  # type: ignore[misc]
    def __init__(self, answer: dspy.Predict) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, **inputs: Any) -> dspy.Prediction:
        return self.answer(**inputs)


# One search


@dataclass(frozen=True)
class Task:
    """What a peer is given: the signature, demonstrations that the program shows at the start, the rows and the metric.

    lm: runs the program. writer: writes the prompts. expected: the field that holds the right answer.
    """

    signature: type[dspy.Signature]
    shown: Sequence[dspy.Example]
    rows: Sequence[dspy.Example]
    metric: Metric
    expected: str
    lm: b.LM
    writer: b.LM

    @property
    def start(self) -> Answering:
        predictor = dspy.Predict(self.signature)
        predictor.demos = list(self.shown)
        return Answering(predictor)

    def score(self, example: Any, prediction: Any, trace: Any = None) -> float:
        return self.metric.measure(example, prediction)[0]

    def judge(self, example: Any, prediction: Any, trace: Any = None, name: Any = None, part: Any = None) -> Any:
        """The score with feedback in words, as GEPA's tutorials give it: the answer that was expected."""
        score = self.score(example, prediction)
        said = "is correct" if score else "is wrong"
        feedback = f"The answer {said}. The expected answer is {example[self.expected]!r}."
        return dspy.Prediction(score=score, feedback=feedback)


@dataclass(frozen=True)
class Setting:
    """What the peers are made with. writer: the LM for their own prompts. left: calls that the budget still has."""

    task: Task
    writer: MeteredLM
    seed: int
    left: Callable[[], int]


@dataclass(frozen=True)
class Found:
    """What a search ended with.

    ended: "finished" by itself; "cut" by the budget or "failed" by an error of its own, and then the program is the
    best that it had evaluated on its whole set of rows, or the start. why: the error.
    """

    program: dspy.Module
    ended: Literal["finished", "cut", "failed"]
    why: str = ""


def search(name: str, task: Task, client: Client, ledger: Ledger, seed: int) -> Found:
    """One peer under the budget of the ledger, which is the meter of the client. Raises what broke a call."""
    purse = Purse(client, ledger)
    runner = MeteredLM(task.lm, purse, seed)
    writer = MeteredLM(task.writer, purse, seed, max_tokens=WRITTEN_TOKENS)
    best = BestSoFar(task.start)
    with _dspy(runner, task.signature, best):
        try:
            program = PEERS[name](Setting(task, writer, seed, lambda: purse.left))
        except b.BudgetSpent:
            return Found(best.program, "cut")
        except Broken as broken:
            raise broken.__cause__ or broken from None
        except Exception as error:  # noqa: BLE001 (a peer may fail in any way; the table says that it did)
            return Found(best.program, "failed", f"{type(error).__name__}: {error}")
    return Found(program, "finished")


def scores(program: dspy.Module, task: Task, rows: Sequence[dspy.Example], client: Client) -> tuple[float, ...]:
    """A program's scores on rows, outside any budget; a reply that does not parse scores 0."""
    with _dspy(MeteredLM(task.lm, Purse(client, None), 0), task.signature):
        return tuple(_score(program, task, row) for row in rows)


def _score(program: dspy.Module, task: Task, row: dspy.Example) -> float:
    try:
        prediction = program(**row.inputs())
    except AdapterParseError:
        return task.metric.range[0]
    return task.score(row, prediction)


class BestSoFar(BaseCallback):  # type: ignore[misc]
    """The best program of those that dspy has evaluated on the most rows; the first of equals."""

    def __init__(self, start: dspy.Module) -> None:
        self.program = start
        self._rows, self._score = 0, float("-inf")
        self._running: dict[str, tuple[dspy.Module, int]] = {}

    def on_evaluate_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        rows = len(inputs.get("devset") or instance.devset)
        if rows >= self._rows:
            self._running[call_id] = (inputs["program"].deepcopy(), rows)  # COPRO goes on changing the one it evaluates

    def on_evaluate_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        program, rows = self._running.pop(call_id, (None, 0))
        if program is not None and exception is None and (rows, outputs.score) > (self._rows, self._score):
            self.program, self._rows, self._score = program, rows, outputs.score


@contextlib.contextmanager
def _dspy(lm: MeteredLM, signature: type[dspy.Signature], *callbacks: BaseCallback) -> Iterator[None]:
    """dspy with our LM and format, and without its output: it prints, logs and draws bars."""
    loggers = [logging.getLogger(name) for name in ("dspy", "optuna")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    quiet = io.StringIO()
    try:
        with (
            contextlib.redirect_stdout(quiet),
            contextlib.redirect_stderr(quiet),
            warnings.catch_warnings(),
            dspy.context(
                lm=lm,
                adapter=PlainAdapter(signature),
                callbacks=list(callbacks),
                disable_history=True,
                track_usage=False,
                num_threads=1,  # four at once are no faster where this was measured, and calls count in order
                max_errors=1_000_000,  # a reply that does not parse is a score of 0, however many there are
            ),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


# The peers. Of 800 calls a ledger sets a tenth aside for attempts without a reply, of ours and of theirs: 720 are left.


def _random_search(setting: Setting) -> dspy.Module:
    """Defaults (4 bootstrapped, 16 labelled demonstrations) but for the number of sets, 5 instead of 16.

    dspy's guide gives prompt optimizers a fifth of the rows to train on and the rest to validate on, here 20 and 80.
    With the three programs that it always tries, 8 * 80 = 640 calls, and some 5 calls to bootstrap each of 6 sets. Has
    no seed: the order of the rows decides.
    """
    rows = setting.task.rows
    fifth = len(rows) // 5
    optimizer = dspy.BootstrapFewShotWithRandomSearch(
        metric=setting.task.score, num_candidate_programs=5, num_threads=1
    )
    return optimizer.compile(setting.task.start, trainset=list(rows[:fifth]), valset=list(rows[fifth:]))


def _mipro(setting: Setting) -> dspy.Module:
    """The 6 candidates of auto="light", and 13 trials where that has 10, for which the budget has room.

    It splits the rows into 20 and 80 itself. 80 calls for the start, 13 * 35 for the trials, 4 times those of the 80
    that are not known by then, 4 sets to bootstrap, 21 for texts.
    """
    optimizer = dspy.MIPROv2(
        metric=setting.task.score,
        prompt_model=setting.writer,
        auto=None,
        num_candidates=6,
        seed=setting.seed,
        num_threads=1,
    )
    return optimizer.compile(setting.task.start, trainset=list(setting.task.rows), num_trials=13)


def _copro(setting: Setting) -> dspy.Module:
    """depth=3 as by default; breadth 6 instead of 10, on 39 rows: 18 * 39 = 702 calls, and 17 to write.

    It selects on the rows that it is given, all of them for every candidate: more rows are fewer candidates. Has no
    seed: the rows and the samples of the LM differ.
    """
    optimizer = dspy.COPRO(prompt_model=setting.writer, metric=setting.task.score, breadth=6, depth=3)
    return optimizer.compile(
        setting.task.start,
        trainset=list(setting.task.rows[:39]),
        eval_kwargs={"num_threads": 1, "display_progress": False, "display_table": 0},
    )


def _simba(setting: Setting) -> dspy.Module:
    """max_demos=4 as by default; 3 steps, 4 candidates and batches of 12 instead of 8, 6 and 32; 90 rows.

    A step samples 4 * 12 times, scores up to 5 candidates on the batch, and writes rules: 3 * (108 to 120) calls. In
    the end it scores 4 programs on all of its rows: 4 * 90, some of which are known. By default it would take 4000.
    """
    optimizer = dspy.SIMBA(
        metric=setting.task.score,
        prompt_model=setting.writer,
        bsize=12,
        num_candidates=4,
        max_steps=3,
        num_threads=1,
    )
    return optimizer.compile(setting.task.start, trainset=list(setting.task.rows[:90]), seed=setting.seed)


def _gepa(setting: Setting) -> dspy.Module:
    """Defaults (reflects on 3 rows, Pareto selection), temperature 1 as dspy's guide has it, and the budget's own end.

    dspy's guide: as many rows to train on as there are, just enough to validate on: 60 and 40. Its limit counts scores,
    not calls, and is passed by a whole validation; so it stops, by the stop_callbacks that gepa offers, when the next
    iteration might not fit: the parent and its child on 3 rows each, the reflection, and the child on all 40.
    """
    rows = setting.task.rows
    train, validate = list(rows[: -len(rows) * 2 // 5]), list(rows[-len(rows) * 2 // 5 :])
    iteration = 3 + 1 + 3 + len(validate)
    optimizer = dspy.GEPA(
        metric=setting.task.judge,
        max_metric_calls=5_000,
        reflection_lm=setting.writer.copy(temperature=1.0),
        num_threads=1,
        seed=setting.seed,
        gepa_kwargs={"stop_callbacks": [lambda state: setting.left() < iteration]},
    )
    return optimizer.compile(setting.task.start, trainset=train, valset=validate)


PEERS: Mapping[str, Callable[[Setting], dspy.Module]] = {
    "BootstrapFewShotWithRandomSearch": _random_search,
    "MIPROv2": _mipro,
    "COPRO": _copro,
    "SIMBA": _simba,
    "GEPA": _gepa,
}
