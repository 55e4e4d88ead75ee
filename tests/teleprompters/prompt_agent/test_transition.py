"""How a prompt becomes the next: the batch, the study of its errors, the rewrite."""

from __future__ import annotations

import re

from burnish.teleprompters.asking import Writing
from burnish.teleprompters.prompt_agent import PromptAgent

from .world import asked, number, quality, score, tree_of, writing


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
