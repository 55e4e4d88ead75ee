from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest

import burnish as b
from burnish.signatures.errors import BudgetSpent
from burnish.signatures.example import Example
from burnish.teleprompters.bandits import UCB
from burnish.teleprompters.base import Forecast, Origin, Round, Teleprompter
from burnish.teleprompters.label_signals import distributions
from burnish.teleprompters.replies import instruction
from burnish.testing import check_teleprompter, conformance
from burnish.testing.conformance_world import HOLDOUT, World, instruct

MOVE = Origin("Simple", "try")


@dataclass(frozen=True)
class Simple(Teleprompter):
    """Asks for a few instructions for each predictor and scores them. Its methods are what the broken ones break."""

    tries: int = 2

    def search(self, bench):
        for path in bench.student.predictors:
            for n in range(self.tries):
                replies = bench.ask([[{"role": "user", "content": f"Try {n} for {path}."}]], purpose="try")
                texts = [text for text in self.read(replies[0]) if text is not None]
                for candidate in self.make(bench, path, texts):
                    self.score(bench, candidate)
                yield Round(f"{path} {n}", best=self.best(bench))

    def read(self, replies):
        return [instruction(reply) for reply in replies]

    def make(self, bench, path, texts):
        return bench.admit(bench.student, path, texts)

    def score(self, bench, candidate):
        bench.score([candidate], origin=MOVE)

    def best(self, bench):
        return next(iter(bench.known), None)

    def forecast(self, sizes):
        return Forecast(self.tries, min(sizes.executions, self.tries * sizes.dev), "A few tries.")


class ForecastsTooMuch(Simple):
    def forecast(self, sizes):
        return Forecast(1, sizes.executions + 1, "More than there is.")


class SwallowsTheEndOfTheBudget(Simple):
    def score(self, bench, candidate):
        try:
            super().score(bench, candidate)
        except BudgetSpent:
            bench.ask([[{"role": "user", "content": "And now?"}]], purpose="more")


class NamesTheStudentTheBest(Simple):
    def best(self, bench):
        return bench.score([bench.student])[0]


class NamesAnUnscoredOneTheBest(Simple):
    def best(self, bench):
        half = bench.student.with_prompt(bench.student.predictors[0], instruction="Half.")
        return bench.score([half], bench.dev[:3])[0]


class RemembersEarlierSearches(Simple):
    began = itertools.count()

    def search(self, bench):
        bench.ask([[{"role": "user", "content": f"Search {next(self.began)}"}]], purpose="hello")
        yield from super().search(bench)

    def make(self, bench, path, texts):
        return super().make(bench, path, [f"{text} {next(self.began)}" for text in texts])


class WorksOnAfterTheClose(Simple):
    def search(self, bench):
        try:
            yield from super().search(bench)
        finally:
            bench.score([bench.student.with_prompt(bench.student.predictors[0], instruction="Last.")], origin=MOVE)


class CannotBeClosed(Simple):
    def search(self, bench):
        for done in super().search(bench):
            try:
                yield done
            except GeneratorExit:
                yield done


class IsNoGenerator(Simple):
    def search(self, bench):
        return itertools.chain(super().search(bench))


class KnowsOnlySelf(Simple):
    def make(self, bench, path, texts):
        return bench.admit(bench.student, "self", texts)


class GoesAroundTheGuardRails(Simple):
    def make(self, bench, path, texts):
        return [bench.student.with_prompt(path, instruction=text) for text in texts]

    def read(self, replies):
        return [reply for reply in replies if "[[" not in reply]


class CannotReadAnEmptyReply(Simple):
    def read(self, replies):
        return [reply.split()[0] + " the tickets." for reply in replies]


class ExecutesHeldOutRows(Simple):
    def best(self, bench):
        bench.predict(bench.student, [Example.of(row, ("ticket",)) for row in HOLDOUT])
        return super().best(bench)


