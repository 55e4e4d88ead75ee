"""What a search is: `Teleprompter`, the rounds it yields, and the `Workbench` that is all it may use."""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from pathlib import PurePath
from types import BuiltinFunctionType
from typing import Protocol

from ..signatures.calls import FailureKind as FailureKind
from ..signatures.calls import Messages as Messages
from ..signatures.calls import Spend as Spend
from ..signatures.calls import Step as Step
from ..signatures.candidate import Candidate
from ..signatures.canonical import JSON, canonical
from ..signatures.code_identity import code_identity
from ..signatures.errors import BurnishError
from ..signatures.example import Example


@dataclass(frozen=True)
class Outcome:
    """What one execution of a candidate on an example gave.

    score: in the metric's range; 0 (the range's lower end) when `failure` names a failure of the program on that row.
    outputs: the program's result in JSON form, empty on failure. feedback: the metric's words, or "".
    reason: why it failed, in words, or "".
    """

    score: float
    outputs: Mapping[str, JSON] = field(default_factory=dict)
    feedback: str = ""
    trace: tuple[Step, ...] = ()
    failure: FailureKind | None = None
    reason: str = ""
    spend: Spend = Spend()


@dataclass(frozen=True)
class Likelihood:
    """How likely an LM finds a text after a prompt: the sum of its tokens' natural-log probabilities, and their number.

    total: -inf where the LM could not be asked, since the prompt does not fit its context or was refused.
    """

    total: float
    tokens: int

    @property
    def mean(self) -> float:
        """Per token, which does not favour short texts."""
        return self.total / max(1, self.tokens)


@dataclass(frozen=True)
class Origin:
    """Where a candidate comes from: the teleprompter, its move ("induction", "demonstrations", ...) and details."""

    teleprompter: str
    move: str
    detail: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True)
class Score:
    """A candidate's scores, one an example, in the order of `examples` (digests). Comparable only on equal examples."""

    candidate: Candidate
    values: tuple[float, ...]
    examples: tuple[str, ...]
    failures: int = 0

    @property
    def mean(self) -> float:
        return sum(self.values) / len(self.values) if self.values else 0.0


@dataclass(frozen=True)
class Round:
    """What a search yields after each round: its name, what it proposed, and the best so far (None before any)."""

    name: str
    proposed: tuple[Candidate, ...] = ()
    best: Score | None = None


