"""What a budget buys, and what is left when it ends."""

from __future__ import annotations

import pytest

from burnish.signatures.errors import BudgetSpent
from burnish.teleprompters import OPRO, Sizes
from burnish.teleprompters.opro_trajectory import Exemplars
from burnish.testing.conformance_world import fraction

from .world import number, numbers, quality, writing


def test_each_predictor_has_its_share_of_the_budget(bench, make_student):
    given = make_student(a=(("review",), ("label",)), b=(("review",), ("label",)))
    world = bench(
        lambda candidate, example: (quality(candidate, "a") + quality(candidate, "b")) / 2,
        dev=20,
        given=given,
        reply_of=writing(),
        budget=20 + 600,
    )
    spent = {"a": 0, "b": 0}
    for done in OPRO(patience=None).search(world):
        spent[done.name[0]] = 620 - world.budget
    assert spent["a"] == pytest.approx(20 + 300, abs=50)
    assert spent["b"] - spent["a"] == pytest.approx(300, abs=50)


@pytest.mark.parametrize("settings", [{}, {"rows": 8}, {"exemplars": Exemplars("currently_wrong")}], ids=str)
@pytest.mark.parametrize("budget", [1, 9, 21, 40, 62, 77, 105, 150, 300, 1000])
def test_at_every_cut_off_the_best_full_score_is_left_and_money_for_one_is_kept(bench, settings, budget):
    world = bench(dev=20, reply_of=writing(), budget=20 + budget)
    best = None
    for done in OPRO(**settings).search(world):  # never comes to the end of the budget by surprise
        best = done.best
    assert best == world.known[0]
    if budget >= 77:
        assert len(world.recorded) >= 2
        assert world.known[0].mean > 0


@pytest.mark.parametrize("budget", range(61, 161, 9))
def test_replies_asked_for_again_do_not_eat_the_money_for_a_full_score(bench, budget):
    def at_second_try(prompt, draw):
        return "" if draw % 2 else f"<instruction>Do {draw}.</instruction>"

    world = bench(dev=40, reply_of=at_second_try, budget=40 + budget)
    rounds = list(OPRO(proposals=1, rows=6).search(world))
    assert len(rounds) == 2 or len(world.recorded) >= 2
    assert len(rounds) > 2 or budget < 70


def test_seeds_that_cannot_be_scored_any_more_are_left_out(bench):
    world = bench(dev=20, reply_of=writing(), budget=20 + 45)
    rounds = list(OPRO(seeds=("Do 10.", "Do 20.", "Do 30."), rows=10).search(world))
    assert numbers(rounds[0].proposed) == [10, 20, 30]
    assert number(world.known[0].candidate) == 30
    world = bench(dev=20, reply_of=writing(), budget=20 + 25)
    rounds = list(OPRO(seeds=("Do 10.", "Do 20.", "Do 30."), rows=10).search(world))
    assert numbers(rounds[0].proposed) == [10]
    assert number(world.known[0].candidate) == 10


def test_a_budget_that_ends_in_the_middle_passes_on_and_what_was_scored_counts(bench):
    world = bench(dev=20, reply_of=writing(10, 20, 30, 40), budget=400)
    search = OPRO(steps=2, proposals=2, rows=6, finalists=2).search(world)
    next(search), next(search), next(search)
    world.budget = 20
    with pytest.raises(BudgetSpent):
        list(search)
    assert number(world.known[0].candidate) == 40


FORECASTS = {
    "as it comes": {},
    "rows": {"rows": 10},
    "wrong": {"exemplars": Exemplars("most_often_wrong", rows=8)},
    "seeds": {"seeds": ("Do it.", "Do it well.")},
    "positions": {"positions": ("question_begin", "question_end")},
}


@pytest.mark.parametrize("settings", FORECASTS.values(), ids=FORECASTS)
@pytest.mark.parametrize("dev", [20, 60])
def test_the_forecast_is_what_is_done(bench, settings, dev):
    def near(candidate, example):
        return float(fraction(candidate.digest, example.digest) < 0.3 + 0.5 * fraction(candidate.digest))

    for budget in (60, 150, 300, 1000, 3000):
        opro = OPRO(patience=None, **settings)
        world = bench(near, dev=dev, pool=40, reply_of=writing(), budget=budget + dev)
        forecast = opro.forecast(Sizes(pool=40, dev=dev, predictors=1, executions=budget))
        list(opro.search(world))
        assert len(world.asked) == pytest.approx(forecast.asks, rel=0.1, abs=2)
        assert len(world.executed) - dev <= forecast.executions
        assert len(world.executed) - dev == pytest.approx(forecast.executions, rel=0.1, abs=2 * dev)


def test_the_forecast_says_what_will_be_done():
    forecast = OPRO().forecast(Sizes(pool=50, dev=60, predictors=1, executions=300))
    assert forecast.summary == (
        "OPRO: for the predictor up to 5 steps of 2 instructions, each scored on 20 of 60 rows of dev, "
        "the best 2 on all of them."
    )
    assert forecast.reply_tokens == 2 * 1024
    assert OPRO().forecast(Sizes(50, 60, 1, 0)).executions == 0


def test_what_is_left_open_follows_from_the_budget():
    for executions, said in (
        (60, "up to 0 steps"),
        (150, "up to 5 steps of 1 instruction, each scored on 20 "),
        (1000, "up to 4 steps of 8 instructions, each scored on 31 "),
        (10_000, "up to 21 steps of 8 instructions, each scored on 60 "),
        (10**6, "up to 200 steps of 8 instructions, each scored on 60 "),
    ):
        assert said in OPRO().forecast(Sizes(pool=50, dev=60, predictors=1, executions=executions)).summary
