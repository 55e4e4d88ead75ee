"""Where the instruction stands best."""

from __future__ import annotations

import re

import pytest

from burnish.signatures.prompt import POSITIONS
from burnish.teleprompters import OPRO
from burnish.teleprompters.opro_trajectory import where

from .world import START, number, quality, requests, shown, writing


def test_the_best_place_is_found_with_the_first_instruction_and_again_with_the_best(bench):
    """At the start the question's end is better, and with the instruction that is found the beginning is."""

    def placed(candidate, example):
        better = "question_begin" if number(candidate) == 60 else "question_end"
        return quality(candidate) + 0.05 * (candidate.prompt("self").position == better)

    world = bench(placed, dev=30, reply_of=writing(50, 60))
    search = OPRO(positions=("question_begin", "question_end"), steps=1, proposals=2, rows=6, finalists=1)
    rounds = list(search.search(world))
    tried = [(number(c), c.prompt("self").position) for c, example in world.executed if example in world.dev]
    assert tried == [
        *[(0, "system")] * 30,
        *[(0, "question_begin")] * 6,
        *[(0, "question_end")] * 6,
        *[(50, "question_end")] * 6,
        *[(60, "question_end")] * 6,
        *[(60, "question_end")] * 24,
        *[(60, "question_begin")] * 30,
    ]
    (request,) = requests(world)
    assert where("question_end") in request
    assert re.search(r"Input: review \d+\n<INS>\nOutput:", request)
    assert shown(request) == [(START, "5")]
    assert [candidate.prompt("self").position for candidate in rounds[0].proposed] == ["question_end"]
    best = rounds[-1].best.candidate
    assert (number(best), best.prompt("self").position) == (60, "question_begin")
    _, origin, parents = world.recorded[-1]
    assert (origin.teleprompter, origin.move) == ("OPRO", "position")
    assert [(number(parent), parent.prompt("self").position) for parent in parents] == [(60, "question_end")]


def test_an_instruction_that_is_best_where_it_was_moved_to_gets_a_full_score(bench, make_student):
    moved = make_student().with_prompt("self", position="question_end")

    def best_moved(candidate, example):
        return 0.9 if candidate == moved else quality(candidate)

    world = bench(best_moved, dev=30, reply_of=writing())
    rounds = list(OPRO(positions=("question_end",), steps=1, proposals=2, rows=6, finalists=1).search(world))
    assert rounds[-1].best.candidate == moved
    assert len(rounds[-1].best.values) == 30


def test_where_no_other_place_is_better_the_instruction_stays(bench):
    world = bench(dev=4, reply_of=writing())
    best = list(OPRO(positions=POSITIONS, steps=1, proposals=2).search(world))[-1].best.candidate
    assert best.prompt("self").position == "system"


@pytest.mark.parametrize("rows", [6, 20])
def test_money_for_the_places_is_kept_and_all_the_rest_goes_into_steps(bench, rows):
    search = OPRO(positions=("system", "question_end", "answer_begin"), proposals=1, rows=rows, finalists=1)
    world = bench(dev=20, reply_of=writing(), budget=20 + 400)
    list(search.search(world))
    best = number(world.known[0].candidate)
    places = {candidate.prompt("self").position for candidate, _ in world.executed if number(candidate) == best}
    assert places == {"system", "question_end", "answer_begin"}
    assert world.budget <= rows + 1
