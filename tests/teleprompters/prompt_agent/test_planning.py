"""Where rollouts and branches end, and the other ways to go through the tree."""

from __future__ import annotations

import re

import pytest

from burnish.teleprompters.base import Origin
from burnish.teleprompters.prompt_agent import PromptAgent
from burnish.teleprompters.prompt_agent_tree import Planning, Tree

from .world import asked, number, score, study, tree_of, writing

# Monte Carlo tree search


def test_a_rollout_ends_with_success_below_the_least_depth(bench):
    world = bench(score, dev=4, reply_of=writing(10, 20, 15, 30, 25, 40, 90))
    agent = PromptAgent(iterations=1, depth=6, width=2, planning=Planning(min_depth=2))
    list(agent.search(world))
    # Depth 1 and 2 are too shallow to stop at; at depth 3 the best so far is 0.30, and 0.40 beats it.
    assert tree_of(world)["rollouts"] == [[0, 2, 4, 6]]
    assert [node["terminal"] for node in tree_of(world)["nodes"]] == [""] * 7
    world = bench(score, dev=4, reply_of=writing(10, 20, 15, 30))
    list(PromptAgent(iterations=1, depth=6, width=2, planning=Planning(min_depth=1)).search(world))
    assert tree_of(world)["rollouts"] == [[0, 2, 4]]


def test_success_is_to_beat_everything_that_rollouts_have_come_through(bench):
    rewards = {0: 0.1, 1: 0.5, 2: 0.5, 3: 0.4, 4: 0.6}
    world = bench(lambda candidate, example: rewards.get(number(candidate), 0.9), dev=4, reply_of=writing())
    list(PromptAgent(iterations=1, depth=8, width=1, planning=Planning(min_depth=1)).search(world))
    assert [node["reward"] for node in tree_of(world)["nodes"]] == pytest.approx([0.1, 0.5, 0.5, 0.4, 0.6])


def test_a_prompt_below_the_mean_of_its_parent_and_the_root_is_pruned(bench):
    world = bench(score, dev=4, reply_of=writing(80, 30, 70, 35, 45, 36))
    agent = PromptAgent(iterations=6, depth=6, width=1, planning=Planning(0.5, "mean", 1))
    list(agent.search(world))
    first = tree_of(world)
    assert first["rollouts"] == [[0, 1, 2]]  # 0.30 < (0.80 + 0.00) / 2; nothing else is open, so the search ends
    assert [node["terminal"] for node in first["nodes"]] == ["", "", "pruned"]
    assert len(asked(world, "rewrite")) == 2


def test_nothing_is_made_from_a_finished_branch_and_it_costs_no_iteration(bench):
    world = bench(score, dev=4, reply_of=writing())
    rounds = list(PromptAgent(iterations=50, depth=2, width=2).search(world))
    # Root and both children are expanded, then every leaf stands at the depth limit.
    assert [done.name for done in rounds] == ["self: iteration 1", "self: iteration 2", "self: 0 scored on all rows"]
    assert [node["terminal"] for node in tree_of(world)["nodes"]] == ["", "", "", *["depth limit"] * 4]
    assert len(asked(world, "rewrite")) == 6


def test_a_prompt_of_which_nothing_can_be_made_gets_three_tries_and_stands_on_its_path_once(bench):
    world = bench(score, dev=4, reply_of=lambda prompt, draw: "" if "<instruction>" in prompt else study(prompt, draw))
    rounds = list(PromptAgent(iterations=5, width=2).search(world))
    tried = ["feedback"] * 2 + ["rewrite"] * 2 + ["rewrite, once more"] * 2
    assert [purpose for purpose, _ in world.asked] == 3 * tried
    assert [event for event, _ in world.events] == ["reply dropped"] * 6
    tree = tree_of(world)
    assert tree["rollouts"] == [[0], [0]]  # the first iteration tries twice: as an expansion and in the rollout
    assert (tree["nodes"][0]["visits"], tree["nodes"][0]["q"], tree["nodes"][0]["terminal"]) == (2, 0.0, "nothing new")
    assert rounds[-1].best.candidate == world.student


def fruitless(is_fruitless, *qualities):
    """As `writing`, but rewrites are empty where is_fruitless(number of the rewrite, instruction to be rewritten)."""
    write, count = writing(*qualities), 0

    def reply(prompt, draw):
        nonlocal count
        if "<instruction>" not in prompt:
            return study(prompt, draw)
        count += 1
        current = re.search(r"<current>\n(.*)\n</current>", prompt)[1]
        return "" if is_fruitless(count, current) else write(prompt, draw)

    return reply


