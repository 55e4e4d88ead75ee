from __future__ import annotations

import math
from dataclasses import replace

import pytest

from burnish.teleprompters.demonstrations.select.uncertainty import Uncertainty
from burnish.teleprompters.demonstrations.supply import supply_of


def supply(world, k=2, money=10_000, predictor="self"):
    return supply_of(world, world.student, predictor, k=k, money=money)


def numbers(chosen):
    return [int(shot.row.values["review"].split()[1]) for shot in chosen.shots]


def saying(answers):
    """outputs_of: the sample of this number says answers[row number][number of the sample], or else always the same."""

    def outputs(candidate, example):
        said = answers.get(int(example.values["review"].split()[1]), "x" * 10)
        return {"label": said[candidate["self"].settings.params["seed"] % len(said)]}

    return outputs


def test_the_rows_with_most_different_answers_come_first_and_then_those_of_highest_entropy(bench):
    # Row 3: three answers, one of them nearly always; row 5: two, evenly; row 8: two, unevenly.
    answers = {3: "aaaaaaaabc", 5: "aaaaabbbbb", 8: "aaaaaaaaab"}
    world = bench(lambda c, e: 0.5, outputs_of=saying(answers))
    by_disagreement, by_entropy = Uncertainty(balanced=False).select(supply(world))
    assert numbers(by_disagreement) == [3, 5]
    plain = -(0.8 * math.log(0.8) + 0.2 * math.log(0.1)) + 2 / 20
    assert by_disagreement.reasons[0] == f"disagreement 0.30, entropy {plain:.2f} nats"
    assert math.log(2) + 1 / 20 > plain
    assert numbers(by_entropy) == [5, 3]
    assert len(world.executed) == 200
    assert all(candidate.demos == () for candidate, _ in world.executed)


def test_every_class_has_its_share_unless_told_otherwise(bench):
    answers = {1: "ab", 3: "abc", 5: "abcd", 4: "ab"}
    world = bench(lambda c, e: 0.5, outputs_of=saying(answers))
    assert sorted(numbers(next(Uncertainty(samples=4).select(supply(world))))) == [4, 5]
    assert sorted(numbers(next(Uncertainty(samples=4, balanced=False).select(supply(world))))) == [3, 5]


def test_rows_whose_samples_could_not_be_read_come_last(bench):
    answers = {2: "aabb"}
    world = bench(lambda c, e: 0.5, outputs_of=saying(answers))
    plain = world.predict

    def failing(candidate, examples):
        return [
            replace(outcome, failure="unparsed", outputs={}) if example.values["review"] == "review 7" else outcome
            for outcome, example in zip(plain(candidate, examples), examples, strict=True)
        ]

    world.predict = failing
    chosen = next(Uncertainty(samples=4, balanced=False).select(supply(world, k=19)))
    assert numbers(chosen)[0] == 2
    assert 7 not in numbers(chosen)


def test_answers_are_compared_by_what_rows_have_labels_of(bench, make_student, step):
    given = make_student(self=(("review",), ("reasoning", "label")))

    def outputs(candidate, example):
        seed = candidate["self"].settings.params.get("seed", 0)
        same = example.values["review"] != "review 6"
        return {"reasoning": f"thought {seed}", "label": " Positive " if same or seed % 2 else "negative"}

    def trace(candidate, example):
        return (step("self", example.input_values, {"reasoning": "r", "label": example.values["label"]}, "r"),)

    world = bench(lambda c, e: 1.0, given=given, outputs_of=outputs, trace_of=trace)
    chosen = next(Uncertainty(samples=4, balanced=False).select(supply(world)))
    assert numbers(chosen)[0] == 6
    assert chosen.reasons[1] == "disagreement 0.25, entropy 0.00 nats"


def test_free_text_and_one_class_alone_need_nothing_else(bench):
    for label in (lambda n: f"text {n}", lambda n: "positive"):
        world = bench(lambda c, e: 0.5, columns={"label": label}, outputs_of=saying({4: "abc", 9: "ab"}))
        assert numbers(next(Uncertainty(samples=3).select(supply(world)))) == [4, 9]


def test_with_little_money_samples_are_fewer_and_then_rows(bench):
    world = bench(lambda c, e: 0.5, outputs_of=saying({}))
    list(Uncertainty().select(supply(world, money=110)))
    assert len(world.executed) == 4 * 20
    world = bench(lambda c, e: 0.5, outputs_of=saying({}))
    list(Uncertainty().select(supply(world, money=40)))
    assert len(world.executed) == 3 * 10
    world = bench(lambda c, e: 0.5, outputs_of=saying({}))
    assert next(Uncertainty().select(supply(world, money=5))).reasons[0] == "drawn at random"
    assert world.executed == []


def test_a_pool_that_is_one_set_is_given_back_for_nothing(bench):
    world = bench(lambda c, e: 0.5, pool=4)
    (chosen,) = Uncertainty().select(supply(world, k=8))
    assert len(chosen.shots) == 4
    assert world.executed == []


@pytest.mark.parametrize("wrong", [{"by": "mood"}, {"samples": 1}])
def test_nonsense_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Uncertainty(**wrong)


def test_the_cost_is_that_of_the_samples():
    assert Uncertainty(samples=5).cost(30, 4, 50) == 150
