"""Which rows are shown, and how."""

from __future__ import annotations

import random

import pytest

from burnish.signatures.prompt import POSITIONS
from burnish.signatures.schema import Field, Schema
from burnish.teleprompters import OPRO
from burnish.teleprompters.base import Score
from burnish.teleprompters.opro_trajectory import ExemplarChoice, Exemplars, Shown, Trajectory, exemplar, where

from .world import exemplars, number, quality, requests, writing


def searched_with(bench, rule, steps=4):
    world = bench(dev=4, pool=60, reply_of=writing())
    list(OPRO(steps=steps, proposals=1, exemplars=Exemplars(rule)).search(world))
    return [exemplars(request) for request in requests(world)]


def test_random_exemplars_are_others_at_every_step_and_the_same_in_every_run(bench):
    drawn = searched_with(bench, "random")
    assert len({tuple(rows) for rows in drawn}) == 4
    assert drawn == searched_with(bench, "random")


def test_constant_exemplars_are_the_same_at_every_step(bench):
    drawn = searched_with(bench, "constant")
    assert len(drawn) == 4
    assert len({tuple(rows) for rows in drawn}) == 1


@pytest.fixture
def choice(bench, make_student):
    """choice(rule, wrong, ...): exemplars of a search in which the nth instruction got the rows wrong[n] of the pool.

    Instructions are as good as their number says. Gives the world, the choice, and the trajectory.
    """

    def build(rule, wrong, *, shown=20, count=2):
        def right(candidate, example):
            return float(int(example.place.split()[-1]) not in wrong.get(number(candidate), ()))

        world = bench(right, pool=8)
        tried = [make_student(f"Do {n}.") for n in wrong]
        choice = ExemplarChoice(world, Exemplars(rule, count=count, rows=8), world.pool, world.rng("test"))
        choice.count(tried)
        trajectory = Trajectory(Shown(instructions=shown), lambda score: score.mean)
        trajectory.extend([Score(one, (quality(one),), ("a",)) for one in tried])
        return world, choice, trajectory

    return build


def chosen(choice, trajectory, draws=50):
    """What is chosen in many steps: row numbers, in the order shown."""
    picked = [choice.choose(trajectory, random.Random(f"step {n}")) for n in range(draws)]
    return [[int(row.place.split()[-1]) for row in rows] for rows in picked]


def test_most_often_wrong_are_truly_those_that_most_instructions_ever_got_wrong(choice):
    wrong = {10: {1, 2, 3}, 20: {1, 2, 4}, 30: {1, 2, 5}, 90: {1, 6}}
    for shown in (1, 20):  # also those that are shown no more count
        _, picks, trajectory = choice("most_often_wrong", wrong, shown=shown)
        assert chosen(picks, trajectory) == [[1, 2]] * 50


def test_currently_wrong_are_those_that_most_instructions_shown_got_wrong(choice):
    wrong = {10: {1, 2, 3}, 20: {1, 2, 4}, 30: {1, 2, 5}, 80: {6}, 90: {6, 7}}
    _, picks, trajectory = choice("currently_wrong", wrong, shown=2)
    assert chosen(picks, trajectory) == [[6, 7]] * 50


def test_rows_that_equally_many_got_wrong_are_chosen_at_random(choice):
    _, picks, trajectory = choice("currently_wrong", {10: {1, 2, 3, 4}, 20: {1, 2, 3, 4, 5}})
    drawn = chosen(picks, trajectory)
    assert {row for rows in drawn for row in rows} == {1, 2, 3, 4}
    assert len({frozenset(rows) for rows in drawn}) == 6  # every pair of the four


@pytest.mark.parametrize("rule", ["most_often_wrong", "currently_wrong"])
def test_where_fewer_are_wrong_than_wanted_these_are_shown_and_where_none_is_random_ones(choice, rule):
    _, picks, trajectory = choice(rule, {10: set(), 20: {5}}, count=3)
    assert chosen(picks, trajectory) == [[5]] * 50
    _, picks, trajectory = choice(rule, {10: set(), 20: set()}, count=3)
    drawn = chosen(picks, trajectory)
    assert {len(set(rows)) for rows in drawn} == {3}
    assert {row for rows in drawn for row in rows} == set(range(8))


