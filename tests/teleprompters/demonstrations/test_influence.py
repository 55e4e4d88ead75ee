from __future__ import annotations

import hashlib

import pytest

from burnish.teleprompters.demonstrations.demonstrations import Demonstrations
from burnish.teleprompters.demonstrations.select.influence import Influence, sizes_of, wanted_runs
from burnish.teleprompters.demonstrations.supply import supply_of

USEFUL, HARMFUL = {2, 3, 10, 15}, {4, 7, 13}


def supply(world, k=4, money=10_000, predictor="self"):
    return supply_of(world, world.student, predictor, k=k, money=money)


def number(values):
    return int(values["review"].split()[1])


def numbers(chosen):
    return [number(shot.row.values) for shot in chosen.shots]


def fraction(*parts):
    return int(hashlib.sha256(repr(parts).encode()).hexdigest()[:8], 16) / 16**8


def planted(candidate, example, path="self"):
    """Right with a chance that useful demonstrations raise by 15 points each and harmful ones lower by as many."""
    shown = [number(demo.values) for demo in candidate.prompt(path).demos]
    chance = 0.5 + 0.15 * (len(USEFUL & set(shown)) - len(HARMFUL & set(shown)))
    return float(fraction(sorted(shown), example.digest) < chance)


@pytest.mark.parametrize("estimate", ["difference", "datamodel"])
def test_planted_useful_shots_are_chosen_and_harmful_ones_named(bench, estimate):
    world = bench(planted, dev=50)
    chosen = next(Influence(estimate=estimate).select(supply(world)))
    assert set(numbers(chosen)) == USEFUL
    assert all(why.startswith("influence +") for why in chosen.reasons)
    flagged = {detail["place"] for event, detail in world.events if event == "demonstration looks harmful"}
    assert flagged >= {f"row {n}" for n in HARMFUL}
    assert not flagged & {f"row {n}" for n in USEFUL}
    assert len(flagged) <= len(HARMFUL) + 5  # of 13 that are a little worse than the average
    assert len(world.executed) == 150 * 50 == wanted_runs(20, 4) * 50


def test_the_best_shot_stands_first(bench):
    effects = {2: 0.1, 3: 0.2, 10: 0.15, 15: 0.05}
    world = bench(lambda c, e: 0.3 + sum(effects.get(number(d.values), 0.0) for d in c.demos))
    chosen = next(Influence().select(supply(world)))
    assert numbers(chosen) == [3, 10, 2, 15]


def test_every_class_has_its_share(bench):
    world = bench(lambda c, e: 0.2 + 0.1 * sum(number(d.values) in {1, 3, 5, 7} for d in c.demos))
    assert sorted(n % 2 for n in numbers(next(Influence().select(supply(world))))) == [0, 0, 1, 1]


def test_after_the_lower_bounds_come_the_plain_means_and_the_best_random_set(bench):
    world = bench(planted, dev=50)
    sets = list(Influence(rows=10).select(supply(world)))
    assert len(sets) == 3
    assert "in the best of 150 random sets" in sets[-1].reasons[0]
    assert len(list(Influence(errors=0.0, rows=10).select(supply(world)))) == 2


def test_a_run_on_all_of_dev_is_a_candidate_that_says_where_it_comes_from(bench):
    world = bench(planted)
    given = {}
    plain = world.score
    world.score = lambda candidates, examples=None, **more: given.update(more) or plain(candidates, examples, **more)
    list(Influence(runs=5).select(supply(world)))
    assert given["origin"][0].detail["select"] == "Influence"
    assert given["parents"] == [world.student]


def test_with_little_money_fewer_shots_are_looked_at_and_with_none_chance_decides(bench):
    for money, executed in ((10_000, 1500), (600, 450), (300, 220), (100, 0), (0, 0)):
        world = bench(planted)
        sets = list(Influence().select(supply(world, money=money)))
        assert len(sets[0].shots) == 4
        assert len(world.executed) <= max(executed, 0.75 * money)
        if not executed:
            assert world.executed == []
            assert sets[0].reasons[0] == "drawn at random"


def test_sizes_give_each_shot_thirty_runs_where_money_allows_and_ten_at_least():
    plenty = sizes_of(60, 8, 50, 100_000, Influence())
    assert (plenty.shots, plenty.runs, plenty.rows) == (60, 225, 50)
    scarce = sizes_of(400, 8, 100, 3000, Influence())
    assert scarce.rows == 10
    assert scarce.runs == 300
    assert scarce.shots == 240
    assert sizes_of(400, 8, 100, 150, Influence()) is None
    asked = sizes_of(400, 8, 100, 10_000, Influence(runs=20, rows=30))
    assert (asked.shots, asked.runs, asked.rows) == (400, 20, 30)


def test_a_pool_that_is_one_set_is_given_back_for_nothing(bench):
    world = bench(planted, pool=4)
    (chosen,) = Influence().select(supply(world, k=8))
    assert len(chosen.shots) == 4
    assert world.executed == []


def test_free_text_and_one_class_alone_need_nothing_else(bench):
    for label in (lambda n: f"text {n}", lambda n: "positive"):
        world = bench(planted, dev=50, columns={"label": label})
        assert set(numbers(next(Influence().select(supply(world))))) == USEFUL


def test_predictors_have_influences_of_their_own(bench, make_student, step):
    given = make_student(find=(("review",), ("quote",)), judge=(("review", "quote"), ("label",)))
    world = bench(
        lambda c, e: 1.0 if e.place[4:].isdigit() and int(e.place[4:]) < 100 else planted(c, e, "find"),
        dev=50,
        given=given,
        trace_of=lambda c, e: (step("find", e.input_values, {"quote": f"quote of {e.values['review']}"}, "r"),),
    )
    chosen = next(Influence().select(supply(world, predictor="find", money=20_000)))
    assert len(set(numbers(chosen)) & USEFUL) == 4


def test_the_search_ends_with_the_planted_set(bench):
    world = bench(planted, dev=30, budget=8000)
    best = list(Demonstrations(select=Influence()).search(world))[-1].best
    shown = {number(demo.values) for demo in best.candidate.demos}
    assert len(shown & USEFUL) >= 3
    assert not shown & HARMFUL


@pytest.mark.parametrize(
    "wrong",
    [
        {"runs": 0},
        {"rows": 0},
        {"ridge": -1.0},
        {"errors": -1.0},
        {"harmful": float("nan")},
        {"estimate": "lasso"},
    ],
)
def test_nonsense_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Influence(**wrong)


def test_the_cost_is_an_upper_bound():
    assert Influence().cost(20, 4, 30) == 150 * 30
    assert Influence(runs=10, rows=5).cost(20, 4, 30) == 50
