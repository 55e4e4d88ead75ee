"""What a budget buys, and what is left when it ends."""

from __future__ import annotations

import pytest

from burnish.signatures.errors import BudgetSpent
from burnish.teleprompters.abo import ABO
from burnish.teleprompters.base import Sizes

from .world import by_count


@pytest.mark.parametrize("budget", [1, 5, 12, 20, 25, 40, 60, 100, 150, 300])
def test_a_cut_leaves_the_best_pair_that_was_scored_in_full(open_world, budget):
    world = open_world(by_count(three=0.4, four=0.6, five=0.8), budget=budget)
    try:
        list(ABO().search(world))
    except BudgetSpent:
        assert world.budget == 0
    assert len(world.recorded) == (0 if budget < 10 else 1) or budget >= 10 + 12
    if budget >= 10 + 12:
        assert max(score.mean for score, *_ in world.recorded) > 0.39
    if budget >= 100:
        assert max(score.mean for score, *_ in world.recorded) > 0.79


def test_money_that_buys_no_whole_pair_is_not_begun_with(open_world):
    world = open_world(by_count(three=0.4), budget=10 + 11)
    assert list(ABO().search(world)) == []
    assert (len(world.asked), world.budget) == (0, 11)
    forecast = ABO().forecast(Sizes(pool=20, dev=10, predictors=1, executions=11))
    assert (forecast.asks, forecast.executions) == (0, 0)
    assert "at least 12 calls" in forecast.summary


@pytest.mark.parametrize("budget", [40, 100, 300, 1000, 10_000])
@pytest.mark.parametrize("settings", [{}, {"candidates": 1, "refinements": 2}, {"batch": 7, "failures": 3}])
def test_the_forecast_is_what_the_search_does(open_world, budget, settings):
    growing = by_count(three=0.3, four=0.4, five=0.5, six=0.6, seven=0.7)
    # From seven steps on no refinement gains anything; patience outlasts that.
    world = open_world(growing, pool=60, dev=20, budget=budget + 20)
    abo = ABO(**settings, patience=99)
    forecast = abo.forecast(Sizes(pool=60, dev=20, predictors=1, executions=budget))
    list(abo.search(world))
    assert world.budget >= 0
    assert len(world.asked) == forecast.asks
    assert len(world.executed) - 20 == forecast.executions
    assert forecast.asks + forecast.executions <= budget


def test_what_a_budget_buys():
    bought = {
        left: ABO().sizing(left, pool=100, dev=dev) for left, dev in ((40, 12), (150, 20), (500, 50), (6000, 100))
    }
    assert [(size.refinements, size.candidates) for size in bought.values()] == [(0, 1), (3, 1), (3, 1), (6, 3)]
    assert [size.batch for size in bought.values()] == [4, 9, 30, 30]
    asked_too_much = ABO(refinements=5, candidates=3, batch=50).sizing(45, pool=10, dev=12)
    assert (asked_too_much.refinements, asked_too_much.candidates, asked_too_much.batch) == (0, 1, 10)
    saved = ABO(refinements=2, candidates=3).sizing(300, pool=100, dev=50)
    assert (saved.refinements, saved.candidates) == (2, 1)
    assert ABO(refinements=5).sizing(500, pool=100, dev=50).refinements == 4
