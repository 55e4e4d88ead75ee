from __future__ import annotations

import json
import re

import pytest

from burnish.signatures.errors import BudgetSpent
from burnish.teleprompters.asking import Writing
from burnish.teleprompters.base import Origin, Sizes
from burnish.teleprompters.prompt_agent import PromptAgent
from burnish.teleprompters.prompt_agent_transition import PromptAgentMetaPrompts
from burnish.teleprompters.prompt_agent_tree import Planning, Tree
from burnish.teleprompters.token_cost import TokenCost
from burnish.testing import check_teleprompter
from burnish.testing.conformance_world import fraction, instruct

WORDS = ("order", "tone", "date", "amount", "sender", "clue", "rule", "label", "wording", "tie", "case", "form")


def quality(candidate, path="self"):
    """The number in an instruction "Do 42." in hundredths; the student's has none."""
    found = re.search(r"Do (\d+)", candidate.prompt(path).instruction)
    return int(found[1]) / 100 if found else 0.0


def number(candidate):
    return round(100 * quality(candidate))


def study(prompt, draw):
    """A reflection that says something else every time."""
    return f"Study {draw}: " + " ".join(WORDS[int(fraction(prompt, draw, n) * len(WORDS))] for n in range(20))


def writing(*qualities):
    """Replies: a study when asked for one, and "Do 42." with the next of these numbers for every rewrite."""
    left = iter(qualities or range(1, 100))

    def reply(prompt, draw):
        return f"<instruction>Do {next(left)}.</instruction>" if "<instruction>" in prompt else study(prompt, draw)

    return reply


def score(candidate, example):
    return quality(candidate)


def asked(world, purpose):
    return [text for what, text in world.asked if what == purpose]


def tree_of(world):
    return world.kept["prompt_agent_tree"]


# tree search as in the paper


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


# where rollouts and branches end


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


# the transition


def test_when_nothing_goes_wrong_batches_are_drawn_again_and_then_the_successes_are_studied(bench):
    def right_on_the_pool(candidate, example):
        return 1.0 if "100" not in example.place else quality(candidate)

    world = bench(right_on_the_pool, dev=4, reply_of=writing(40, 50))
    list(PromptAgent(iterations=1, depth=1, width=2, batch=3, redraws=2).search(world))
    assert sum("100" not in example.place for _, example in world.executed) == 18  # two batches, twice drawn anew
    assert [purpose for purpose, _ in world.asked] == ["ascend feedback"] * 2 + ["rewrite"] * 2
    assert all("got all of these cases right" in text for _, text in world.asked)
    assert {origin.detail["studied"] for _, origin, _ in world.recorded[1:]} == {"successes"}


def test_a_batch_drawn_anew_with_errors_in_it_is_studied_for_these_alone(bench):
    def one_is_wrong(candidate, example):
        return float(example.place != "row 7") if "100" not in example.place else quality(candidate)

    world = bench(one_is_wrong, dev=4, reply_of=writing(40, 50))
    list(PromptAgent(iterations=1, depth=1, width=1, batch=5, redraws=3).search(world))
    assert re.findall(r"Input: (.*)", asked(world, "feedback")[0]) == ["review 7"]
    assert "got these cases wrong" in asked(world, "rewrite")[0]


def test_threshold_says_from_which_score_a_case_is_right(bench):
    world = bench(lambda candidate, example: 0.6, dev=4, reply_of=writing())
    list(PromptAgent(iterations=1, depth=1, width=1, threshold=0.5).search(world))
    assert asked(world, "feedback") == []
    assert len(asked(world, "ascend feedback")) == 1


def test_no_edit_is_paid_for_a_reflection_that_repeats_an_earlier_one(bench):
    def reply(prompt, draw):
        return f"<instruction>Do {draw}.</instruction>" if "<instruction>" in prompt else "No rule for ties."

    world = bench(score, dev=4, reply_of=reply)
    list(PromptAgent(iterations=1, depth=2, width=3).search(world))
    purposes = [purpose for purpose, _ in world.asked]
    assert purposes[:6] == ["feedback"] * 3 + ["feedback, warmer"] * 2 + ["rewrite"]
    assert [event for event, _ in world.events].count("reflection repeated") == 2 * 2 + 2 * 3  # the child's too
    assert len(tree_of(world)["nodes"]) == 2


