"""How likely the task LM finds given texts: labels after a candidate's prompt, continuations, whole texts.

The labels' own likelihood is the log-likelihood score of APE (Zhou et al. 2022, section 3.2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, TypeAlias

from ..signatures.candidate import Candidate
from ..signatures.canonical import JSON, digest
from ..signatures.errors import BudgetSpent, LMError, NoLogprobs, ProgramError
from ..signatures.example import Example
from ..signatures.prompt import Prompt
from ..teleprompters.base import Likelihood, Messages, Spend
from ..teleprompters.label_signals import rendered, written
from .budget import TimeUp
from .lm.failures import AttemptFailure, ContentRefused, ContextOverflow
from .lm.logprobs import continuation_logprobs, text_logprobs

if TYPE_CHECKING:
    from .budget import Ledger
    from .lm import LM
    from .lm.client import Client

BLOCK = 64  # texts admitted together
AT_ONCE = 8
IMPOSSIBLE = float("-inf")

# What is measured: a text after a prompt (a text or chat messages), or, after None, a text from its start.
Pair: TypeAlias = tuple[str | Messages | None, str]
Embed: TypeAlias = Callable[[Sequence[str]], list[list[float]]]


@dataclass
class Likelihoods:
    """Measures texts under one LM: a call for each, from the search account, in blocks; what it knows costs nothing.

    While it is unknown whether the LM tells, one text alone finds out; where it does not, no other is sent. Texts after
    chat messages and plain texts are told apart: some servers know the second only.
    """

    lm: LM
    client: Client
    ledger: Ledger
    _known: dict[str, list[float] | AttemptFailure] = field(default_factory=dict)
    _told: set[bool] = field(default_factory=set)  # whether of plain texts (True), of texts after messages (False)
    _silent: dict[bool, str] = field(default_factory=dict)  # likewise; what the refusal said

    def of(self, pairs: Sequence[Pair]) -> list[list[float]]:
        """A log-probability for each token; [-inf] where the pair does not fit the context or is refused."""
        return [[IMPOSSIBLE] if isinstance(one, AttemptFailure) else one for one in self.measure(pairs)]

    def measure(self, pairs: Sequence[Pair]) -> list[list[float] | AttemptFailure]:
        """As `of`, with the failure itself. Raises NoLogprobs, BudgetSpent."""
        keys = [digest([prompt if isinstance(prompt, str | None) else list(prompt), text]) for prompt, text in pairs]
        missing = {key: pair for key, pair in zip(keys, pairs, strict=True) if key not in self._known}
        with ThreadPoolExecutor(AT_ONCE) as threads:
            while rest := [key for key in missing if key not in self._known][:BLOCK]:
                if said := self._silent.get(_is_plain(missing[rest[0]])):
                    raise NoLogprobs(said)
                block = list(takewhile(lambda key: _is_plain(missing[key]) in self._told, rest)) or rest[:1]
                admitted = self.ledger.admit("search", [self._bound(missing[key]) for key in block])
                if not admitted:
                    raise BudgetSpent("the search account is shut")
                try:
                    self._measure({key: missing[key] for key in block[:admitted]}, threads)
                except TimeUp as end:
                    raise BudgetSpent(str(end)) from end
                finally:
                    self.ledger.settle("search")
        return [self._known[key] for key in keys]

    def _measure(self, block: Mapping[str, Pair], threads: ThreadPoolExecutor) -> None:
        """Raises NoLogprobs when all of the block is measured: what it costs must not depend on who is first."""
        sent = {key: threads.submit(self._one, pair) for key, pair in block.items()}
        try:
            found = {key: one.result() for key, one in sent.items()}
        finally:
            for one in sent.values():
                one.cancel()
            wait(sent.values())  # nothing is in flight when the block is settled
        refusals = []
        for key, values in found.items():
            kind = _is_plain(block[key])
            if isinstance(values, NoLogprobs):
                refusals.append(values)
                if kind not in self._told:
                    self._silent[kind] = str(values)
                continue
            self._known[key] = values
            if isinstance(values, list) and values:
                self._told.add(kind)
        if refusals:
            raise refusals[0]

    def _one(self, pair: Pair) -> list[float] | AttemptFailure | NoLogprobs:
        prompt, text = pair
        try:
            if prompt is None:
                return text_logprobs(self.client, self.lm, text)
            return continuation_logprobs(self.client, self.lm, prompt, text)
        except (ContextOverflow, ContentRefused, NoLogprobs) as failure:
            return failure

    def _bound(self, pair: Pair) -> Spend:
        prompt, text = pair
        if isinstance(prompt, str | None):
            return self.lm.bound(self.lm.completion((prompt or "") + text, max_tokens=1))
        return self.lm.bound(self.lm.chat([*prompt, {"role": "assistant", "content": text}], max_tokens=1))


def label_logprobs(
    candidate: Candidate, examples: Sequence[Example], likelihoods: Likelihoods, embed: Embed
) -> list[float]:
    """Mean log-probability per token of each example's labels, as the format writes them, after the rendered prompt.

    One call an example, from the search account. embed: for rules that pick demonstrations by vectors.
    Raises ProgramError for programs with several predictors or rows without labels, NoLogprobs that names the
    substitute where the LM gives no such log-probabilities, BudgetSpent.
    """
    prompt = _only_prompt(candidate)
    replies = [labels_as_reply(prompt, example) for example in examples]
    pairs: list[Pair] = list(zip(rendered(prompt, examples, embed), replies, strict=True))
    means = []
    for example, values in zip(examples, likelihoods.measure(pairs), strict=True):
        if isinstance(values, AttemptFailure):
            raise LMError(
                f"{example.place or 'A row'}: its labels have no likelihood. {values} Leave the row out, or use "
                "execution accuracy."
            )
        means.append(sum(values) / max(1, len(values)))
    return means


def label_distribution(
    candidate: Candidate,
    examples: Sequence[Example],
    labels: Sequence[JSON],
    likelihoods: Likelihoods,
    embed: Embed,
) -> list[list[Likelihood]]:
    """How likely each label is after each example's prompt. Raises ProgramError for several predictors."""
    prompt = _only_prompt(candidate)
    replies = written(prompt, labels)
    asked = rendered(prompt, examples, embed)
    values = iter(likelihoods.of([(messages, reply) for messages in asked for reply in replies]))
    return [[_likelihood(next(values)) for _ in replies] for _ in asked]


def labels_as_reply(prompt: Prompt, example: Example) -> str:
    """The reply that would be right: the example's labels as the format writes them in a demonstration."""
    missing = [field.name for field in prompt.schema.outputs if field.name not in example.values]
    if missing:
        raise ProgramError(
            f"{example.place or 'A row'} has no column {missing[0]!r}, so its label has no likelihood. Use execution "
            "accuracy, or add the column."
        )
    return prompt.reply(example.values)


def _is_plain(pair: Pair) -> bool:
    return isinstance(pair[0], str | None)


def _likelihood(values: Sequence[float]) -> Likelihood:
    return Likelihood(sum(values), len(values))


def _only_prompt(candidate: Candidate) -> Prompt:
    if len(candidate.predictors) != 1:
        raise ProgramError(
            "Log-likelihood scoring needs a program with one predictor: the labels of inner ones are not known. Use "
            "execution accuracy."
        )
    return candidate.prompt(candidate.predictors[0])