class Workbench(Protocol):
    """All that a teleprompter may do. Calls are batches, answered in the order asked; any may raise BudgetSpent.

    Rows of `pool` are for induction, errors and demonstrations; rows of `dev` are what candidates are selected on.
    """

    @property
    def student(self) -> Candidate: ...
    @property
    def pool(self) -> tuple[Example, ...]: ...
    @property
    def dev(self) -> tuple[Example, ...]: ...
    @property
    def known(self) -> Sequence[Score]:
        """Every candidate recorded so far in this compile, by anyone, best first. The student is among them.

        The best is the one that the search prefers (`Teleprompter.preference`): it becomes the finalist.
        """
        ...

    @property
    def remaining(self) -> Remaining: ...

    @property
    def task_lms(self) -> tuple[str, ...]:
        """The roles that a candidate's settings may name: the LMs that can run the program, the student's first."""
        ...

    @property
    def spent(self) -> Spend:
        """What the search account has spent so far."""
        ...

    @property
    def score_range(self) -> tuple[float, float]:
        """The lowest and the highest score that the metric can give."""
        ...

    def ask(
        self, requests: Sequence[Messages], n: int = 1, *, temperature: float = 1.0, max_tokens: int = 512, purpose: str
    ) -> list[list[str]]:
        """n replies of the optimizer LM for each message list. Every draw is a new sample, also for equal messages."""
        ...

    def admit(
        self, candidate: Candidate, predictor: str, texts: Sequence[str], *, max_length: int | None = None
    ) -> list[Candidate]:
        """`candidate` with each proposed instruction, after the guard rails; rejections are recorded with reasons.

        max_length: characters, where less than the bench's own limit is wanted.
        """
        ...

    def predict(self, candidate: Candidate, examples: Sequence[Example]) -> list[Outcome]:
        """Outcomes with outputs, traces and scores; memoised."""
        ...

    def score(
        self,
        candidates: Sequence[Candidate],
        examples: Sequence[Example] | None = None,
        *,
        origin: Origin | Sequence[Origin] | None = None,
        parents: Sequence[Candidate] = (),
    ) -> list[Score]:
        """Paired scores on `examples` (default: all of dev), memoised. Scoring on all of dev records the candidate.

        When the budget ends in the middle, candidates already scored whole are recorded and BudgetSpent is raised.
        """
        ...

    def record(self, candidate: Candidate, score: Score, *, origin: Origin, parents: Sequence[Candidate] = ()) -> None:
        """Records a score that came otherwise (a part of dev). Only full-dev scores compete for the finalist."""
        ...

    def label_logprobs(self, candidate: Candidate, examples: Sequence[Example]) -> list[float]:
        """Mean log-probability per token of each example's labels after the rendered prompt (single predictor).

        Raises LMError that names the substitute where the LM gives no such log-probabilities.
        """
        ...

    def label_distribution(
        self, candidate: Candidate, examples: Sequence[Example], labels: Sequence[JSON]
    ) -> list[list[Likelihood]]:
        """How likely each label is after each example's rendered prompt (single predictor); one call for each pair.

        labels: values of the only output, or mappings from every output to its value. A row of the result is an
        example, a column a label, written as the format writes a reply. Memoised.
        Raises ProgramError for labels that are no reply, NoLogprobs that names the substitute.
        """
        ...

    def continuation_logprobs(
        self, prompts: Sequence[str | Messages], continuations: Sequence[str]
    ) -> list[list[float]]:
        """For each pair, the log-probability of every token of the continuation under the task LM. One call a pair.

        prompts: texts as they stand, or chat messages that the server puts into the model's own layout. [-inf] where
        the pair does not fit the context or is refused. Memoised. Raises NoLogprobs that names the substitute.
        """
        ...

    def text_logprobs(self, texts: Sequence[str]) -> list[list[float]]:
        """The log-probability of every token of a text that has one, or a start mark, before it. Else as above."""
        ...

    @property
    def encoder(self) -> str | None:
        """Name of what `embed` asks: vectors of one name are comparable. None where the run has no encoder."""
        ...

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """The encoder's vector of each text, in batches of a fixed size, one call each. Memoised.

        Raises LMError that names the remedy and the substitute where the run has no encoder.
        """
        ...

    def bootstrap(self, candidate: Candidate, examples: Sequence[Example]) -> list[Outcome]:
        """Like `predict`, but the metric is called with the trace (dspy's convention when bootstrapping)."""
        ...

    def rng(self, purpose: str) -> random.Random:
        """A generator derived from the run's seed and the purpose: equal for equal purposes. Use only `.random()`."""
        ...

    def log(self, event: str, **detail: JSON) -> None:
        """A line in the run's event log; counts by event name are part of the evidence."""
        ...

    def choose(self, candidate: Candidate) -> None:
        """Makes a candidate that was recorded on all of dev the finalist, in place of the best; the last choice holds.

        Raises ValueError for one that was not recorded, or was rejected.
        """
        ...

    def keep(self, name: str, document: JSON, *, in_file: bool = False) -> None:
        """Writes `document` to NAME.json in the run folder, for people to read and draw; a later one replaces it.

        in_file: it also becomes part of the compiled file's evidence, so it holds nothing that varies between equal
        runs.
        """
        ...


@dataclass(frozen=True)
class Remaining:
    """What the search account still holds, worst cases deducted; None where the budget does not limit.

    evaluations: how many executions of the student are sure to fit, at their worst case.
    expected: how many are likely to fit, at what calls have cost so far. The same where only calls are limited.
    """

    calls: int | None
    tokens: int | None
    usd: float | None
    evaluations: int
    expected: int


@dataclass(frozen=True)
class Forecast:
    """What a search expects to do with a budget: optimizer calls, executions of a candidate, and a sentence.

    reply_tokens: the most that the replies of one optimizer call may have together (n times max_tokens).
    read_characters: the most characters that its request may have beyond what an execution reads.
    embeddings: calls to the encoder, where `Sizes.encoder` says that there is one.
    """

    asks: int
    executions: int
    summary: str
    reply_tokens: int = 0
    read_characters: int = 0
    embeddings: int = 0


