"""What the tests of the joint search share: a search of few arms, and its rounds to the end."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from burnish.signatures.errors import BudgetSpent
from burnish.teleprompters import (
    Joint,
    Origin,
    Round,
    Teleprompter,
)
from burnish.teleprompters.base import Forecast

SLOWLY = "and take all the time that you need to do it well."  # longer than what the student says
MOST = 40  # rounds in a row that cost nothing, after which a search is taken to be endless


def run(joint, world, noting=lambda done, world: None):
    """The rounds of a search to its end, or to that of the money. noting: is told of each."""
    rounds, idle, left = [], 0, world.budget
    with suppress(BudgetSpent):
        for done in joint.search(world):
            rounds.append(done)
            noting(done, world)
            idle, left = idle + 1 if left == world.budget else 0, world.budget
            assert idle < MOST, f"it goes on for ever, with {left} left"
    return rounds


def only(*searches, **settings):
    """A joint search of these searches alone."""
    return Joint(proposers=searches, selectors=(), **settings)


def best(world):
    return world.known[0].candidate


def instructions(candidate):
    return [candidate.prompt(path).instruction for path in candidate.predictors]


@dataclass(frozen=True)
class WritesFor(Teleprompter):
    """Writes "Do 90 ..." for one predictor, beside the student's own instructions for the others."""

    predictor: str
    number: int = 90

    def search(self, bench):
        made = bench.student.with_prompt(self.predictor, instruction=f"Do {self.number}, {SLOWLY}")
        bench.score([made], origin=Origin("WritesFor", "wrote"), parents=[bench.student])
        yield Round("wrote")

    def forecast(self, sizes):
        return Forecast(0, 0, "writes")


def of_all(quality):
    """Scores that count every predictor's instruction alike."""
    return lambda candidate, example: sum(quality(candidate, path) for path in candidate.predictors) / 3


def typical(bench, noisy, seed, dev=60, noting=lambda done, world: None, joint=None, **options):
    """The search as it comes on a noisy world: instructions of random quality, demonstrations that help a little."""

    def truth(candidate):
        numbers = [text.split()[-1].strip(".") for text in instructions(candidate)]
        told = sum((int(number) % 100) / 300 if number.isdigit() else 0.1 for number in numbers) / len(numbers)
        return 0.35 + told + 0.03 * min(4, len(candidate.demos))

    writer = lambda prompt, draw: f"<instruction>Do {draw * 7919 % 100}.</instruction>"  # noqa: E731
    world = bench(noisy(truth, seed), dev=dev, pool=60, reply_of=writer, **options)
    run(joint or Joint(), world, noting)
    return world