def test_several_prompts_to_a_batch_and_what_the_writer_settles_on(bench):
    both = "<instruction>Do 1.</instruction> or rather <instruction>Do 2.</instruction><instruction>Do 3.</instruction>"
    for prompts, made in ((1, [3]), (2, [2, 3])):
        world = bench(score, dev=4, reply_of=lambda prompt, draw: both if "<instruction>" in prompt else "Look again.")
        rounds = list(PromptAgent(iterations=1, depth=1, width=1, prompts=prompts).search(world))
        assert [number(candidate) for candidate in rounds[0].proposed] == made
        assert f"New instructions to write: {prompts}." in asked(world, "rewrite")[0]


def test_an_instruction_that_is_too_long_becomes_no_node(bench):
    world = bench(score, dev=4, reply_of=writing(7, 1234, 8))
    agent = PromptAgent(iterations=1, depth=1, width=3, writing=Writing(max_length=5))
    rounds = list(agent.search(world))
    assert [number(candidate) for candidate in rounds[0].proposed] == [7, 8]


def test_without_rows_to_learn_from_nothing_is_asked(bench):
    world = bench(score, dev=4, pool=0, reply_of=writing())
    rounds = list(PromptAgent(iterations=3).search(world))
    assert world.asked == []
    assert rounds[-1].best.candidate == world.student


def test_equal_rewrites_become_one_node(bench):
    world = bench(score, dev=4, reply_of=writing(5, 5, 5, 5, 6, 7))
    rounds = list(PromptAgent(iterations=1, depth=2, width=3).search(world))
    assert [number(candidate) for candidate in rounds[0].proposed] == [5, 6, 7]
    # What was made before is not made again below it, and every repetition is counted, also those in one batch.
    assert [node["prompt"] for node in tree_of(world)["nodes"]].count("Do 5.") == 1
    assert world.events == [("rejected", "duplicate")] * 3


# rewards, finalists and money


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


def test_the_presets_have_the_published_sizes():
    paper, reference = PromptAgent.paper(), PromptAgent.reference()
    assert (paper.iterations, paper.depth, paper.width, paper.batch, paper.prompts) == (12, 8, 3, 5, 1)
    assert (paper.reward_rows, paper.planning, paper.beam) == (150, Planning(2.5, "sum", 2), 3)
    assert (reference.iterations, reference.depth, reference.reward_rows) == (10, 5, 50)
    assert reference.planning == paper.planning
    assert paper.writing.temperature == 1.0
    assert PromptAgent.paper(strategy="beam", depth=4).depth == 4


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


# settings


def test_meta_prompts_of_ones_own_are_texts_or_files_and_part_of_the_settings(bench, tmp_path):
    path = tmp_path / "mine.md"
    path.write_text("Why? {{instruction}} {{cases}}", encoding="utf-8")
    texts = PromptAgentMetaPrompts(
        feedback=str(path), rewrite="Mend: {{instruction}} {{cases}} {{feedback}} {{path}} <instruction>"
    )
    agent = PromptAgent(iterations=1, depth=1, width=1, metaprompts=texts)
    world = bench(score, dev=4, reply_of=writing())
    list(agent.search(world))
    assert asked(world, "feedback")[0].startswith("Why? Classify the review. Case 1")
    assert asked(world, "rewrite")[0].startswith("Mend: Classify the review. Case 1")
    assert "Why? {{instruction}}" in json.dumps(agent.settings())
    for wrong in ({"feedback": "Why? {{instruction}}"}, {"rewrite": "Mend {{cases}}"}, {"ascend_rewrite": "no.md"}):
        with pytest.raises(ValueError, match="cases"):
            PromptAgentMetaPrompts(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"strategy": "dfs"},
        {"iterations": 0},
        {"depth": 0},
        {"width": 0},
        {"reward_rows": 0},
        {"batch": 0},
        {"finalists": 0},
        {"redraws": -1},
        {"threshold": float("nan")},
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match="PromptAgent"):
        PromptAgent(**wrong)


@pytest.mark.parametrize("wrong", [{"returns": "max"}, {"exploration": -1.0}, {"min_depth": -1}])
def test_planning_that_means_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match="Planning"):
        Planning(**wrong)


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
