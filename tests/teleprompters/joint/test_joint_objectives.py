"""What ships where the search weighs costs beside the score."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from burnish.signatures.errors import BurnishError
from burnish.teleprompters.joint.objectives import Cost, PromptTokens
from burnish.teleprompters.joint.parts import changed
from burnish.teleprompters.token_cost import prompt_tokens

from .world import WritesFor, best, instructions, of_all, only, run


@pytest.fixture
def priced(bench, three, quality):
    """A world in which what each of three predictors gains makes its instruction longer."""
    return lambda **options: bench(of_all(quality), given=three, dev=20, budget=2000, **options)


def searches(three):
    return tuple(WritesFor(path) for path in three.predictors)


def test_what_ships_is_what_the_rule_picks_of_the_front(priced, three):
    world, shown = priced(), []

    def cheapest(points):
        shown.append(points)
        return min(points, key=lambda point: point.costs)

    run(only(*searches(three), objectives=(PromptTokens(),), rule=cheapest), world)
    front = shown[-1]
    assert world.chosen == min(front, key=lambda point: point.costs).score.candidate != best(world)
    assert world.kept["joint"]["front"] == [point.to_json() for point in front]
    assert world.kept["joint"]["objectives"] == [{"name": "PromptTokens", "unit": "tokens"}]
    costs = [prompt_tokens(score.candidate) for score in world.known]
    assert front[0].score.mean == world.known[0].mean
    assert min(point.costs[0] for point in front) == min(costs)


def test_without_objectives_the_best_ships_and_no_front_is_said(priced, three):
    world = priced()
    run(only(*searches(three)), world)
    assert world.chosen is None
    assert set(world.kept["joint"]) == {"portfolio", "parts"}


def test_the_parts_that_are_said_are_those_of_what_ships(priced, three):
    world = priced()
    run(only(*searches(three), objectives=(PromptTokens(),), rule=lambda points: points[-1]), world)
    said = {(part["predictor"], part["kind"]) for part in world.kept["joint"]["parts"]}
    assert said == {(slot.predictor, slot.kind) for slot in changed(three, world.chosen)}


def test_a_cost_of_ones_own_counts_like_any_other(priced, three):
    @dataclass(frozen=True)
    class Instructed(Cost):
        unit = "instructions"

        def of(self, bench, score):
            return float(sum(text.startswith("Do") for text in instructions(score.candidate)))

    world = priced()
    run(only(*searches(three), objectives=(Instructed(),), rule=lambda points: points[-1]), world)
    assert world.kept["joint"]["objectives"] == [{"name": "Instructed", "unit": "instructions"}]
    assert [point["costs"] for point in world.kept["joint"]["front"]] == [[3.0], [2.0], [1.0], [0.0]]
    assert world.chosen == three


@pytest.mark.parametrize("rule", [lambda points: None, lambda points: points])
def test_a_rule_that_picks_none_of_the_points_is_said_so(bench, writes, rule):
    with pytest.raises(BurnishError, match=r"Joint\(rule=...\) returned .* none of the points"):
        run(only(writes("Do 1."), objectives=(PromptTokens(),), rule=rule), bench(dev=20, budget=500))


def test_a_rule_that_raises_is_named(bench, writes):
    rule = lambda points: points[99]  # noqa: E731
    with pytest.raises(BurnishError, match=r"Joint\(rule=...\) raised IndexError"):
        run(only(writes("Do 1."), objectives=(PromptTokens(),), rule=rule), bench(dev=20, budget=500))
