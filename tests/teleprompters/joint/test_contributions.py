from __future__ import annotations

import pytest

from burnish.signatures.errors import BudgetSpent
from burnish.signatures.prompt import Demo
from burnish.teleprompters.joint.contributions import TakenApart
from burnish.teleprompters.joint.parts import Pools, changed, parts_of
from burnish.teleprompters.token_cost import prompt_tokens


def taken_apart(bench, pools, shipping):
    """What is said at first, and after each part that is taken out."""
    apart = TakenApart(bench, pools, shipping)
    yield apart.to_json()
    for _ in apart.out():
        yield apart.to_json()


@pytest.fixture
def apart(bench, three):
    """apart(worth, changes by predictor): what is found of the student with these changes, after each score; the world.

    worth: of a part by predictor and kind. Of equal scores the shorter is the best, as on the real bench.
    """

    def build(worth, left=1000, **changes):
        def score_of(candidate, example):
            parts = [(slot.predictor, slot.kind) for slot in changed(three, candidate)]
            return worth(parts) if callable(worth) else 0.2 + sum(worth.get(part, 0.0) for part in parts)

        world = bench(
            score_of, given=three, dev=10, preference=lambda score: score.mean - prompt_tokens(score.candidate) / 1e9
        )
        best = three
        for path, change in changes.items():
            best = best.with_prompt(path, **change)
        world.score([three, best])
        pools = Pools(three)
        pools.add(parts_of(best), "writer")
        world.budget = left
        return list(taken_apart(world, pools, lambda: world.known[0])), world

    return build


def brought(found):
    return {
        (one["predictor"], one["kind"]): None if one["without"] is None else round(one["with"] - one["without"], 6)
        for one in found
    }


def test_each_part_of_each_predictor_is_taken_out_once_and_says_what_it_brought_and_who_brought_it(apart):
    worth = {("find", "instruction"): 0.3, ("judge", "instruction"): 0.2, ("say", "format"): 0.1}
    stages, world = apart(worth, find={"instruction": "A."}, judge={"instruction": "B."}, say={"format": "plain"})
    assert brought(stages[-1]) == worth
    assert {one["source"] for one in stages[-1]} == {"writer"}
    assert len(world.recorded) == 2 + 3
    assert {origin.move for _, origin, _ in world.recorded[2:]} == {"taken out"}


def test_a_part_that_brings_nothing_is_left_out_of_the_best_where_that_makes_it_shorter(apart):
    demos = (Demo.of({"review": "Good.", "label": "positive"}),)
    worth = {("find", "instruction"): 0.3}
    stages, world = apart(worth, find={"instruction": "A."}, judge={"demos": demos})
    assert brought(stages[-1]) == worth
    assert world.known[0].candidate.demos == ()


def test_a_part_that_harms_is_found_out_and_left_out(apart):
    worth = {("find", "instruction"): 0.3, ("judge", "instruction"): -0.1}
    stages, world = apart(worth, find={"instruction": "A."}, judge={"instruction": "B."})
    assert brought(stages[-1]) == {("find", "instruction"): 0.3}
    assert world.known[0].mean == pytest.approx(0.5)


def test_parts_that_only_work_together_are_each_worth_what_both_bring(apart):
    both = {("find", "instruction"), ("judge", "instruction")}
    stages, _ = apart(
        lambda parts: 0.2 + 0.5 * (both <= set(parts)), find={"instruction": "A."}, judge={"instruction": "B."}
    )
    assert brought(stages[-1]) == dict.fromkeys(both, 0.5)


def test_as_far_as_the_money_goes_parts_are_taken_out_and_the_others_are_said_without_a_number(apart):
    changes = {path: {"instruction": f"For {path}."} for path in ("find", "judge", "say")}
    worth = {(path, "instruction"): 0.1 for path in changes}
    stages, world = apart(worth, left=15, **changes)
    assert sorted(brought(stages[-1]).values(), key=str) == [0.1, None, None]
    assert world.budget == 5


def test_all_parts_are_said_before_anything_is_paid_for_and_one_more_number_after_each_score(apart):
    worth = {(path, "instruction"): 0.1 for path in ("find", "judge", "say")}
    stages, _ = apart(worth, **{path: {"instruction": f"For {path}."} for path, _ in worth})
    assert [set(brought(found)) for found in stages] == [set(worth)] * 4
    assert [sum(number is not None for number in brought(found).values()) for found in stages] == [0, 1, 2, 3]


def test_a_budget_that_ends_early_loses_nothing_that_was_said(bench, three):
    best = three.with_prompt("find", instruction="A.").with_prompt("judge", instruction="B.")
    world = bench(lambda candidate, example: 0.2 + 0.3 * (candidate == best), given=three, dev=10)
    world.score([three, best])
    found = taken_apart(world, Pools(three), lambda: world.known[0])
    assert brought(next(found)) == dict.fromkeys([("find", "instruction"), ("judge", "instruction")])
    said = next(found)
    world.score = spent
    with pytest.raises(BudgetSpent):
        next(found)
    assert sorted(brought(said).values(), key=str) == [0.3, None]


def spent(*_, **__):
    raise BudgetSpent


def test_what_is_taken_apart_is_what_ships_which_need_not_be_the_best(bench, three):
    cheap = three.with_prompt("say", instruction="A.")
    best = cheap.with_prompt("find", instruction="B.")
    worth = {three: 0.2, cheap: 0.5, best: 0.6}
    world = bench(lambda candidate, example: worth[candidate], given=three, dev=10)
    world.score([three, cheap, best])
    shipping = lambda: next(score for score in world.known if score.candidate == cheap)  # noqa: E731
    *_, found = taken_apart(world, Pools(three), shipping)
    assert brought(found) == {("say", "instruction"): 0.3}


def test_of_the_student_there_is_nothing_to_take_out(apart):
    stages, world = apart({})
    assert (stages, len(world.recorded)) == ([[]], 1)


def test_a_part_that_the_others_cannot_do_without_is_said_without_a_number(bench, make_student):
    student = make_student().with_prompt("self", format="chat")
    best = student.with_prompt("self", instruction="Write [[ ## label ## ]] first.", format="plain")
    world = bench(lambda candidate, example: float(candidate == best), given=student, dev=6)
    world.score([student, best])
    pools = Pools(student)
    pools.add(parts_of(best), "writer")
    *_, found = taken_apart(world, pools, lambda: world.known[0])
    assert brought(found) == {("self", "instruction"): 1.0, ("self", "format"): None}
