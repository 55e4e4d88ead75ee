"""Scoring functions: how an answer is read out of an LM that is asked how likely each label is.

They are for experiments and for selection: `best` tells what an LM would answer by each. A frozen program answers by
generating, whatever it was selected with.

    scores = Calibrated(Direct()).scores(bench, candidate, rows, ["positive", "negative"])
    answers = best(scores)      # for each row the number of a label
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from ..signatures.candidate import Candidate
from ..signatures.canonical import JSON
from ..signatures.errors import NoLogprobs, ProgramError
from ..signatures.example import Example
from ..signatures.prompt import Prompt
from ..signatures.schema import Schema
from .base import Messages, Workbench
from .label_signals import CONTENT_FREE, SAMPLES, Source, as_outputs, content_free, distributions, rendered, written
from .label_statistics import floored, mean_distribution, softmax

_LEAST = 1e-300  # a probability that is too small for a float still has a logarithm


class ScoringFunction(Protocol):
    """Scores every label for every row, more is better; scores of different rows need not be comparable."""

    def scores(
        self, bench: Workbench, candidate: Candidate, rows: Sequence[Example], labels: Sequence[JSON]
    ) -> list[list[float]]:
        """A row an example, a column a label. Raises NoLogprobs or ProgramError that names what to use instead."""
        ...


def best(scores: Sequence[Sequence[float]]) -> list[int]:
    """The number of each row's best label; of equal ones the first."""
    return [max(range(len(row)), key=row.__getitem__) for row in scores]


@dataclass(frozen=True)
class Direct:
    """s(y) = log p(y | demonstrations, x), over the labels alone: how likely the LM is to go on with the label.

    source, n: as `distributions` takes them; with "auto", an LM without log-probabilities is sampled n times a row.
    per_token: the mean over the label's tokens instead of their sum, where labels differ much in length.
    The PMI form, log p(y | x) - log p(y | nothing), is `Calibrated(Direct(), ("",))`.
    """

    source: Source = "auto"
    n: int = SAMPLES
    per_token: bool = False

    def scores(
        self, bench: Workbench, candidate: Candidate, rows: Sequence[Example], labels: Sequence[JSON]
    ) -> list[list[float]]:
        found = distributions(bench, candidate, rows, labels, self.source, n=self.n, per_token=self.per_token)
        return _logarithms(found.probabilities)


@dataclass(frozen=True)
class PPL:
    """s(y) = -(NLL of the scored tokens) / (their number): the prompt that reads best with its label filled in.

    span: "answer" scores the label's tokens alone, -NLL_y / T_y. "prompt" scores all of it, as the first released
        implementations do, -(NLL_ctx + NLL_y) / (T_ctx + T_y): it favours long labels, since theirs are likely tokens.
        The context is then the messages' texts, one under the other, without the model's own chat markers.
    neutral: a text; the answer's mean after it is subtracted (`normalizing_str` of OpenICL, Wu et al. 2023). None: no.
    Needs log-probabilities; the substitute is Direct.
    """

    span: Literal["answer", "prompt"] = "answer"
    neutral: str | None = None

    def scores(
        self, bench: Workbench, candidate: Candidate, rows: Sequence[Example], labels: Sequence[JSON]
    ) -> list[list[float]]:
        prompt = _one_prompt(candidate, "PPL")
        try:
            answers = bench.label_distribution(candidate, rows, labels)
            base = self._after_neutral(bench, written(prompt, labels))
            if self.span == "answer":
                return [[one.mean - base[place] for place, one in enumerate(row)] for row in answers]
            contexts = bench.text_logprobs([_as_text(one) for one in rendered(prompt, rows, bench.embed)])
        except NoLogprobs as error:
            raise _no_logprobs("PPL", error) from error
        return [
            [
                (math.fsum(context) + one.total) / (len(context) + one.tokens) - base[place]
                for place, one in enumerate(row)
            ]
            for context, row in zip(contexts, answers, strict=True)
        ]

    def _after_neutral(self, bench: Workbench, replies: Sequence[str]) -> list[float]:
        if self.neutral is None:
            return [0.0] * len(replies)
        values = bench.continuation_logprobs([self.neutral] * len(replies), replies)
        return [math.fsum(row) / max(1, len(row)) for row in values]


