"""How instructions and their scores are shown."""

from __future__ import annotations

import re

import pytest

from burnish.teleprompters import OPRO
from burnish.teleprompters.base import Score
from burnish.teleprompters.opro_trajectory import Shown, Trajectory

from .world import requests, shown, writing


@pytest.fixture
def trajectory(make_student):
    """trajectory(shown, (text, mean), ...): instructions with their means, by which they are compared."""

    def build(shown, *scored, preference=lambda score: score.mean):
        built = Trajectory(shown, preference)
        built.extend([Score(make_student(text), (mean,) * 4, ("a", "b", "c", "d")) for text, mean in scored])
        return built

    return build


def means(trajectory):
    return [score.mean for score in trajectory.ascending()]


def test_scores_are_shown_as_whole_numbers_of_so_many_parts_or_with_three_digits(trajectory):
    scored = (("A.", 0.1234), ("B.", 0.5), ("C.", 0.8765))
    for buckets, expected in ((100, ["12", "50", "88"]), (20, ["2", "10", "18"]), (None, ["0.123", "0.5", "0.876"])):
        built = trajectory(Shown(buckets=buckets), *scored)
        assert shown(built.as_pairs("self")) == list(zip(["A.", "B.", "C."], expected, strict=True))
        assert re.findall(r"Precision: (\S+) <TEXT>(.*)</TEXT>", built.as_list("self")) == list(
            zip(expected, ["A.", "B.", "C."], strict=True)
        )
    assert "from 0 to 20" in trajectory(Shown(buckets=20), *scored).scale
    assert trajectory(Shown(buckets=None), *scored).scale == "A higher score is better."


def test_scores_that_are_no_shares_are_shown_as_they_are(trajectory):
    built = trajectory(Shown(), ("A.", -3.0), ("B.", 0.5), ("C.", 12.25))
    assert shown(built.as_pairs("self")) == [("A.", "-3"), ("B.", "0.5"), ("C.", "12.2")]
    assert built.scale == "A higher score is better."
    assert built.next_line == "Precision: 13 <TEXT>"  # more than any there is


def test_what_lies_below_the_threshold_is_left_out_of_the_best_and_nobody_takes_its_place(trajectory):
    scored = (("A.", 0.9), ("B.", 0.8), ("C.", 0.4), ("D.", 0.2))
    assert means(trajectory(Shown(threshold=0.3), *scored)) == [0.4, 0.8, 0.9]
    assert means(trajectory(Shown(instructions=2, threshold=0.3), *scored)) == [0.8, 0.9]
    # What is compared, with each other and with the threshold, is what they are worth.
    worth = {0.9: 0.1, 0.8: 0.7, 0.4: 0.6, 0.2: 0.2}
    short = trajectory(Shown(instructions=2, threshold=0.5), *scored, preference=lambda score: worth[score.mean])
    assert means(short) == [0.4, 0.8]


def test_a_threshold_above_all_scores_leaves_a_meta_prompt_without_instructions(bench):
    world = bench(dev=4, reply_of=writing(60, 70))
    list(OPRO(steps=1, proposals=2, shown=Shown(threshold=0.5)).search(world))
    assert shown(requests(world)[0]) == []
    assert "(none has been tried yet)" in requests(world)[0]


def test_of_equal_instructions_the_latest_are_shown_and_stand_last_and_the_first_is_the_best(trajectory):
    built = trajectory(Shown(instructions=2), ("A.", 0.5), ("B.", 0.5), ("C.", 0.5), ("D.", 0.1))
    assert [text for text, _ in shown(built.as_pairs("self"))] == ["B.", "C."]
    assert built.best.prompt("self").instruction == "A."


def test_an_empty_instruction_is_shown_as_none(bench, make_student):
    world = bench(dev=4, given=make_student(""), reply_of=writing(60))
    list(OPRO(steps=1, proposals=1).search(world))
    assert shown(requests(world)[0]) == [("(no instruction)", "0")]
