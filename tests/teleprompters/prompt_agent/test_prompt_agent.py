"""The search: a tree of prompts as in the paper, over all predictors, and beside other searches."""

from __future__ import annotations

import json
import re

import pytest

from burnish.teleprompters.base import Origin
from burnish.teleprompters.prompt_agent import PromptAgent
from burnish.teleprompters.prompt_agent_tree import Planning, Tree
from burnish.testing import check_teleprompter
from burnish.testing.conformance_world import instruct

from .world import asked, number, quality, score, study, tree_of, writing


def test_two_iterations_walk_as_in_the_paper_select_expand_simulate_back_propagate(bench):
    world = bench(score, dev=4, pool=18, reply_of=writing(40, 50, 45, 60, 55, 70, 30, 65))
    agent = PromptAgent(iterations=2, depth=3, width=2, batch=3, planning=Planning(2.5, "sum", 2))
    rounds = list(agent.search(world))

    # Expansion: two batches of three pool rows, on which the prompt is run; a study of each; a rewrite for each.
    studies, rewrites = asked(world, "feedback"), asked(world, "rewrite")
    assert [purpose for purpose, _ in world.asked] == ["feedback", "feedback", "rewrite", "rewrite"] * 4
    shown = [[int(n) for n in re.findall(r"Input: review (\d+)", text)] for text in studies]
    assert all(len(set(batch)) == 3 and max(batch) < 18 for batch in shown)  # the pool; dev starts at 1000
    assert sorted(n for batch in shown[:6] for n in batch) == list(range(18))  # all rows before any comes again
    assert [[int(n) for n in re.findall(r"Input: review (\d+)", text)] for text in rewrites] == shown

    # The rewrite is told the study and the prompts from the root to the node, in this order.
    for nth, text in enumerate(rewrites):
        assert f"Study {1 + 4 * (nth // 2) + nth % 2}:" in text
    versions = [re.findall(r"Version \d:\n(.*)", text) for text in rewrites]
    start = "Classify the review."
    assert versions == [
        *[[start]] * 2,  # iteration 1, expansion of the root,
        *[[start, "Do 50."]] * 2,  # of its better child,
        *[[start, "Do 50.", "Do 60."]] * 2,  # and of that one's better child,
        *[[start, "Do 50.", "Do 45."]] * 2,  # iteration 2: all below Do 60. is at the depth limit
    ]
    assert [re.search(r"<current>\n(.*)\n</current>", text)[1] for text in rewrites] == [path[-1] for path in versions]

    # Every new prompt is run on all reward rows, in the order of making.
    rewards = [(number(candidate), example.place) for candidate, example in world.executed if "100" in example.place]
    assert rewards == [(n, f"row {row}") for n in (0, 40, 50, 45, 60, 55, 70, 30, 65) for row in range(1000, 1004)]

    # Back-propagation: each node of the path gets the sum of the rewards from itself to the end.
    assert tree_of(world)["rollouts"] == [[0, 2, 4, 6], [0, 2, 3, 8]]
    nodes = tree_of(world)["nodes"]
    assert [node["visits"] for node in nodes] == [2, 0, 2, 1, 1, 0, 1, 0, 1]
    sums = {0: (1.8 + 1.6) / 2, 1: 0.4, 2: (1.8 + 1.6) / 2, 3: 0.45 + 0.65, 4: 0.6 + 0.7, 6: 0.7, 8: 0.65}
    assert {n: nodes[n]["q"] for n in sums} == pytest.approx(sums)

    # What comes out: the path with the highest mean reward, and the best prompt on it.
    assert number(rounds[-1].best.candidate) == 70
    assert [done.name for done in rounds] == ["self: iteration 1", "self: iteration 2", "self: 0 scored on all rows"]
    assert [number(candidate) for candidate in rounds[0].proposed] == [40, 50, 45, 60, 55, 70]
    _, origin, parents = next(record for record in world.recorded if number(record[0].candidate) == 70)
    assert (origin.teleprompter, origin.move, origin.detail["studied"]) == ("PromptAgent", "transition", "errors")
    assert origin.detail["rows"] == [world.pool[n].digest for n in shown[5]]
    assert [number(parent) for parent in parents] == [60]


def test_returns_as_means_are_on_the_scale_of_one_reward(bench):
    world = bench(score, dev=4, reply_of=writing(40, 50, 45, 60, 55, 70))
    list(PromptAgent(iterations=1, depth=3, width=2).search(world))
    means = {0: (0 + 0.5 + 0.6 + 0.7) / 4, 2: (0.5 + 0.6 + 0.7) / 3, 4: 0.65, 6: 0.7, 1: 0.4}
    assert {n: tree_of(world)["nodes"][n]["q"] for n in means} == pytest.approx(means)


