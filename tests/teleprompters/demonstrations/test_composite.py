from __future__ import annotations

import hashlib
import re

import pytest

from burnish.teleprompters.demonstrations.demonstrations import Demonstrations
from burnish.teleprompters.demonstrations.select.composite import Composite, Weights
from burnish.teleprompters.demonstrations.supply import supply_of

USEFUL = {2, 3, 10, 15}


def supply(world, k=4, money=20_000, predictor="self"):
    return supply_of(world, world.student, predictor, k=k, money=money)


def number(values):
    return int(re.search(r"review (\d+)", values["review"])[1])


def numbers(chosen):
    return [number(shot.row.values) for shot in chosen.shots]


def fraction(*parts):
    return int(hashlib.sha256(repr(parts).encode()).hexdigest()[:8], 16) / 16**8


def planted(candidate, example):
    shown = {number(demo.values) for demo in candidate.prompt(candidate.predictors[0]).demos}
    return float(fraction(sorted(shown), example.digest) < 0.3 + 0.17 * len(USEFUL & shown))


def unsure(rows):
    """The program's samples disagree on these rows."""

    def outputs(candidate, example):
        seed = candidate["self"].settings.params.get("seed", 0)
        return {"label": "positive" if number(example.values) not in rows or seed % 2 else "negative"}

    return outputs


def only(**weights):
    return Composite(weights=Weights(**weights))


def test_with_one_weight_it_chooses_as_that_signal_alone(bench):
    columns = {"review": lambda n: f"review {n} " + "word " * n}
    world = bench(planted, dev=40, outputs_of=unsure({1, 4, 8, 17}), columns=columns)
    world.text_logprob_of = lambda prompt, text: [-2.0 + 0.01 * int(re.search(r"review (\d+)", text)[1])]
    assert set(numbers(next(only(influence=1.0).select(supply(world))))) == USEFUL
    assert set(numbers(next(only(doubt=1.0).select(supply(world))))) == {1, 4, 8, 17}
    assert numbers(next(only(brevity=1.0).select(supply(world)))) == [0, 1, 2, 3]
    assert numbers(next(only(brevity=-1.0).select(supply(world)))) == [19, 18, 17, 16]
    assert numbers(next(only(fluency=2.0).select(supply(world)))) == [19, 18, 17, 16]


def test_one_shot_information_is_one_of_the_signals(bench):
    def helped(candidate, example):
        shown = {number(demo.values) for demo in candidate.demos}
        return float(bool(USEFUL & shown) and number(example.values) % 2)

    world = bench(helped)
    assert set(numbers(next(only(information=1.0).select(supply(world))))) == USEFUL


def test_nearness_prefers_what_is_like_the_rest(bench):
    world = bench(planted, embed_of=lambda text: [1.0, 0.0] if int(text.split()[1]) > 3 else [0.0, 1.0])
    assert min(numbers(next(only(nearness=1.0).select(supply(world))))) > 3
    assert max(numbers(next(only(nearness=-1.0).select(supply(world))))) <= 3


def test_the_sum_is_of_z_scores_times_weights(bench):
    columns = {"review": lambda n: f"review {n} " + "word " * (n % 7)}
    world = bench(planted, outputs_of=unsure({1, 4, 8, 17}), columns=columns)
    chosen = next(Composite(weights=Weights(doubt=0.5, brevity=2.0)).select(supply(world)))
    for why in chosen.reasons:
        whole, doubt, brevity = (
            float(re.search(rf"{name} ([+-][\d.]+)", why)[1]) for name in ("all", "doubt", "brevity")
        )
        assert whole == pytest.approx(doubt + brevity, abs=0.011)
    lengths = {n: len(f"Input: review {n} " + "word " * (n % 7)) for n in range(20)}
    assert max(lengths[n] for n in numbers(chosen)) <= sorted(lengths.values())[8]


