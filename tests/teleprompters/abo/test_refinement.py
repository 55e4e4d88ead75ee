"""Which failures are examined, which step is found at fault, and how it is broken down."""

from __future__ import annotations

import re

import pytest

from burnish.teleprompters.abo import ABO
from burnish.teleprompters.asking import Writing
from burnish.teleprompters.base import Outcome

from .world import blame, by_count, kind, listed, obliging


def test_steps_that_make_no_error_are_not_refined(open_world):
    world = open_world(by_count(three=1.0))
    rounds = list(ABO(refinements=3, candidates=1, batch=4).search(world))
    assert len(rounds) == 1
    assert "no failures" in [event for event, _ in world.events]
    assert sum(example in world.pool for _, example in world.executed) == 4 * 4  # and three batches more to be sure


def test_failures_that_stand_only_in_the_last_batch_that_is_searched_for_them_are_examined(open_world):
    ran = []

    def score(candidate, example):
        if not listed(candidate) or example.place.startswith("row 1000"):
            return 0.0
        if example.place.startswith("row 10") and len(example.place) == len("row 1000"):
            return 0.4
        ran.append(example.place)
        return float(len(ran) <= 3 * 4)  # the pair's own batch, and two more without a failure

    world = open_world(score, pool=16)
    rounds = list(ABO(refinements=1, candidates=1, batch=4, failures=4).search(world))
    examined = [re.search(r"Input: (review \d+)", text)[1] for _, text in world.asked if kind(text) == "locate"]
    assert {f"row {name.split()[1]}" for name in examined} <= set(ran[12:16])
    assert len(examined) >= 3  # the row that is demonstrated may be among them
    assert "no failures" not in [event for event, _ in world.events]
    assert [done.name.split(":")[1].strip() for done in rounds] == ["steps", "refinement 1"]


def test_the_demonstrated_row_is_never_examined(open_world):
    world = open_world(by_count(three=0.4), pool=3)
    list(ABO(refinements=1, candidates=1).search(world))
    worked = re.search(r"Input: (review \d+)", world.asked[1][1])[1]
    examined = [re.search(r"Input: (review \d+)", text)[1] for _, text in world.asked if kind(text) == "locate"]
    assert len(examined) == 2
    assert worked not in examined


def test_reasons_that_repeat_earlier_ones_are_answered_by_other_failures_then_by_no_edit(open_world):
    def reply(prompt, draw):
        return blame(2, "It was not careful enough.") if kind(prompt) == "locate" else obliging(prompt, draw)

    world = open_world(by_count(three=0.4, four=0.3), reply_of=reply)
    rounds = list(ABO(refinements=3, candidates=1, batch=10, failures=3).search(world))
    purposes = [purpose for purpose, _ in world.asked]
    assert purposes.count("refinement") == 1
    assert purposes.count("location, other cases") == 3
    assert [event for event, _ in world.events].count("reflection repeated") == 6
    assert rounds[-1].name == "self: refinement 2: no pair"
    first = {text for purpose, text in world.asked if purpose == "location"}
    assert not first & {text for purpose, text in world.asked if purpose == "location, other cases"}


def test_where_there_are_no_other_failures_the_same_ones_are_asked_about_warmer(open_world):
    warmth = []

    def reply(prompt, draw):
        return blame(2, "It was not careful enough.") if kind(prompt) == "locate" else obliging(prompt, draw)

    world = open_world(by_count(three=0.4, four=0.3), pool=4, reply_of=reply)
    ask = world.ask

    def watched(requests, n=1, *, temperature=1.0, max_tokens=512, purpose):
        warmth.append((purpose, temperature))
        return ask(requests, n, temperature=temperature, max_tokens=max_tokens, purpose=purpose)

    world.ask = watched
    list(ABO(refinements=2, candidates=1, writing=Writing(temperature=0.5)).search(world))
    assert ("location, warmer", pytest.approx(0.8)) in warmth
    assert ("location", 0.5) in warmth