def grown(make_student, planning, depth=8):
    """A root of 0.5 with children of 0.5 and 0.53, and the way down from the first."""
    tree = Tree(make_student("Do 50."), 0.5, depth, planning)
    left, right = (tree.add(tree.root, make_student(f"Do {n}."), n / 100) for n in (50, 53))
    below = tree.add(left, make_student("Do 51."), 0.51)
    tree.root.expanded = left.expanded = True
    return tree, left, right, below


def test_with_sums_a_visited_prompt_keeps_its_untried_sibling_out_and_with_means_it_does_not(make_student):
    for planning, chosen in ((Planning(2.5, "sum"), "Do 51."), (Planning(0.5, "mean"), "Do 53.")):
        tree, left, _, below = grown(make_student, planning)
        tree.back_propagate([tree.root, left, below])
        assert tree.select().candidate.prompt("self").instruction == chosen


def test_uct_weighs_how_seldom_a_prompt_was_visited(make_student):
    tree, left, right, below = grown(make_student, Planning(0.5, "mean"))
    for _ in range(3):
        tree.back_propagate([tree.root, right])
    assert tree.uct(right) == pytest.approx((0.53 + 0.5 * (1.386294 / 3) ** 0.5), abs=1e-6)  # ln 4
    assert tree.uct(left) == pytest.approx(0.5 + 0.5 * 1.386294**0.5, abs=1e-6)
    assert tree.select() is below


def test_what_comes_out_is_the_best_prompt_of_the_path_with_the_highest_mean(make_student):
    tree = Tree(make_student("Do 50."), 0.5, 8, Planning())
    high = tree.add(tree.root, make_student("Do 90."), 0.9)
    lower = tree.add(high, make_student("Do 60."), 0.6)
    low = tree.add(tree.root, make_student("Do 51."), 0.51)
    best = tree.add(tree.add(low, make_student("Do 52."), 0.52), make_student("Do 95."), 0.95)
    assert tree.best() is best  # no rollout yet: the best there is
    tree.back_propagate([tree.root, high, lower])  # mean 0.67; the other has the higher sum and the best prompt
    tree.back_propagate(tree.path(best))  # mean 0.62
    assert tree.best() is high


def test_predictors_are_taken_in_turn_and_the_study_sees_every_step(bench, make_student, step):
    given = make_student(find=(("review",), ("quote",)), judge=(("quote",), ("label",)))

    def trace(candidate, example):
        quote = f"quote of {example.values['review']}"
        return (
            step("find", example.input_values, {"quote": quote}, "r"),
            step("judge", {"quote": quote}, {"label": "positive"}, "r"),
        )

    world = bench(
        lambda candidate, example: (quality(candidate, "find") + quality(candidate, "judge")) / 2,
        dev=4,
        given=given,
        reply_of=writing(),
        trace_of=trace,
    )
    best = list(PromptAgent(iterations=1, depth=2, width=2).search(world))[-1].best.candidate
    assert [best.prompt(path).instruction for path in ("find", "judge")] == ["Do 4.", "Do 8."]
    first, later = asked(world, "feedback")[0], asked(world, "feedback")[-1]
    assert "by predictor find (the predictor whose instruction is to be improved)" in first
    assert "quote of review" in first
    assert "by predictor judge (the predictor whose instruction is to be improved)" in later
    while_judging = [c for c, _ in world.executed if c.prompt("judge").instruction.startswith("Do")]
    assert {candidate.prompt("find").instruction for candidate in while_judging} == {"Do 4."}
    assert set(world.kept) == {"prompt_agent_tree_find", "prompt_agent_tree_judge"}


def test_the_tree_is_kept_as_data_after_every_round(bench):
    world = bench(score, dev=4, reply_of=writing(40, 50))
    search = PromptAgent(iterations=3, depth=1, width=2).search(world)
    next(search)
    tree = json.loads(json.dumps(tree_of(world)))
    assert (tree["predictor"], tree["returns"], tree["exploration"]) == ("self", "mean", 0.5)
    assert tree["nodes"][2] == {
        "id": 2,
        "parent": 0,
        "depth": 1,
        "iteration": 1,
        "reward": 0.5,
        "visits": 1,
        "q": 0.5,
        "terminal": "depth limit",
        "prompt": "Do 50.",
        "feedback": study(asked(world, "feedback")[1], 2),
        "candidate": world.known[0].candidate.digest,
    }
    assert tree["rollouts"] == [[0, 2]]