class ShowsHeldOutRows(Simple):
    def best(self, bench):
        bench.ask([[{"role": "user", "content": HOLDOUT[0]["ticket"]}]], purpose="peek")
        return super().best(bench)


class ScoresWithoutRecording(Simple):
    def score(self, bench, candidate):
        bench.predict(candidate, bench.dev)


class SaysNotWhereItComesFrom(Simple):
    def score(self, bench, candidate):
        bench.score([candidate])


class UsesMoreThanTheWorkbench(Simple):
    def best(self, bench):
        return bench.ranking()[0].score


class SamplesLabelsOnDev(Simple):
    def best(self, bench):
        distributions(bench, bench.student, bench.dev, ["yes", "no"], n=2)
        return super().best(bench)


@pytest.fixture
def run(tmp_path):
    def run(check, teleprompter, limits=(60,)):
        check(World(tmp_path / "world", teleprompter, 0, instruct), limits)

    return run


@pytest.mark.parametrize(
    ("check", "broken", "says"),
    [
        ("description", ForecastsTooMuch, "expects 1 executions"),
        ("budget", SwallowsTheEndOfTheBudget, r"bench.ask\(...\) was called after the budget had ended"),
        ("best", NamesTheStudentTheBest, "the best; known is"),
        ("best", NamesAnUnscoredOneTheBest, "no score on all of dev"),
        ("determinism", RemembersEarlierSearches, "what was sent to the optimizer LM"),
        ("pause", WorksOnAfterTheClose, r"bench.score\(...\) was called after the search was closed"),
        ("pause", CannotBeClosed, "did not end when it was closed"),
        ("pause", IsNoGenerator, "write it as a generator"),
        ("resume", RemembersEarlierSearches, "another file|were paid for"),
        ("proposals", GoesAroundTheGuardRails, r"did not come through bench.admit\(\)"),
        ("holdout", ExecutesHeldOutRows, "executed during the search"),
        ("holdout", ShowsHeldOutRows, "shown to the optimizer LM"),
        ("records", ScoresWithoutRecording, "not recorded"),
        ("records", SaysNotWhereItComesFrom, "without an origin"),
    ],
)
def test_a_teleprompter_that_breaks_a_rule_fails_the_check_for_it(run, check, broken, says):
    with pytest.raises(AssertionError, match=says):
        run(getattr(conformance, f"check_{check}"), broken())


@pytest.mark.parametrize(
    ("check", "broken", "error"),
    [
        ("best", KnowsOnlySelf, KeyError),
        ("best", UsesMoreThanTheWorkbench, AttributeError),
        ("proposals", CannotReadAnEmptyReply, IndexError),
    ],
)
def test_an_exception_of_a_teleprompter_is_not_hidden(run, check, broken, error):
    with pytest.raises(error):
        run(getattr(conformance, f"check_{check}"), broken())


def test_a_teleprompter_that_keeps_the_rules_passes():
    check_teleprompter(Simple(), limits=(1, 60))


def test_one_that_samples_what_it_does_not_mean_to_select_passes():
    check_teleprompter(SamplesLabelsOnDev(), limits=(1, 60))


def test_the_suite_leaves_the_users_cache_and_folder_alone(tmp_path):
    with pytest.raises(AssertionError):
        check_teleprompter(NamesTheStudentTheBest(), limits=(40,))
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    "teleprompter",
    [
        b.RandomDemos(),
        b.RandomDemos(demos=2, source="both"),
        b.APE(),
        b.APE(candidates=6, each=2, mode="both", evaluation=UCB(examples_per_pull=2)),
        b.IterativeAPE(),
        b.IterativeAPE(start=b.APE(candidates=4), survivors=2, variants=2, subset=4, elitism=False),
    ],
    ids=lambda teleprompter: type(teleprompter).__name__,
)
def test_every_teleprompter_here_passes_the_conformance_suite(teleprompter):
    check_teleprompter(teleprompter)