def test_steps_named_equally_often_are_taken_in_turn_by_the_pairs(open_world):
    votes = iter([3, 1, 3, 1] * 9)

    def reply(prompt, draw):
        if kind(prompt) == "locate":
            return blame(next(votes), f"Reason {draw} of its own.")
        return obliging(prompt, draw)

    world = open_world(by_count(three=0.4, four=0.6), reply_of=reply)
    list(ABO(refinements=1, candidates=2, batch=8, failures=4).search(world))
    asked = [re.search(r"Replace step (\d)", text)[1] for _, text in world.asked if kind(text) == "refine"]
    assert asked == ["1", "3"]


def test_replies_that_name_no_step_or_an_unknown_one_are_left_out_and_counted(open_world):
    replies = iter(
        ["", "no idea", blame(7, "Odd."), blame(0, "Odd."), blame(3, "Clear."), "still none", blame(1, "Ah.")]
    )

    def reply(prompt, draw):
        return next(replies) if kind(prompt) == "locate" else obliging(prompt, draw)

    world = open_world(by_count(three=0.4, four=0.6), reply_of=reply)
    list(ABO(refinements=1, candidates=1, batch=8, failures=5).search(world))
    events = [event for event, _ in world.events]
    assert events.count("unknown step") == 2
    assert events.count("reply dropped") == 1
    assert next(text for _, text in world.asked if kind(text) == "refine").count("- ") == 1  # a tie: the earlier step
    assert world.recorded[-1][1].detail["step"] == 1


def test_a_refinement_that_changes_other_steps_is_asked_for_once_more_and_never_run(open_world):
    def reply(prompt, draw):
        if kind(prompt) == "refine":
            return "<steps>\n1. Quite another beginning.\n2. Judge.\n3. Something else entirely.\n</steps>"
        return obliging(prompt, draw)

    world = open_world(by_count(three=0.4, four=0.6), reply_of=reply)
    rounds = list(ABO(refinements=1, candidates=1, batch=6).search(world))
    assert [purpose for purpose, _ in world.asked][-2:] == ["refinement", "refinement, once more"]
    assert rounds[-1].name == "self: refinement 1: no pair"
    assert len(world.recorded) == 2


def test_steps_that_were_reworded_on_the_side_get_their_old_text_back(open_world):
    def reply(prompt, draw):
        if kind(prompt) == "refine":
            return "1. Read it 1 now.\n2. List the words that judge.\n3. Weigh them.\n4. Then give the label."
        return obliging(prompt, draw)

    world = open_world(by_count(three=0.4, four=0.6), reply_of=reply)
    best = list(ABO(refinements=1, candidates=1, batch=6).search(world))[-1].best
    assert listed(best.candidate) == ["Read it 1.", "List the words that judge.", "Weigh them.", "Give the label."]
    assert ("steps put back", {"predictor": "self", "steps": 2}) in world.events


def test_steps_that_cannot_be_read_are_asked_for_once_more_and_then_dropped(bench):
    world = bench(lambda candidate, example: 0.5, reply_of=lambda prompt, draw: "Think.")
    rounds = list(ABO(candidates=2).search(world))
    # Three starts, and then it gives up.
    assert [purpose for purpose, _ in world.asked] == 3 * (["steps"] * 2 + ["steps, once more"] * 2)
    assert [event for event, _ in world.events] == ["reply dropped"] * 6
    assert [done.name for done in rounds] == ["self: steps: no pair"] * 3
    assert rounds[-1].best.candidate == world.student


def test_what_the_metric_says_of_a_failure_is_shown_where_it_is_located(open_world):
    world = open_world(by_count(three=0.4))
    world.predict = lambda candidate, examples: [
        Outcome(0.0, feedback="Too harsh by half.", trace=world.trace_of(candidate, row)) for row in examples
    ]
    list(ABO(refinements=1, candidates=1).search(world))
    located = [text for _, text in world.asked if kind(text) == "locate"]
    assert located
    assert all("Feedback: Too harsh by half." in text for text in located)


def test_from_the_threshold_on_an_execution_is_no_failure(open_world):
    world = open_world(by_count(three=0.4))
    rounds = list(ABO(refinements=2, candidates=1, threshold=0.4).search(world))
    assert len(rounds) == 1
