from __future__ import annotations

import re

import pytest

from burnish.signatures.errors import BudgetSpent
from burnish.teleprompters import APE, IterativeAPE, Sizes


def value(candidate):
    found = re.search(r"Do (\d+)", candidate.prompt("self").instruction)
    return int(found[1]) if found else 0


def numbered(prompt, draw):
    return f"<instruction>Do {draw}.</instruction>"


def as_score(candidate, example):
    return value(candidate) / 1000


def test_survivors_are_reworded_and_race_beside_their_variants_on_fresh_rows(bench):
    world = bench(as_score, dev=20, reply_of=numbered)
    search = IterativeAPE(start=APE(candidates=6, each=6), survivors=2, variants=3, rounds=2, subset=5, finalists=2)
    rounds = list(search.search(world))
    assert [done.name for done in rounds] == [
        "self: 6 induced",
        "self: round 0, 6 on 5 rows",
        "self: round 1, 8 on 5 rows",
        "self: round 2, 8 on 5 rows",
        "self: 2 scored on all rows",
    ]
    assert [value(candidate) for candidate in rounds[1].proposed] == [1, 2, 3, 4, 5, 6]
    assert [value(candidate) for candidate in rounds[2].proposed] == [6, 5, 7, 8, 9, 10, 11, 12]
    assert [value(candidate) for candidate in rounds[3].proposed] == [12, 11, 13, 14, 15, 16, 17, 18]
    assert value(rounds[4].best.candidate) == 18

    # What the optimizer LM saw: the instruction of one survivor, three times each, and no scores or examples.
    resampled = [text for purpose, text in world.asked if purpose == "resample"]
    assert [re.search(r"Do \d+\.", text)[0] for text in resampled[:6]] == ["Do 6."] * 3 + ["Do 5."] * 3
    assert not any("review" in text for text in resampled)

    # Each round on rows that no earlier round used, the same for all arms.
    ran = world.executed[20:]
    parts = [ran[:30], ran[30 : 30 + 40], ran[70 : 70 + 40]]
    subsets = [{example.place for _, example in part} for part in parts]
    assert [len(subset) for subset in subsets] == [5, 5, 5]
    assert len(set.union(*subsets)) == 15

    _, origin, parents = world.recorded[1]
    assert (origin.teleprompter, origin.move) == ("IterativeAPE", "resample")
    assert value(parents[0]) == 11
    assert origin.detail["parent"] == parents[0].digest


def test_elitism_keeps_the_best_through_a_poor_round(bench):
    world = bench(lambda candidate, example: 1.0 if value(candidate) == 2 else 0.0, dev=10, reply_of=numbered)
    search = IterativeAPE(start=APE(candidates=4, each=4), survivors=2, variants=2, rounds=2, subset=5, finalists=1)
    assert value(list(search.search(world))[-1].best.candidate) == 2


def test_without_elitism_variants_alone_go_on_and_the_best_of_all_rounds_is_picked(bench):
    world = bench(lambda candidate, example: 1.0 if value(candidate) == 2 else 0.0, dev=10, reply_of=numbered)
    start = APE(candidates=4, each=4)
    search = IterativeAPE(start=start, survivors=2, variants=2, rounds=2, subset=5, finalists=1, elitism=False)
    rounds = list(search.search(world))
    assert [value(candidate) for candidate in rounds[2].proposed] == [5, 6, 7, 8]
    assert value(rounds[-1].best.candidate) == 2


def test_the_search_stops_when_no_variant_has_led_for_as_many_rounds_as_its_patience(bench):
    world = bench(lambda candidate, example: -float(value(candidate)), dev=10, reply_of=numbered)
    search = IterativeAPE(start=APE(candidates=4, each=4), survivors=2, variants=2, rounds=9, subset=5, patience=2)
    names = [done.name for done in search.search(world)]
    assert [name for name in names if "round" in name][-1].startswith("self: round 2")


def test_a_variant_that_only_draws_level_does_not_lead(bench):
    world = bench(lambda candidate, example: 0.5, dev=10, reply_of=numbered)
    search = IterativeAPE(start=APE(candidates=4, each=4), survivors=2, variants=2, rounds=9, subset=5, patience=1)
    names = [done.name for done in search.search(world)]
    assert [name for name in names if "round" in name][-1].startswith("self: round 1")


@pytest.mark.parametrize("budget", [1, 9, 30, 80, 200, 600])
def test_a_short_budget_leaves_out_rounds_not_the_full_scores(bench, budget):
    world = bench(as_score, dev=10, reply_of=numbered, budget=budget)
    cut = False
    try:
        rounds = list(IterativeAPE().search(world))
    except BudgetSpent:
        cut = True
    if budget >= 80:
        assert not cut
        assert value(rounds[-1].best.candidate) > 0


def test_the_forecast_is_near_what_the_search_does(bench):
    for budget in (150, 600, 10**6):
        world = bench(as_score, dev=30, reply_of=numbered, budget=budget + 30)
        forecast = IterativeAPE().forecast(Sizes(pool=20, dev=30, predictors=1, executions=budget))
        list(IterativeAPE().search(world))
        assert len(world.asked) <= forecast.asks + 10
        assert len(world.executed) - 30 <= min(budget, forecast.executions + 60)


def test_the_presets_have_the_published_sizes():
    reference = IterativeAPE.reference()
    assert (reference.start.candidates, reference.start.each, reference.start.examples) == (15, 3, 5)
    assert (reference.survivors, reference.variants, reference.rounds, reference.subset) == (5, 3, 8, 50)
    assert not reference.elitism
    assert (IterativeAPE.paper().start, IterativeAPE.paper().rounds) == (APE.paper(), 3)


@pytest.mark.parametrize("wrong", [{"survivors": 0}, {"rounds": 0}, {"metaprompt": "Again: {{text}}"}])
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match=r"IterativeAPE|instruction"):
        IterativeAPE(**wrong)
