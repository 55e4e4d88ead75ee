from __future__ import annotations

from types import SimpleNamespace

import pytest

from burnish.teleprompters.base import Origin, Remaining, Workbench
from burnish.teleprompters.joint.arm_bench import ArmBench, Made

ORIGIN = Origin("test", "move")


@pytest.fixture
def arm(bench):
    """arm(...): an ArmBench on a world with 20 rows of dev, of which it sees the first 6; and what it noted."""

    def build(told=lambda: 25, name="OPRO", **options):
        world = bench(dev=20, **options)
        noted = []
        world.score([world.student])
        made = ArmBench(
            world,
            name,
            world.dev[:6],
            world.pool[:9],
            told,
            lambda: [world.score([world.student], world.dev[:6])[0]],
            noted.extend,
        )
        return made, world, noted

    return build


def told(world, *texts):
    return [world.student.with_prompt("self", instruction=text) for text in texts]


def test_it_is_a_workbench_in_all_that_a_search_may_ask_for(arm):
    names = {name for name in vars(Workbench) if not name.startswith("_")}
    made, _, _ = arm()
    assert {name for name in names if not hasattr(made, name)} == set()


def test_an_arm_sees_fewer_rows_and_they_are_what_it_scores_on(arm):
    made, world, noted = arm()
    (one,) = told(world, "Do 10.")
    (score,) = made.score([one])
    assert score.examples == tuple(row.digest for row in world.dev[:6])
    assert (len(made.pool), len(world.recorded)) == (9, 1)
    assert noted == [one]


def test_an_arm_is_told_that_it_has_what_it_is_to_have_and_never_more_than_is_left(arm):
    made, world, _ = arm(told=lambda: 25)
    world.budget = 101
    assert (made.remaining.calls, made.remaining.evaluations, made.remaining.expected) == (25, 25, 25)
    assert (made.remaining.tokens, made.remaining.usd) == (None, None)
    assert made.spent == world.spent
    for left in (10, 0):
        world.budget = left
        assert (made.remaining.calls, made.remaining.evaluations, made.remaining.expected) == (left, left, left)


def test_what_an_arm_is_told_is_asked_for_whenever_it_looks_and_is_the_same_in_all_currencies(arm):
    executions = iter((50, 10))
    made, _, _ = arm(told=lambda: next(executions))
    left = Remaining(calls=300, tokens=1000, usd=2.0, evaluations=120, expected=100)
    made.bench = SimpleNamespace(remaining=left)
    assert made.remaining == Remaining(calls=150, tokens=500, usd=1.0, evaluations=60, expected=50)
    assert made.remaining == Remaining(calls=30, tokens=100, usd=0.2, evaluations=12, expected=10)


def test_what_it_scored_on_all_its_rows_is_made_once_with_what_was_said_of_it(arm):
    made, world, _ = arm()
    first, second = told(world, "Do 1.", "Do 2.")
    made.score([first, world.student], origin=ORIGIN, parents=[world.student])
    made.score([first, second], made.dev, origin=[ORIGIN, Origin("test", "other")], parents=[first])
    assert list(made.taken()) == [
        Made(first, world.student, ORIGIN),
        Made(second, first, Origin("test", "other")),
    ]
    made.score([first, second])
    assert list(made.taken()) == []


def test_what_it_scored_on_a_part_of_its_rows_is_not_made(arm):
    made, world, noted = arm()
    made.score(told(world, "Do 1."), made.dev[:5])
    made.predict(told(world, "Do 2.")[0], made.dev)
    assert (list(made.taken()), noted) == ([], [])


def test_what_has_no_origin_is_the_arms(arm):
    made, world, _ = arm(name="Mine")
    made.score(told(world, "Do 1."))
    (one,) = made.taken()
    assert (one.origin, one.parent) == (Origin("Mine", "scored"), world.student)


def test_its_random_numbers_are_its_own(arm):
    first, again, other = (arm(name=name)[0].rng("draw").random() for name in ("OPRO", "OPRO", "OPRO 2"))
    assert first == again != other
    assert arm()[1].rng("draw").random() != first


def test_what_it_keeps_has_its_name_and_what_ships_is_not_its_to_decide(arm):
    made, world, _ = arm(name="OPRO 2")
    made.keep("opro_trajectory", [1])
    made.choose(world.student)
    assert world.kept == {"OPRO_2_opro_trajectory": [1]}
    assert world.chosen is None


def test_everything_else_is_the_benchs(arm):
    made, world, _ = arm(reply_of=lambda prompt, draw: "reply", embed_of=lambda text: [1.0])
    question = [{"role": "user", "content": "?"}]
    assert made.ask([question], purpose="test") == [["reply"]]
    assert made.admit(world.student, "self", ["Do 5.", ""]) == told(world, "Do 5.")
    assert made.bootstrap(world.student, world.pool[:2])[0].score == 0.0
    assert (made.embed(["a"]), made.encoder) == ([[1.0]], "fake-encoder")
    assert (made.student, made.task_lms, made.score_range) == (world.student, ("task",), (0.0, 1.0))
    made.log("event", detail=1)
    assert world.events[-1] == ("event", {"detail": 1})
