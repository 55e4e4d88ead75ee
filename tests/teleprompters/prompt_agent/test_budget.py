"""What a budget buys, and what is left when it ends."""

from __future__ import annotations

import pytest

from burnish.signatures.errors import BudgetSpent
from burnish.teleprompters.base import Sizes
from burnish.teleprompters.prompt_agent import PromptAgent
from burnish.testing.conformance_world import fraction

from .world import number, quality, score, tree_of, writing


@pytest.mark.parametrize("strategy", ["mcts", "beam", "greedy", "monte_carlo"])
@pytest.mark.parametrize("budget", [1, 9, 12, 25, 40, 77, 150, 300, 1000])
def test_at_every_cut_off_the_best_full_score_is_left_and_money_for_one_is_kept(bench, strategy, budget):
    world = bench(score, dev=20, reply_of=writing(), budget=20 + budget)
    best = None
    for done in PromptAgent(strategy=strategy).search(world):  # never comes to the end of the budget by surprise
        best = done.best
    assert best is None or best == world.known[0]
    if budget >= 40:
        assert len(world.recorded) >= 2
        assert world.known[0].mean > 0


@pytest.mark.parametrize("budget", range(30, 130, 7))
def test_replies_asked_for_again_do_not_eat_the_money_for_a_full_score(bench, budget):
    def hardly_readable(prompt, draw):
        return "" if draw % 3 else writing(draw)(prompt, draw)

    world = bench(score, dev=20, reply_of=hardly_readable, budget=20 + budget)
    list(PromptAgent().search(world))
    assert len(world.recorded) >= 2 or len(tree_of(world)["nodes"]) == 1


def test_what_cannot_be_scored_any_more_is_left_out(bench):
    def once_unreadable(prompt, draw):
        return "" if draw == 1 else writing(draw)(prompt, draw)

    # The student's 4 rows; two batches of 5, two studies, two rewrites and 8 rewards, of which one call is lost.
    world = bench(score, dev=4, reply_of=once_unreadable, budget=4 + 2 * 11)
    list(PromptAgent(iterations=1, depth=1, width=2).search(world))
    assert len(tree_of(world)["nodes"]) == 2
    assert len(world.recorded) == 2


def test_batches_are_not_drawn_again_with_money_that_rewards_need(bench):
    def right_on_the_pool(candidate, example):
        return 1.0 if "100" not in example.place else quality(candidate)

    # The student's 4 rows; a batch of 5, a study, a rewrite and 4 rewards; and 7 more, for one batch drawn anew.
    world = bench(right_on_the_pool, dev=4, reply_of=writing(), budget=4 + 11 + 7)
    list(PromptAgent(iterations=1, depth=1, width=1, redraws=5).search(world))
    assert len(world.executed) == 4 + 5 + 5 + 4
    assert len(tree_of(world)["nodes"]) == 2


def test_a_budget_that_ends_in_the_middle_passes_on_and_what_was_scored_counts(bench):
    world = bench(score, dev=20, reply_of=writing(10, 20, 30, 40), budget=400)
    search = PromptAgent(iterations=3, depth=2, width=2, reward_rows=6, finalists=2).search(world)
    next(search)
    world.budget = 20
    with pytest.raises(BudgetSpent):
        list(search)
    assert number(world.known[0].candidate) == 40


@pytest.mark.parametrize("strategy", ["mcts", "beam", "greedy", "monte_carlo"])
@pytest.mark.parametrize("dev", [20, 60])
def test_the_forecast_is_about_what_is_done(bench, strategy, dev):
    def near(candidate, example):
        return float(fraction(candidate.digest, example.digest) < 0.3 + 0.5 * fraction(candidate.digest))

    for budget in (150, 300, 1000, 10_000):
        agent = PromptAgent(strategy=strategy)
        world = bench(near, dev=dev, pool=200, reply_of=writing(), budget=budget + dev)
        forecast = agent.forecast(Sizes(pool=200, dev=dev, predictors=1, executions=budget))
        list(agent.search(world))
        assert len(world.asked) == pytest.approx(forecast.asks, rel=0.15, abs=4)
        assert len(world.executed) - dev == pytest.approx(forecast.executions, rel=0.15, abs=2 * dev)
        assert f"about {forecast.asks // 2} prompts" in forecast.summary
        assert len(tree_of(world)["nodes"]) - 1 <= 50


def test_the_forecast_says_what_will_be_done():
    sizes = Sizes(pool=50, dev=60, predictors=1, executions=300)
    assert PromptAgent().forecast(sizes).summary == (
        "PromptAgent (mcts): about 10 prompts for the predictor, 2 to an expansion and at most 3 levels deep, "
        "scored on 17 rows of dev, the best 1 of them on all 60."
    )
    assert PromptAgent().forecast(Sizes(50, 60, 1, 0)).executions == 0
