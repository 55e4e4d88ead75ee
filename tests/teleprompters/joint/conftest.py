"""Worlds for the joint search: candidates as good as their instructions say, and searches that are scripted."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from burnish.teleprompters.base import Forecast, Origin, Round, Teleprompter
from burnish.testing.conformance_world import fraction


def quality(candidate, path=None):
    """The number in an instruction "Do 42." in hundredths, the best of all predictors'; 0 for others."""
    paths = candidate.predictors if path is None else [path]
    texts = [candidate.prompt(one).instruction for one in paths]
    return max((int(n) / 100 for text in texts for n in re.findall(r"Do (\d+)", text)), default=0.0)


def noisy(truth, seed=0):
    """score_of for a bench: 1 with the probability truth(candidate), half of what decides being the row's own."""

    def score(candidate, example):
        luck = (fraction(seed, example.digest) + fraction(seed, example.digest, candidate.digest)) / 2
        return float(luck < truth(candidate))

    return score


@dataclass(frozen=True)
class Writes(Teleprompter):
    """A search that scores one instruction a round on all rows it is given, the student's predictors alike."""

    texts: tuple[str, ...]
    predictors: tuple[str, ...] | None = None

    def search(self, bench):
        for text in self.texts:
            made = bench.known[0].candidate
            for path in self.predictors or made.predictors:
                made = made.with_prompt(path, instruction=text)
            bench.score([made], origin=Origin("Writes", "wrote", {"text": text}), parents=[bench.known[0].candidate])
            yield Round(text, (made,), bench.known[0])

    def forecast(self, sizes):
        return Forecast(0, 0, "writes what it is told")


@dataclass(frozen=True)
class Puts(Teleprompter):
    """A search that scores the student with these changes to each predictor's prompt, one set of changes a round."""

    changes: tuple[tuple[tuple[str, object], ...], ...]

    def search(self, bench):
        for changes in self.changes:
            made = bench.student
            for path in made.predictors:
                made = made.with_prompt(path, **dict(changes))
            bench.score([made], origin=Origin("Puts", "put"), parents=[bench.student])
            yield Round("put", (made,), bench.known[0])

    def forecast(self, sizes):
        return Forecast(0, 0, "puts what it is told")


@pytest.fixture
def bench(bench):
    """bench(...): one that also records what is scored on the rows of dev by name, as the real one does."""

    def build(score_of=lambda candidate, example: quality(candidate), **options):
        world = bench(score_of, **options)
        score, whole = world.score, {example.digest for example in world.dev}

        def recorded(candidates, examples=None, **named):
            if examples is not None and {example.digest for example in examples} >= whole:
                score(candidates, None, **named)
            return score(candidates, examples, **named)

        world.score = recorded
        return world

    return build


@pytest.fixture
def three(make_student):
    """A student with the predictors find, judge and say, which all read a review and give a label."""
    return make_student(**dict.fromkeys(("find", "judge", "say"), (("review",), ("label",))))


@pytest.fixture(name="quality")
def _quality():
    return quality


@pytest.fixture(name="noisy")
def _noisy():
    return noisy


@pytest.fixture(name="writes")
def _writes():
    return lambda *texts, predictors=None: Writes(texts, predictors)


@pytest.fixture(name="puts")
def _puts():
    """puts({"format": "plain"}, {"instruction": "Do 5."}): a search that tries these, one a round."""
    return lambda *changes: Puts(tuple(tuple(one.items()) for one in changes))