# beside others


def test_it_starts_from_the_best_that_is_known_and_other_wordings_stand_below_it(bench, make_student):
    world = bench(score, dev=4, reply_of=writing(60, 61, 70, 71, 72, 73))
    found = [make_student(f"Do {n}.") for n in (40, 50)]
    world.score(found, origin=Origin("Other", "move"))
    list(PromptAgent(iterations=1, depth=2, width=2).search(world))
    tree = tree_of(world)["nodes"]
    assert [(node["prompt"], node["parent"], node["iteration"]) for node in tree[:4]] == [
        ("Do 50.", None, 0),
        ("Do 40.", 0, 0),
        ("Classify the review.", 0, 0),
        ("Do 60.", 0, 1),
    ]
    assert "<current>\nDo 50.\n</current>" in asked(world, "feedback")[0]
    reexecuted = [candidate for candidate, example in world.executed[12:] if "100" in example.place]
    assert not set(reexecuted) & {world.student, *found}


def test_what_others_find_while_it_is_paused_joins_the_tree_and_costs_nothing(bench, make_student):
    world = bench(score, dev=4, reply_of=writing())
    search = PromptAgent(iterations=2, depth=3, width=2).search(world)
    next(search)
    found = make_student("Do 99.")
    world.score([found], origin=Origin("Other", "move"))
    executed = len(world.executed)
    next(search)
    (node,) = [node for node in tree_of(world)["nodes"] if node["prompt"] == "Do 99."]
    assert (node["parent"], node["iteration"]) == (0, 2)
    assert found not in [candidate for candidate, example in world.executed[executed:] if example in world.dev]


@pytest.mark.parametrize("strategy", ["beam", "greedy"])
def test_what_others_find_between_two_levels_competes_with_the_beam_and_costs_nothing(bench, make_student, strategy):
    world = bench(score, dev=4, reply_of=writing())
    search = PromptAgent(strategy=strategy, depth=3, width=2).search(world)
    next(search)
    found = make_student("Do 90.")
    world.score([found], origin=Origin("Other", "move"))
    executed = len(world.executed)
    next(search)
    (node,) = [node for node in tree_of(world)["nodes"] if node["prompt"] == "Do 90."]
    assert (node["parent"], node["iteration"], node["reward"]) == (0, 2, pytest.approx(0.9))
    rewrites = len(asked(world, "rewrite"))
    next(search)
    assert re.findall(r"Version \d:\n(.*)", asked(world, "rewrite")[rewrites]) == ["Classify the review.", "Do 90."]
    assert found not in [candidate for candidate, example in world.executed[executed:] if example in world.dev]
    assert number(list(search)[-1].best.candidate) == 90


def test_monte_carlo_takes_up_what_others_find_between_two_iterations_and_it_costs_nothing(bench, make_student):
    world = bench(score, dev=4, reply_of=writing())
    search = PromptAgent(strategy="monte_carlo", iterations=3, width=2).search(world)
    next(search)
    found = make_student("Do 90.")
    world.score([found], origin=Origin("Other", "move"))
    executed = len(world.executed)
    list(search)
    (node,) = [node for node in tree_of(world)["nodes"] if node["prompt"] == "Do 90."]
    assert (node["parent"], node["iteration"]) == (0, 2)
    assert found not in [candidate for candidate, _ in world.executed[executed:]]


def test_it_can_be_closed_after_every_round(bench):
    for stop in (1, 2, 3):
        world = bench(score, dev=10, reply_of=writing())
        search = PromptAgent(iterations=3, depth=3, width=2).search(world)
        for _ in range(stop):
            done = next(search)
        calls = len(world.asked) + len(world.executed)
        search.close()
        assert len(world.asked) + len(world.executed) == calls
        assert done.best == world.known[0]


# conformance


def answering(prompt, draw):
    return instruct(prompt, draw) if "<instruction>" in prompt else study(prompt, draw)


@pytest.mark.slow
@pytest.mark.parametrize(
    "agent",
    [PromptAgent(), PromptAgent(strategy="beam", depth=3, width=2, reward_rows=6)],
    ids=lambda agent: agent.strategy,
)
def test_it_passes_the_conformance_suite_at_many_cut_offs(agent):
    limits = (1, 7, 20, 33, 47, 61, 75, 90, 110, 130, 150, 180, 210)
    check_teleprompter(agent, writer=answering, limits=limits)
