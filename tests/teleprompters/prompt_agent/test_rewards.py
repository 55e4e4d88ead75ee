"""What prompts are compared by, and which of them get full scores."""

from __future__ import annotations

import re

import pytest

from burnish.teleprompters.asking import Writing
from burnish.teleprompters.prompt_agent import PromptAgent
from burnish.teleprompters.token_cost import TokenCost

from .world import asked, number, score, study, tree_of, writing


def test_where_rewards_are_of_a_part_of_dev_the_finalists_get_full_scores(bench):
    world = bench(score, dev=30, reply_of=writing(40, 50, 60, 70, 10, 20))
    agent = PromptAgent(iterations=2, depth=2, width=2, reward_rows=6, finalists=2)
    rounds = list(agent.search(world))
    ran = [(number(candidate), example.place) for candidate, example in world.executed if "10" in example.place[4:6]]
    rewarded = {place for n, place in ran if n == 40}
    assert len(rewarded) == 6
    assert {place for n, place in ran if n == 50} == rewarded  # the same sample for all
    assert [(number(found.candidate), len(found.values)) for found, *_ in world.recorded[1:]] == [(70, 30), (60, 30)]
    assert rounds[-1].name == "self: 2 scored on all rows"
    _, origin, parents = world.recorded[1]
    assert (origin.teleprompter, origin.move) == ("PromptAgent", "transition")
    assert [number(parent) for parent in parents] == [50]


def test_the_first_finalist_comes_from_the_best_path_whatever_stands_elsewhere(bench):
    world = bench(score, dev=30, reply_of=writing(40, 50, 10, 60, 20, 65))
    list(PromptAgent(iterations=2, depth=2, width=2, reward_rows=6, finalists=2).search(world))
    assert [number(found.candidate) for found, *_ in world.recorded[1:]] == [60, 65]


def test_money_that_is_left_in_the_end_pays_for_more_finalists(bench):
    agent = PromptAgent(iterations=1, depth=1, width=4, reward_rows=6, finalists=3)
    assert agent.shape(200, 30).finalists == 1
    world = bench(score, dev=30, reply_of=writing(40, 50, 60, 70), budget=230)
    list(agent.search(world))
    assert [number(found.candidate) for found, *_ in world.recorded[1:]] == [70, 60, 50]


def test_a_penalty_for_length_counts_in_the_rewards_and_the_writer_is_told_the_price(bench):
    cost = TokenCost(usd_per_million=0.5, penalty=0.1)
    long = "Do 50. " + "Mind every word of it. " * 20

    def reply(prompt, draw):
        text = {3: long, 4: "Do 45."}.get(draw, f"Do {draw}.")
        return f"<instruction>{text}</instruction>" if "<instruction>" in prompt else study(prompt, draw)

    world = bench(score, dev=4, reply_of=reply)
    agent = PromptAgent(iterations=1, depth=2, width=2, writing=Writing(token_cost=cost))
    list(agent.search(world))
    assert "a prompt token costs $0.00000050" in asked(world, "rewrite")[0]
    assert tree_of(world)["nodes"][1]["reward"] == pytest.approx(cost.value(world.known[0]))
    assert re.findall(r"Version \d:\n(.*)", asked(world, "rewrite")[2])[1] == "Do 45."


def test_the_best_by_preference_is_the_best_that_rounds_name(bench):
    long = "Do 50. " + "Mind every word of it. " * 20

    def reply(prompt, draw):
        text = {3: long, 4: "Do 45."}.get(draw, f"Do {draw}.")
        return f"<instruction>{text}</instruction>" if "<instruction>" in prompt else study(prompt, draw)

    cost = TokenCost(usd_per_million=0.5, penalty=0.1)
    for reward_rows in (None, 2):
        agent = PromptAgent(iterations=1, depth=1, width=2, reward_rows=reward_rows, writing=Writing(token_cost=cost))
        world = bench(score, dev=4, reply_of=reply, preference=agent.preference)
        rounds = list(agent.search(world))
        assert [number(done.best.candidate) for done in rounds] == ([45, 45] if reward_rows is None else [0, 45])
        assert number(world.known[0].candidate) == 45
        assert max(score.mean for score in world.known) == pytest.approx(0.5)
