"""What a budget buys, and what is left when it ends."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from burnish.signatures.errors import BudgetSpent
from burnish.teleprompters.apo import APO
from burnish.teleprompters.apo_expand import Expansion
from burnish.teleprompters.asking import Writing
from burnish.teleprompters.bandits import UCBE, SuccessiveRejects, Uniform
from burnish.teleprompters.base import Sizes
from burnish.testing.conformance_world import fraction

from .world import (
    SMALL,
    number,
    score,
    writing,
    writing_many,
)


@pytest.mark.parametrize("budget", [1, 9, 12, 25, 34, 35, 40, 61, 77, 110, 150, 300, 1000])
@pytest.mark.parametrize("settings", [{}, {"beam": 2, "expansion": replace(SMALL, reject_on_errors=True)}], ids=str)
def test_at_every_cut_off_the_best_full_score_is_left_and_money_for_one_is_kept(bench, budget, settings):
    world = bench(score, dev=20, reply_of=writing(), budget=20 + budget)
    best = None
    for done in APO(**settings).search(world):  # never comes to the end of the budget by surprise
        best = done.best
    assert best is None or best == world.known[0]
    if world.asked:
        assert len(world.recorded) >= 2
        assert world.known[0].mean > 0
    assert bool(world.asked) == (budget >= (35 if not settings else 312))


def test_no_round_is_begun_whose_successors_could_not_be_tried(bench):
    world = bench(score, dev=20, reply_of=writing(), budget=20 + 34)  # 12 to expand, 20 for a full score, and 2
    assert [done.name for done in APO().search(world)] == ["self: the beam scored on all rows"]
    assert world.budget == 34


@pytest.mark.parametrize("budget", range(30, 130, 7))
def test_replies_asked_for_again_do_not_bring_the_search_to_an_end(bench, budget):
    write = writing()
    world = bench(
        score, dev=20, reply_of=lambda prompt, draw: "" if draw % 3 else write(prompt, draw), budget=20 + budget
    )
    rounds = list(APO().search(world))
    assert rounds[-1].best == world.known[0]


def test_all_of_the_last_beam_are_scored_on_all_rows_with_the_money_that_was_kept_for_it(bench):
    world = bench(score, dev=20, reply_of=writing(40, 50, 45, 60, 55), budget=20 + 80)
    rounds = list(APO(rounds=1, beam=2, expansion=SMALL, selector=Uniform()).search(world))
    first, second = rounds[1].proposed
    assert [found.candidate for found, *_ in world.recorded] == [world.student, first, second]
    assert rounds[2].proposed == (second,)


def test_a_budget_that_ends_in_the_middle_passes_on_and_what_was_scored_counts(bench):
    write = writing(40, 30, 20, 10, 5)

    def broke_in_the_second_round(prompt, draw):
        world.budget = world.budget if draw < 12 else min(world.budget, 3)
        return write(prompt, draw)

    world = bench(score, dev=20, reply_of=broke_in_the_second_round)
    with pytest.raises(BudgetSpent):
        list(APO(rounds=3, beam=2, expansion=SMALL).search(world))
    assert number(world.known[0].candidate) == 40


@pytest.mark.parametrize("dev", [20, 60])
@pytest.mark.parametrize("budget", [60, 100, 150, 300, 600, 1000, 3000])
def test_the_forecast_is_about_what_is_done_and_never_more_than_there_is(bench, dev, budget):
    def near(candidate, example):
        return float(fraction(candidate.digest, example.digest) < 0.2 + 0.6 * fraction(candidate.digest, "rate"))

    for settings in ({}, {"selector": SuccessiveRejects()}, {"selector": UCBE(), "predictions": 50}):
        world = bench(near, dev=dev, pool=200, reply_of=writing_many(), budget=budget + dev)
        forecast = APO(**settings).forecast(Sizes(pool=200, dev=dev, predictors=1, executions=budget))
        list(APO(**settings).search(world))
        assert forecast.asks + forecast.executions <= budget
        assert len(world.asked) == pytest.approx(forecast.asks, rel=0.4, abs=8)
        done = len(world.executed) - dev
        assert 0.6 * forecast.executions - 2 * dev <= done <= 1.1 * forecast.executions + dev


def test_with_more_money_than_it_can_use_the_forecast_says_what_it_uses(bench):
    def better(candidate, example):
        found = re.search(r"manner (\d+)", candidate.prompt("self").instruction)
        return 1 - 1 / (2 + int(found[1])) if found else 0.0

    world = bench(better, dev=10, pool=100, reply_of=writing_many())
    forecast = APO().forecast(Sizes(pool=100, dev=10, predictors=1, executions=10**6))
    list(APO().search(world))
    assert len(world.asked) == forecast.asks
    assert len(world.executed) == pytest.approx(forecast.executions, rel=0.2)


def test_the_forecast_says_what_will_be_done():
    forecast = APO().forecast(Sizes(pool=100, dev=20, predictors=1, executions=300))
    assert forecast.summary == (
        "APO: for the predictor up to 3 rounds with a beam of 1, expanded on 12 rows of the pool, "
        "3 successors each, selected on dev."
    )
    assert APO().forecast(Sizes(100, 20, 1, 0)).executions == 0
    assert APO().forecast(Sizes(100, 20, 1, 30)).executions == 0  # it pays for no round
    two = APO().forecast(Sizes(100, 20, 2, 600))
    assert (two.asks, two.executions) == (2 * forecast.asks, 2 * forecast.executions)


def test_the_forecast_knows_that_the_paraphrases_of_a_text_may_come_in_one_reply():
    sizes = Sizes(pool=100, dev=20, predictors=1, executions=10**5)
    assert APO.paper(writing=Writing(max_tokens=300)).forecast(sizes).reply_tokens == 600
    short = APO(expansion=Expansion(paraphrases=0), writing=Writing(max_tokens=300))
    assert short.forecast(sizes).reply_tokens == 300


def test_sizes_come_from_the_budget_and_what_is_given_stays():
    for executions, beam, minibatch in ((100, 1, 8), (300, 1, 12), (900, 2, 16), (3000, 4, 64)):
        summary = APO().forecast(Sizes(pool=100, dev=20, predictors=1, executions=executions)).summary
        assert f"beam of {beam}, expanded on {minibatch} rows" in summary
    summary = APO(beam=3, expansion=SMALL).forecast(Sizes(pool=100, dev=20, predictors=1, executions=900)).summary
    assert "beam of 3, expanded on 6 rows of the pool, 3 successors" in summary
