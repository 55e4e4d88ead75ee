"""How the joint search spends its budget, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from burnish.signatures.errors import BudgetSpent
from burnish.teleprompters import (
    APE,
    Joint,
    Origin,
    RandomDemos,
    Round,
    Teleprompter,
)
from burnish.teleprompters.base import Forecast
from burnish.teleprompters.joint.course import LEAST_TOLD, MOST_ASIDE, SLICE
from burnish.teleprompters.joint.objectives import PromptTokens

from .world import WritesFor, instructions, of_all, only, run, typical


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (2000, SLICE * (2000 - 60) / 2),  # 60 are kept to take three parts out; there are two arms, with recombination
        (100, LEAST_TOLD * 8),
        (30, 30 - int(MOST_ASIDE * 30)),
    ],
)
def test_an_arm_is_told_that_it_has_a_slice_of_its_share_but_enough_to_begin_with_and_no_more_than_there_is(
    bench, left, told
):
    seen = []

    @dataclass(frozen=True)
    class Looks(Teleprompter):
        def search(self, bench):
            seen.append(bench.remaining.expected)
            yield Round("looked")

        def forecast(self, sizes):
            return Forecast(0, 0, "looks")

    run(only(Looks()), bench(dev=20, budget=20 + left))
    assert seen[0] == told


@pytest.mark.parametrize("budget", [1, 19, 20, 25, 40, 59, 60, 61, 75, 90, 119, 120, 150, 200, 333, 500, 1000])
@pytest.mark.parametrize("dev", [20, 60])
def test_whatever_there_is_to_spend_it_is_never_overspent_and_the_search_ends(
    bench, noisy, quality, writes, dev, budget
):
    world = bench(noisy(quality), dev=dev, budget=budget)
    rounds = run(Joint(proposers=(writes("Do 30.", "Do 70."), APE()), selectors=(RandomDemos(sets=3),)), world)
    assert world.budget >= 0
    assert (budget < dev) == (not world.recorded)
    assert all(done.best == world.known[0] for done in rounds[-1:])


@pytest.mark.parametrize("left", [30, 60, 100, 149, 150, 151, 200])
def test_where_nothing_can_be_seen_through_any_more_the_search_ends(bench, three, puts, left):
    world = bench(lambda candidate, example: 0.5, given=three, dev=150, budget=150 + 48 + left)
    run(only(puts({"instruction": "A.", "format": "plain"}, {"instruction": "B.", "format": "xml"})), world)


@pytest.mark.parametrize("budget", range(66, 140, 8))
def test_a_search_that_can_pay_only_for_some_of_what_it_makes_ends(bench, noisy, puts, make_student, budget):
    student = make_student()
    world = bench(noisy(lambda one: 0.6 if one == student else 0.5, 2), dev=20, budget=budget)
    run(only(puts({"instruction": "A."}, {"format": "plain"}, {"position": "question_end"}), batch=8), world)


def test_as_long_as_there_is_money_and_something_untried_the_search_goes_on(bench, three, puts, noisy):
    worth = {"Do 0.": 0.0, "Do 1.": 0.05, "Do 2.": 0.1, "Do 3.": 0.15}

    def truth(candidate):
        return 0.3 + sum(worth.get(text, 0.0) for text in instructions(candidate))

    world = bench(noisy(truth), given=three, dev=20, budget=6000)
    run(only(puts(*({"instruction": text} for text in worth))), world)
    untried = (1 + len(worth)) ** 3 - len({candidate for candidate, _ in world.executed})
    assert untried <= 12 or world.budget < 1500, f"{untried} combinations are untried, with {world.budget} calls left"


def test_a_budget_that_ends_while_parts_are_taken_out_leaves_what_was_found_by_then(bench, three, quality):
    world = bench(of_all(quality), given=three, dev=20, budget=2000)
    score, taken = world.score, []

    def ending(candidates, examples=None, *, origin=None, **named):
        if isinstance(origin, Origin) and origin.move == "taken out":
            if taken:
                raise BudgetSpent  # where what is expected to fit does not
            taken.append(candidates)
        return score(candidates, examples, origin=origin, **named)

    world.score = ending
    run(only(*(WritesFor(path) for path in three.predictors)), world)
    assert len(world.kept["joint"]["parts"]) >= 1


@pytest.mark.parametrize("budget", [1500, 2400, 3600])
def test_races_leave_the_money_that_is_set_aside_for_taking_parts_out(bench, three, noisy, quality, budget):
    world = typical(bench, noisy, 0, given=three, dev=90, budget=budget)
    taken_out = [score for score, origin, _ in world.recorded if origin is not None and origin.move == "taken out"]
    assert len(taken_out) >= 2


@pytest.mark.parametrize("budget", [2400, pytest.param(6000, marks=pytest.mark.slow)])
def test_every_search_that_takes_part_gets_to_score_something(bench, three, noisy, budget):
    had, left = {}, budget

    def noting(done, world):
        nonlocal left
        had[done.name] = had.get(done.name, 0) + left - world.budget
        left = world.budget

    world = typical(bench, noisy, 0, given=three, dev=90, budget=budget, noting=noting)
    assert [one["arm"] for one in world.kept["joint"]["portfolio"] if not had.get(one["arm"])] == []


def test_where_the_budget_ends_in_the_middle_of_a_turn_what_was_scored_by_then_ships_and_who_had_the_calls_is_said(
    bench, writes, quality
):
    world = bench(lambda candidate, example: quality(candidate), dev=20)
    score, choices = world.score, []
    world.choose = lambda candidate: choices.append(instructions(candidate))

    def ending(candidates, examples=None, **named):
        scores = score(candidates, examples, **named)
        if examples is None and any("Do 90." in instructions(one) for one in candidates):
            raise BudgetSpent
        return scores

    world.score = ending
    search = only(writes("Do 40.", "Do 90."), objectives=(PromptTokens(),), rule=lambda points: points[0])
    with pytest.raises(BudgetSpent):
        list(search.search(world))
    assert choices[-1] == ["Do 90."]
    accounts = {account["arm"]: account for account in world.kept["joint"]["portfolio"]}
    assert accounts["Writes"]["turns"] == 2
    assert sum(account["gain"] for account in accounts.values()) == pytest.approx(0.9)