@dataclass(frozen=True)
class Channel:
    """s(y) = log p(x | reversed demonstrations, y) + log p(y): which label makes the input likeliest.

    The prompt is the candidate's with inputs and outputs exchanged: each demonstration shows its label, then its
    input. x is scored as the format writes it, so that bare formats measure x alone.
    instruction: what the reversed prompt asks for, since the candidate's own instruction asks the other way round.
    prior: p(y), one number a label; uniform by default.
    ensemble: one demonstration a prompt, the log-probabilities of x added up: no order, prompts of equal length.
    Source: Min et al. 2022, arXiv 2108.04106. Needs log-probabilities and fixed demonstrations; the substitute is
    Direct: asking which label a text has is a direct prompt again, however it is worded.
    """

    instruction: str = "Write an input that has the given output."
    prior: tuple[float, ...] | None = None
    ensemble: bool = False

    def scores(
        self, bench: Workbench, candidate: Candidate, rows: Sequence[Example], labels: Sequence[JSON]
    ) -> list[list[float]]:
        prompt = _one_prompt(candidate, "Channel")
        if prompt.rule is not None:
            raise ProgramError(
                "Channel reverses fixed demonstrations, and a rule picks these by the input that is to be scored. Use "
                "Direct, or fix the demonstrations. Nothing was spent."
            )
        if self.prior is not None and len(self.prior) != len(labels):
            raise ProgramError(
                f"Channel(prior=...) has {len(self.prior)} numbers for {len(labels)} labels. Give one for each label, "
                "in their order. Nothing was spent."
            )
        written(prompt, labels)  # refuses labels that leave an output open
        answers = as_outputs(candidate, labels)
        back = reverse(prompt, self.instruction)
        demos = [(demo,) for demo in back.demos] if self.ensemble and back.demos else [back.demos]
        prompts: list[Messages] = []
        for shown in demos:
            template = back.with_(demos=shown).template
            prompts += [template.render(answer) for answer in answers]
        inputs = [back.reply(row.input_values) for row in rows]
        try:
            values = iter(bench.continuation_logprobs(prompts * len(rows), [x for x in inputs for _ in prompts]))
        except NoLogprobs as error:
            raise _no_logprobs("Channel", error) from error
        likely = [[[math.fsum(next(values)) for _ in answers] for _ in demos] for _ in rows]
        lean = [0.0] * len(answers) if self.prior is None else [math.log(max(p, _LEAST)) for p in self.prior]
        return [
            [math.fsum(column) + log_p for column, log_p in zip(zip(*row, strict=True), lean, strict=True)]
            for row in likely
        ]


@dataclass(frozen=True)
class Calibrated:
    """s(y) = log p(y | x) - log p_cf(y): what the prompt leans to without any content is taken out (W = diag(p_cf)^-1).

    p_cf: the mean of the inner function's distributions over inputs replaced by each content-free text; what is below
        1 / (10 L) counts as that. It costs the inner function len(content_free) rows more, once a candidate.
    content_free: (): p_cf is the mean over the rows themselves instead (batch calibration), for labels about equally
        frequent in them, and for LMs that comment on inputs without content.
    Source: Zhao et al. 2021, arXiv 2102.09690; batch calibration: Zhou et al. 2023, arXiv 2309.17249.
    """

    inner: ScoringFunction
    content_free: tuple[str, ...] = CONTENT_FREE

    def scores(
        self, bench: Workbench, candidate: Candidate, rows: Sequence[Example], labels: Sequence[JSON]
    ) -> list[list[float]]:
        if not rows:
            return []
        scores = self.inner.scores(bench, candidate, rows, labels)
        empty = scores
        if self.content_free:
            empty = self.inner.scores(bench, candidate, content_free(rows[0], self.content_free), labels)
        lean = [math.log(p) for p in floored(mean_distribution([softmax(row) for row in empty]))]
        return [
            [log_p - log_cf for log_p, log_cf in zip(row, lean, strict=True)]
            for row in _logarithms([softmax(row) for row in scores])
        ]


def reverse(prompt: Prompt, instruction: str) -> Prompt:
    """The prompt that asks for the inputs, given the outputs; its demonstrations show theirs the other way round."""
    schema = Schema(
        tuple(replace(field, note="") for field in prompt.schema.outputs),
        tuple(replace(field, note="") for field in prompt.schema.inputs),
    )
    return prompt.with_(schema=schema, instruction=instruction)


def _one_prompt(candidate: Candidate, name: str) -> Prompt:
    if len(candidate.predictors) != 1:
        raise ProgramError(
            f"{name} scores texts after one predictor's prompt; this program has {len(candidate.predictors)}: "
            f"{', '.join(candidate.predictors)}. Use Direct(source='samples'), which runs the program. Nothing was "
            "spent."
        )
    return candidate.prompt(candidate.predictors[0])


def _no_logprobs(name: str, error: NoLogprobs) -> NoLogprobs:
    return NoLogprobs(
        f"{name} reads log-probabilities of given texts. {error} The substitute for {name} is Direct(source='samples');"
        " or a small model in this process ('local/...') as a surrogate, of which only the ranking is used."
    )


def _as_text(messages: Messages) -> str:
    return "\n".join(message["content"] for message in messages)


def _logarithms(rows: Sequence[Sequence[float]]) -> list[list[float]]:
    return [[math.log(max(p, _LEAST)) for p in row] for row in rows]