@pytest.mark.parametrize("rule", ["most_often_wrong", "currently_wrong"])
def test_what_is_wrong_is_found_on_the_same_rows_of_the_pool_and_never_on_dev(bench, rule):
    def wrong(candidate, example):
        return quality(candidate) if example.place.startswith("row 100") else float(example.place != "row 7")

    world = bench(wrong, dev=4, pool=20, reply_of=writing(40, 50, 60, 70))
    list(OPRO(steps=2, proposals=2, exemplars=Exemplars(rule, rows=20)).search(world))
    assert [exemplars(request) for request in requests(world)] == [[7], [7]]
    watched = [(number(candidate), example.place) for candidate, example in world.executed if example in world.pool]
    assert sorted(watched) == sorted((n, f"row {row}") for n in (0, 40, 50, 60, 70) for row in range(20))
    assert not set(world.pool) & set(world.dev)


def test_only_so_many_rows_are_watched_and_a_score_below_the_threshold_is_wrong(bench):
    for threshold, all_wrong in ((0.5, False), (1.0, True)):
        world = bench(lambda candidate, example: 0.6, dev=4, pool=200, reply_of=writing())
        rule = Exemplars("most_often_wrong", rows=5, threshold=threshold)
        list(OPRO(steps=1, proposals=2, exemplars=rule).search(world))
        watched = [example.place for _, example in world.executed if example in world.pool]
        assert len(watched) == 3 * 5
        assert len(set(watched)) == 5
        assert ({f"row {n}" for n in exemplars(requests(world)[0])} <= set(watched)) == all_wrong


def test_a_meta_prompt_may_say_that_exemplars_are_errors_only_where_they_are(bench):
    text = "{{trajectory}} {{exemplars}} <errors>{{errors}}</errors>"
    for rule, says in (("random", False), ("constant", False), ("most_often_wrong", True), ("currently_wrong", True)):
        world = bench(dev=4, reply_of=writing())
        list(OPRO(steps=1, proposals=1, exemplars=Exemplars(rule), metaprompt=text).search(world))
        assert ("<errors></errors>" not in requests(world)[0]) == says


def test_exemplars_show_the_instruction_where_it_truly_stands():
    one = Schema((Field("review"),), (Field("label"),))
    values = {"review": "Good: very.", "label": "yes"}
    assert {position: exemplar(one, values, position) for position in POSITIONS} == {
        "system": "<INS>\nInput: Good: very.\nOutput: yes",
        "before_question": "<INS>\nInput: Good: very.\nOutput: yes",
        "question_begin": "Input: <INS>\nGood: very.\nOutput: yes",
        "question_end": "Input: Good: very.\n<INS>\nOutput: yes",
        "answer_begin": "Input: Good: very.\nOutput: <INS> yes",
    }
    two = Schema((Field("review"), Field("stars")), (Field("why"), Field("label")))
    values = {"review": "Good.", "stars": 5, "why": "So it says.", "label": "yes"}
    assert {position: exemplar(two, values, position) for position in POSITIONS[2:]} == {
        "question_begin": "Input: <INS>\nreview: Good.\nstars: 5\nOutput:\nwhy: So it says.\nlabel: yes",
        "question_end": "Input:\nreview: Good.\nstars: 5\n<INS>\nOutput:\nwhy: So it says.\nlabel: yes",
        "answer_begin": "Input:\nreview: Good.\nstars: 5\nOutput: <INS> why: So it says.\nlabel: yes",
    }


@pytest.mark.parametrize("style", ["chat", "instruction_tuned", "pretrained"])
def test_the_meta_prompt_says_where_the_instruction_stands(bench, make_student, style):
    assert len({where(position) for position in POSITIONS}) == len(POSITIONS)
    for position in POSITIONS:
        given = make_student().with_prompt("self", position=position)
        world = bench(dev=4, given=given, reply_of=writing())
        list(OPRO(steps=1, proposals=1, style=style).search(world))
        assert where(position) in requests(world)[0]
