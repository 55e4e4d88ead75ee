"""A workbench in memory: scripted scores and replies, every call written down, no LM, no money but a count."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from burnish.signatures.candidate import Candidate, Part
from burnish.signatures.errors import BudgetSpent, LMError, NoLogprobs, ProgramError
from burnish.signatures.example import Example
from burnish.signatures.prompt import Prompt
from burnish.signatures.schema import Field, Schema
from burnish.teleprompters.base import Likelihood, Outcome, Remaining, Score, Spend, Step
from burnish.teleprompters.guards import check
from burnish.teleprompters.label_signals import rendered, written

LABEL = '{"enum":["negative","positive"],"type":"string"}'


def schema(inputs=("review",), outputs=("label",)):
    def one(name):
        return Field(name, LABEL, type_name="Literal['negative', 'positive']") if name == "label" else Field(name)

    return Schema(tuple(map(one, inputs)), tuple(map(one, outputs)))


def student(instruction="Classify the review.", **predictors):
    """One predictor "self" from review to label, or the given ones: path=(inputs, outputs)."""
    predictors = predictors or {"self": (("review",), ("label",))}
    parts = {path: Part(Prompt(schema(*fields), instruction)) for path, fields in predictors.items()}
    return Candidate.of(parts)


def rows(count, start=0, **columns):
    """Rows with review and label, all different; more columns by name: a function of the row's number."""
    return tuple(
        Example.of(
            {
                "review": f"review {n}",
                "label": "positive" if n % 2 else "negative",
                **{name: value(n) for name, value in columns.items()},
            },
            ("review",),
            f"row {n}",
        )
        for n in range(start, start + count)
    )