def test_a_root_of_which_nothing_came_is_tried_again_on_other_rows_and_the_search_goes_on(bench):
    # An expansion has two rewrites, each asked for twice where it is empty: the first two expansions bring nothing.
    world = bench(score, dev=4, pool=30, reply_of=fruitless(lambda count, current: count <= 8, 40, 50, 60, 70))
    rounds = list(PromptAgent(iterations=2, depth=2, width=2).search(world))
    shown = [int(n) for text in asked(world, "feedback")[:6] for n in re.findall(r"Input: review (\d+)", text)]
    assert sorted(shown) == list(range(30))  # three expansions, of two batches of five rows each
    assert [number(candidate) for candidate in rounds[1].proposed] == [40, 50, 60, 70]
    assert tree_of(world)["nodes"][0]["terminal"] == ""
    assert number(rounds[-1].best.candidate) == 70


def test_a_prompt_that_is_given_up_leaves_what_others_have_found_below_it_open(bench, make_student):
    tree = Tree(make_student("Do 50."), 0.5, 2, Planning())
    for tries in range(3):
        assert tree.root.is_open, tries
        tree.note_barren(tree.root)
    assert (tree.root.end, tree.root.is_open) == ("nothing new", False)
    found = tree.add(tree.root, make_student("Do 40."), 0.4)
    assert tree.root.is_open
    assert tree.select() is found
    found.end = "depth limit"
    assert not tree.root.is_open


def test_where_nothing_comes_of_the_root_the_search_goes_on_from_what_others_have_found(bench, make_student):
    world = bench(score, dev=4, reply_of=fruitless(lambda count, current: current == "Do 50.", 60, 61, 62, 63))
    world.score([make_student("Do 50."), make_student("Do 40.")], origin=Origin("Other", "move"))
    rounds = list(PromptAgent(iterations=4, depth=2, width=2).search(world))
    nodes = tree_of(world)["nodes"]
    assert (nodes[0]["prompt"], nodes[0]["terminal"]) == ("Do 50.", "nothing new")
    assert {node["parent"] for node in nodes[3:]} == {1, 2}  # the two that stood below it from the start
    assert number(rounds[-1].best.candidate) == 63


# other strategies


def test_beam_expands_the_best_of_a_level_and_drops_their_parents(bench):
    world = bench(score, dev=4, reply_of=writing(40, 50, 45, 10, 20, 30, 35))
    rounds = list(PromptAgent(strategy="beam", depth=2, width=2, beam=2).search(world))
    versions = [re.findall(r"Version \d:\n(.*)", text)[1:] for text in asked(world, "rewrite")]
    assert versions == [[], [], ["Do 50."], ["Do 50."], ["Do 40."], ["Do 40."]]
    assert [done.name for done in rounds] == ["self: level 1", "self: level 2", "self: 0 scored on all rows"]
    assert number(rounds[-1].best.candidate) == 50  # the best of all, though every later level is worse
    assert tree_of(world)["rollouts"] == []


def test_greedy_is_a_beam_of_one(bench):
    world = bench(score, dev=4, reply_of=writing(40, 50, 10, 60, 10, 20))
    list(PromptAgent(strategy="greedy", depth=3, width=2, planning=Planning(min_depth=1)).search(world))
    assert {node["terminal"] for node in tree_of(world)["nodes"]} == {"", "depth limit"}  # only "mcts" prunes
    versions = [re.findall(r"Version \d:\n(.*)", text)[1:] for text in asked(world, "rewrite")]
    assert versions == [[], [], ["Do 50."], ["Do 50."], ["Do 50.", "Do 60."], ["Do 50.", "Do 60."]]


def test_out_of_a_beam_come_the_best_of_its_last_level_and_the_best_of_all(bench):
    world = bench(score, dev=30, reply_of=writing(40, 50, 45, 10, 20, 30))
    list(PromptAgent(strategy="beam", depth=2, width=2, beam=2, reward_rows=5, finalists=2).search(world))
    assert [number(found.candidate) for found, *_ in world.recorded[1:]] == [45, 50]


def test_monte_carlo_makes_everything_from_the_root(bench):
    world = bench(score, dev=4, reply_of=writing())
    rounds = list(PromptAgent(strategy="monte_carlo", iterations=3, width=2).search(world))
    assert {node["depth"] for node in tree_of(world)["nodes"][1:]} == {1}
    assert len(tree_of(world)["nodes"]) == 7
    assert number(rounds[-1].best.candidate) == 6
