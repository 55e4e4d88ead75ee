"""How many steps there are, and how bold each is."""

from __future__ import annotations

from burnish.teleprompters import OPRO, Sizes
from burnish.teleprompters.asking import Writing

from .world import writing


def test_the_temperature_goes_in_equal_steps_from_the_first_to_the_last(bench):
    for settings, expected in (
        ({"final_temperature": 1.5}, [0.5, 1.0, 1.5]),
        ({"final_temperature": 0.0}, [0.5, 0.25, 0.0]),
        ({}, [0.5] * 3),
    ):
        world = bench(dev=2, reply_of=writing())
        list(OPRO(steps=3, proposals=2, writing=Writing(temperature=0.5), **settings).search(world))
        assert world.temperatures == expected


def test_it_ends_when_so_many_steps_in_a_row_bring_nothing_better(bench):
    world = bench(dev=2, reply_of=writing(50, 40, 60, 60, 55, 60, 10, 90))
    rounds = list(OPRO(proposals=1, patience=3).search(world))
    assert [done.name for done in rounds][1:-1] == [
        "self: step 1, 1 on 2 rows",
        "self: step 2, 1 on 2 rows",
        "self: step 3, 1 on 2 rows",
        "self: step 4, 0 on 2 rows",
        "self: step 5, 1 on 2 rows",
        "self: step 6, 0 on 2 rows",
    ]
    assert world.events[-1] == ("stopped: the trajectory stagnates", {"predictor": "self"})


def test_without_patience_it_goes_on_to_the_last_step(bench):
    world = bench(lambda candidate, example: 0.5, dev=2, reply_of=writing())
    rounds = list(OPRO(steps=9, proposals=1, patience=None).search(world))
    assert len(rounds) == 1 + 9 + 1
    assert world.events == []


def test_what_repeated_proposals_leave_over_pays_for_more_steps_than_were_planned(bench):
    planned = OPRO(rows=10, proposals=2).forecast(Sizes(pool=20, dev=20, predictors=1, executions=300)).asks // 2

    def repeating(prompt, draw):
        return f"<instruction>Do {draw if draw % 4 == 0 else 1}.</instruction>"

    def steps(**settings):
        world = bench(dev=20, reply_of=repeating, budget=20 + 300)
        rounds = list(OPRO(rows=10, proposals=2, **settings).search(world))
        return sum(": step " in done.name for done in rounds), world

    made, world = steps(patience=None)
    assert made > 1.5 * planned
    # It ends when neither a step nor the full scores that money was kept for could be paid any more.
    assert world.budget < 2 * (1 + 10) + 10
    # Every second step brings something better, so patience does not end it sooner; and steps that are given are kept.
    assert steps(patience=3)[0] == made
    assert steps(patience=None, steps=planned)[0] == planned


def test_steps_beyond_those_planned_end_with_patience_and_keep_the_last_temperature(bench):
    world = bench(
        dev=20, reply_of=lambda prompt, draw: f"<instruction>Do {min(draw, 7)}.</instruction>", budget=20 + 60
    )
    opro = OPRO(rows=20, proposals=1, patience=5, final_temperature=0.0)
    assert opro.forecast(Sizes(pool=20, dev=20, predictors=1, executions=60)).asks == 2
    write = iter([7] * 99)
    world.reply_of = lambda prompt, draw: f"<instruction>Do {next(write)}.</instruction>"
    rounds = list(opro.search(world))
    assert sum(": step " in done.name for done in rounds) == 1 + 5
    assert world.events[-1] == ("stopped: the trajectory stagnates", {"predictor": "self"})
    assert world.temperatures == [1.0] + [0.0] * 5