@dataclass
class FakeBench:
    """score_of(candidate, example) -> float; reply_of(prompt, draw number) -> text; budget: executions and asks.

    preference: what `known` is ranked by, as on the real bench, where it is the search's own.
    """

    student: Candidate
    pool: tuple
    dev: tuple
    score_of: object
    reply_of: object = lambda prompt, draw: f"Proposal {draw}."
    trace_of: object = lambda candidate, example: ()
    budget: int = 10**6
    preference: object = lambda score: score.mean
    asked: list = field(default_factory=list)
    executed: list = field(default_factory=list)
    recorded: list = field(default_factory=list)
    events: list = field(default_factory=list)
    bootstrapped: list = field(default_factory=list)
    kept: dict = field(default_factory=dict)
    logprob_of: object = None
    text_logprob_of: object = None  # (prompt's text, continuation) -> its tokens' log-probabilities
    outputs_of: object = lambda candidate, example: {}
    embed_of: object = None  # text -> its vector; None: there is no encoder
    task_lms: tuple = ("task",)
    score_range: tuple = (0.0, 1.0)
    chosen: object = None
    _scores: dict = field(default_factory=dict)
    _seen: dict = field(default_factory=dict)
    _likelihoods: dict = field(default_factory=dict)
    _vectors: dict = field(default_factory=dict)

    @property
    def known(self):
        return sorted((score for score, *_ in self.recorded), key=lambda score: -self.preference(score))

    @property
    def remaining(self):
        return Remaining(self.budget, None, None, self.budget, self.budget)

    @property
    def spent(self):
        return Spend(len(self.executed) + len(self.asked) + len(self._likelihoods))

    def _pay(self):
        if self.budget <= 0:
            raise BudgetSpent
        self.budget -= 1

    def ask(self, requests, n=1, *, temperature=1.0, max_tokens=512, purpose):
        replies = []
        for messages in requests:
            drawn = []
            for _ in range(n):
                self._pay()
                self.asked.append((purpose, messages[-1]["content"]))
                drawn.append(self.reply_of(messages[-1]["content"], len(self.asked)))
            replies.append(drawn)
        return replies

    def admit(self, candidate, predictor, texts, *, max_length=None):
        seen, made = self._seen.setdefault(predictor, set()), []
        for text in texts:
            limit = max_length or 4000
            rejection = check(
                text, candidate=candidate, predictor=predictor, pool=self.pool, seen=seen, max_length=limit
            )
            if rejection:
                self.events.append(("rejected", rejection.code))
            else:
                made.append(candidate.with_prompt(predictor, instruction=text))
        return made

    def _run(self, candidate, example):
        key = (candidate.digest, example.digest)
        if key not in self._scores:
            self._pay()
            self.executed.append((candidate, example))
            self._scores[key] = self.score_of(candidate, example)
        return self._scores[key]

    def predict(self, candidate, examples):
        return [
            Outcome(self._run(candidate, e), self.outputs_of(candidate, e), trace=self.trace_of(candidate, e))
            for e in examples
        ]

    def bootstrap(self, candidate, examples):
        self.bootstrapped.append((candidate, tuple(examples)))
        return self.predict(candidate, examples)

    def score(self, candidates, examples=None, *, origin=None, parents=()):
        origins = origin if isinstance(origin, list) else [origin] * len(candidates)
        scores = []
        for candidate, source in zip(candidates, origins, strict=True):
            chosen = self.dev if examples is None else tuple(examples)
            values = tuple(self._run(candidate, example) for example in chosen)
            scores.append(Score(candidate, values, tuple(example.digest for example in chosen)))
            if examples is None and candidate not in [score.candidate for score, *_ in self.recorded]:
                self.recorded.append((scores[-1], source, tuple(parents)))
        return scores

    def record(self, candidate, score, *, origin, parents=()):
        self.recorded.append((score, origin, tuple(parents)))

    def label_logprobs(self, candidate, examples):
        return [self.logprob_of(candidate, example) for example in examples]

    def label_distribution(self, candidate, examples, labels):
        if len(candidate.predictors) != 1:
            raise ProgramError("several predictors")
        prompt = candidate.prompt(candidate.predictors[0])
        replies = written(prompt, labels)
        return [
            [Likelihood(sum(values), len(values)) for values in self.continuation_logprobs([m] * len(replies), replies)]
            for m in rendered(prompt, examples, self.embed)
        ]

    def continuation_logprobs(self, prompts, continuations):
        if self.text_logprob_of is None:
            raise NoLogprobs("this LM gives no log-probabilities; use samples")
        return [self._measured(prompt, text) for prompt, text in zip(prompts, continuations, strict=True)]

    def text_logprobs(self, texts):
        return self.continuation_logprobs([""] * len(texts), texts)

    def _measured(self, prompt, text):
        read = prompt if isinstance(prompt, str) else "\n".join(message["content"] for message in prompt)
        if (read, text) not in self._likelihoods:
            self._pay()
            self._likelihoods[read, text] = self.text_logprob_of(read, text)
        return self._likelihoods[read, text]

    @property
    def encoder(self):
        return None if self.embed_of is None else "fake-encoder"

    def embed(self, texts):
        if self.embed_of is None:
            raise LMError("this bench has no encoder; TF-IDF needs none")
        missing = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        for first in range(0, len(missing), 64):
            self._pay()
            self._vectors.update((text, list(self.embed_of(text))) for text in missing[first : first + 64])
        return [self._vectors[text] for text in texts]

    def rng(self, purpose):
        return random.Random(f"0 {purpose}")

    def log(self, event, **detail):
        self.events.append((event, detail))

    def choose(self, candidate):
        if candidate not in [score.candidate for score in self.known]:
            raise ValueError("it was not recorded")
        self.chosen = candidate

    def keep(self, name, document, *, in_file=False):
        self.kept[name] = document


@pytest.fixture
def bench():
    """bench(score_of, dev=.., pool=.., student=.., ...): a FakeBench with 20 pool rows and 10 dev rows."""

    def build(score_of, *, dev=10, pool=20, columns=None, given=None, **options):
        columns = columns or {}
        return FakeBench(given or student(), rows(pool, **columns), rows(dev, 1000, **columns), score_of, **options)

    return build


@pytest.fixture
def make_student():
    return student


@pytest.fixture
def make_rows():
    return rows


@pytest.fixture
def step():
    return Step