def test_without_weights_several_weightings_that_sum_to_one_are_tried_on_dev(bench):
    world = bench(planted, dev=30, outputs_of=unsure({1, 4, 8, 17}))
    sets = list(Composite(sets=12).select(supply(world)))
    weightings = [detail["weights"] for event, detail in world.events if event == "weights of signals"]
    assert len(sets) == len(weightings) == len({frozenset(numbers(chosen)) for chosen in sets}) > 3
    assert len(set(weightings[0].values())) == 1
    assert all(sum(weights.values()) == pytest.approx(1) and min(weights.values()) > 0 for weights in weightings)
    again = bench(planted, dev=30, outputs_of=unsure({1, 4, 8, 17}))
    assert [numbers(chosen) for chosen in Composite(sets=12).select(supply(again))] == [*map(numbers, sets)]


def test_a_signal_that_cannot_be_had_drops_out_with_a_word_in_the_log(bench):
    world = bench(planted, dev=30, outputs_of=unsure({1, 4}))
    list(Composite().select(supply(world)))
    left_out = {detail["signal"]: detail["reason"] for event, detail in world.events if event == "signal left out"}
    assert set(left_out) == {"fluency"}
    assert "no log-probabilities" in left_out["fluency"]


def test_without_money_the_signals_that_cost_nothing_are_left(bench):
    world = bench(planted)
    sets = list(Composite().select(supply(world, money=0)))
    assert sets
    assert world.executed == []
    left_out = {detail["signal"] for event, detail in world.events if event == "signal left out"}
    assert left_out == {"influence", "fluency", "information", "doubt"}
    (chosen,) = only(influence=1.0).select(supply(world, money=0))
    assert chosen.reasons[0] == "drawn at random"


def test_it_spends_no_more_than_it_is_given(bench):
    for money in (100, 700, 3000, 20_000):
        world = bench(planted, dev=40, outputs_of=unsure({1, 4}))
        assert list(Composite().select(supply(world, money=money)))
        assert 10**6 - world.budget <= money
    assert 10**6 - world.budget <= Composite().cost(20, 4, 40)


def test_a_pool_that_is_one_set_is_given_back_for_nothing(bench):
    world = bench(planted, pool=4)
    (chosen,) = Composite().select(supply(world, k=8))
    assert len(chosen.shots) == 4
    assert world.executed == []


def test_free_text_and_one_class_alone_need_nothing_else(bench):
    for label in (lambda n: f"text {n}", lambda n: "positive"):
        world = bench(planted, dev=40, columns={"label": label}, outputs_of=unsure({1, 4}))
        assert set(numbers(next(only(influence=1.0).select(supply(world))))) == USEFUL
        assert list(Composite().select(supply(world)))


def test_predictors_inside_are_measured_by_what_the_program_does(bench, make_student, step):
    given = make_student(find=(("review",), ("quote",)), judge=(("review", "quote"), ("label",)))
    world = bench(
        lambda c, e: 1.0 if number(e.values) < 1000 else planted(c, e),
        dev=40,
        given=given,
        trace_of=lambda c, e: (step("find", e.input_values, {"quote": f"quote of {e.values['review']}"}, "r"),),
        outputs_of=lambda c, e: {"label": "positive"},
    )
    assert set(numbers(next(only(influence=1.0).select(supply(world, predictor="find"))))) == USEFUL
    assert list(Composite().select(supply(world, predictor="find")))


def test_dev_tunes_the_weights(bench):
    world = bench(planted, dev=40, outputs_of=unsure({1, 4, 8, 17}), budget=12_000)
    best = list(Demonstrations(select=Composite(sets=20)).search(world))[-1].best
    assert len({number(demo.values) for demo in best.candidate.demos} & USEFUL) >= 2


@pytest.mark.parametrize(
    "wrong",
    [{"sets": 0}, {"shots": 0}, {"by": "dice"}, {"weights": Weights()}, {"weights": Weights(influence=float("nan"))}],
)
def test_nonsense_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Composite(**wrong)