@dataclass(frozen=True)
class Sizes:
    """What a search knows before it starts: rows, predictors, and how many executions the search account affords.

    encoder: whether the run has one, whose calls then cost what an execution does.
    """

    pool: int
    dev: int
    predictors: int
    executions: int
    encoder: bool = False


class Teleprompter(ABC):
    """A search over candidates. Subclasses are frozen dataclasses: their fields are their settings.

    `search(bench)` is a generator: it yields a `Round` after each round and may be paused or closed at any yield.
    It keeps no state outside the generator, draws randomness only from `bench.rng`, and lets BudgetSpent pass.
    """

    def refusal(self, student: Candidate) -> str:
        """Why these settings cannot work for this student, and what to do; or "". Asked before any call."""
        return ""

    def unfit_rows(self, student: Candidate, pool: Sequence[Example]) -> str:
        """Why these settings cannot work with these rows, and what to do; or "". Asked before any call, like that."""
        return ""

    def preference(self, score: Score) -> float:
        """What candidates are ranked by, more is better: `bench.known` and the finalist follow it. The mean score."""
        return score.mean

    @property
    def needs_prices(self) -> bool:
        """Whether it compares candidates by dollars, for which each LM that runs them must have a price."""
        return False

    @property
    def chooses_lm(self) -> bool:
        """Whether it compares candidates on the several LMs that a user may name, `bench.task_lms`."""
        return False

    @property
    def embeds_queries(self) -> bool:
        """Whether a candidate may have a rule that compares vectors, so that each query costs a call to the encoder.

        The final comparison reserves that call. True, unless a search knows better.
        """
        return True

    @abstractmethod
    def search(self, bench: Workbench) -> Iterator[Round]: ...

    @abstractmethod
    def forecast(self, sizes: Sizes) -> Forecast:
        """What `plan()` prints: computed from sizes alone, without a call."""

    def settings(self) -> dict[str, JSON]:
        """Name and settings as JSON, part of a run's identity.

        The settings of a subclass that is no dataclass are its attributes. Functions count by their code.
        Raises BurnishError that names a setting which nothing can tell from another one.
        """
        title, names = type(self).__name__, _setting_names(self)
        if "name" in names:
            raise BurnishError(
                f"{title}.name: a setting cannot be called 'name', which is where a run's identity has the "
                "teleprompter's own. Call it something else. Nothing was spent."
            )
        return {"name": title, **{name: _plain(getattr(self, name), f"{title}.{name}") for name in names}}


def _setting_names(teleprompter: Teleprompter) -> list[str]:
    cls = type(teleprompter)
    names = [one.name for one in fields(cls)] if is_dataclass(cls) else []
    if "__dataclass_fields__" not in vars(cls):  # what it inherits, then, and what it adds
        held = {name: value for kind in reversed(cls.__mro__) for name, value in vars(kind).items()}
        names += [name for name, value in held.items() if _is_constant(value) and not name.startswith("__")]
        names += vars(teleprompter)
    return list(dict.fromkeys(names))


def _is_constant(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float | str | tuple | list | dict)


def _plain(value: object, place: str) -> JSON:
    """A setting as JSON that is the same in every process. place: what messages call it."""
    if isinstance(value, Enum):
        return _plain(value.value, place)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, tuple | list):
        return [_plain(item, f"{place}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, set | frozenset):
        return sorted((_plain(item, place) for item in value), key=canonical)
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _plain(item, f"{place}[{key!r}]") for key, item in value.items()}
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Teleprompter):
        return value.settings()
    if is_dataclass(value) and not isinstance(value, type):
        title = type(value).__name__
        return [title, {one.name: _plain(getattr(value, one.name), f"{place}.{one.name}") for one in fields(value)}]
    if isinstance(value, BuiltinFunctionType) or (callable(value) and hasattr(value, "__dict__")):
        return code_identity(value)
    raise BurnishError(
        f"{place}={value!r:.80} cannot be told from another setting when the run is resumed. Settings are numbers, "
        "texts, lists and dictionaries of such, functions, frozen dataclasses and teleprompters: make it one of these. "
        "Nothing was spent."
    )
