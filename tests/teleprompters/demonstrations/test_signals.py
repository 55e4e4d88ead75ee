from __future__ import annotations

import itertools
import math
import random

import pytest

from burnish.signatures.errors import NoLogprobs, ProgramError
from burnish.teleprompters.demonstrations.select.influence_estimates import Run, datamodel, differences
from burnish.teleprompters.demonstrations.select.signals import (
    at_random,
    entropy_of_answers,
    gains,
    labels_of,
    program_labels,
    purse_of,
    random_runs,
    source_of_gains,
    surprise,
    z_scores,
)
from burnish.teleprompters.demonstrations.supply import supply_of


def supply(world, k=4, money=10_000, predictor="self"):
    return supply_of(world, world.student, predictor, k=k, money=money)


def test_influence_is_the_mean_with_minus_the_mean_without_and_its_error_that_of_two_means():
    rng = random.Random(3)
    runs = [Run(tuple(rng.sample(range(6), 2)), rng.random()) for _ in range(15)]
    scores = [run.score for run in runs]
    mean = sum(scores) / 15
    sd = math.sqrt(sum((score - mean) ** 2 for score in scores) / 14)
    for shot, found in enumerate(differences(runs, 6)):
        having = [run.score for run in runs if shot in run.members]
        lacking = [run.score for run in runs if shot not in run.members]
        assert found.value == pytest.approx(sum(having) / len(having) - sum(lacking) / len(lacking))
        assert found.error == pytest.approx(sd * math.sqrt(1 / len(having) + 1 / len(lacking)))
        assert found.bound(2) == found.value - 2 * found.error


@pytest.mark.parametrize("estimate", [differences, lambda runs, shots: datamodel(runs, shots, 1.0)])
def test_a_shot_that_was_in_all_runs_or_in_none_has_no_influence(estimate):
    found = estimate([Run((0, 1), 0.5), Run((0, 2), 0.7), Run((0, 1), 0.4)], 4)
    assert found[0] is None
    assert found[3] is None
    assert found[1].value < found[2].value


def test_least_squares_finds_the_weights_of_an_additive_world_but_for_what_all_share():
    weights = [0.3, -0.2, 0.1, 0.0, -0.1, 0.05]
    runs = [Run(pair, 0.5 + sum(weights[one] for one in pair)) for pair in itertools.combinations(range(6), 2)]
    mean = sum(weights) / 6
    for found, weight in zip(datamodel(runs, 6, 0.0), weights, strict=True):
        assert found.value == pytest.approx(weight - mean, abs=1e-8)
        assert found.error == pytest.approx(0, abs=1e-6)


def test_a_datamodel_tells_apart_what_was_often_shown_together():
    # Shot 1 does nothing, but stands beside the good shot 0 in most of its runs.
    sets = [(0, 1)] * 8 + [(0, 2), (1, 2), (0, 3), (1, 3)] + [(2, 3)] * 4
    runs = [Run(pair, 1.0 if 0 in pair else 0.0) for pair in sets]
    assert differences(runs, 4)[1].value > 0.2
    fitted = datamodel(runs, 4, 0.0)
    assert fitted[0].value - fitted[1].value == pytest.approx(1.0, abs=1e-8)


def test_the_datamodel_is_ridge_regression_on_centred_indicators():
    import numpy as np

    rng = random.Random(1)
    runs = [Run(tuple(rng.sample(range(5), 2)), rng.random()) for _ in range(25)]
    shown = np.array([[float(shot in run.members) for shot in range(5)] for run in runs])
    scores = np.array([run.score for run in runs])
    x, y = shown - shown.mean(0), scores - scores.mean()
    # The same as least squares with the penalty as further rows.
    wanted = np.linalg.lstsq(np.vstack([x, math.sqrt(2.0) * np.eye(5)]), np.concatenate([y, np.zeros(5)]), rcond=None)
    found = datamodel(runs, 5, 2.0)
    assert [one.value for one in found] == pytest.approx(list(wanted[0]), abs=1e-8)
    assert all(one.error > 0 for one in found)


def test_runs_are_balanced_sets_on_the_same_rows_of_dev_and_end_with_the_money(bench):
    world = bench(lambda candidate, example: 0.5)
    given = supply(world)
    runs = random_runs(given, given.shots, 30, world.dev[:3], purse_of(given, 0.01), "Influence")  # 100 executions
    assert len(runs) == 30
    assert {example.place for _, example in world.executed} == {"row 1000", "row 1001", "row 1002"}
    for run in runs:
        assert len(set(run.members)) == 4
        assert sum(place % 2 for place in run.members) == 2
    few = random_runs(given, given.shots, 30, world.dev[3:], purse_of(given, 0.003), "Influence")  # 30 executions
    assert len(few) == 4


def one_shot(world, helps):
    """Right where the only demonstration helps the row: helps(number of the shot, number of the row)."""

    def number(text):
        return int(text.split()[-1])

    def score(candidate, example):
        demos = candidate.prompt("self").demos
        row = number(example.values["review"])
        return float(any(helps(number(demo.values["review"]), row) for demo in demos) or (not demos and row % 3 == 0))

    world.score_of = score
    return world


def test_gains_are_one_shot_minus_zero_shot_without_the_row_itself(bench):
    world = one_shot(bench(None), lambda shot, row: (shot + row) % 4 == 0)
    given = supply(world)
    rows = [shot.row for shot in given.shots[:6]]
    found = gains(given, given.shots, rows, "flips", purse_of(given))
    for shot, values in enumerate(found):
        for row, value in enumerate(values):
            if shot == row:
                assert value is None
            else:
                assert value == float((shot + row) % 4 == 0) - float(row % 3 == 0)
    own = [e for c, e in world.executed if any(d.values["review"] == e.values["review"] for d in c.demos)]
    assert own == []
    assert len(world.executed) == 6 + 20 * 6 - 6


def test_gains_stop_with_the_money(bench):
    world = one_shot(bench(None), lambda shot, row: True)
    given = supply(world, money=100)
    assert len(gains(given, given.shots, [s.row for s in given.shots[:10]], "flips", purse_of(given, 0.5))) == 4
    assert gains(given, given.shots, [s.row for s in given.shots[:10]], "flips", purse_of(given, 0.05)) == []


def test_gains_by_probabilities_are_those_of_the_rows_label(bench):
    def logprob(prompt, text):
        shown = prompt.count("review") - 1
        p = 0.5 + 0.01 * (shown % 7)
        return [math.log(p if "positive" in text else 1 - p)]

    world = bench(lambda candidate, example: 0.5, text_logprob_of=logprob)
    given = supply(world)
    rows = [shot.row for shot in given.shots[:3]]
    assert source_of_gains(given, "auto", rows) == "probabilities"
    found = gains(given, given.shots[5:8], rows, "probabilities", purse_of(given))

    def p(candidate, row):
        told = world.label_distribution(candidate, [row], ["positive", "negative"])[0]
        weights = {name: math.exp(one.total) for name, one in zip(("positive", "negative"), told, strict=True)}
        return weights[row.values["label"]] / sum(weights.values())

    for shot, values in zip(given.shots[5:8], found, strict=True):
        for row, value in zip(rows, values, strict=True):
            assert value == pytest.approx(p(given.showing([shot]), row) - p(given.candidate, row))


def test_without_log_probabilities_gains_are_taken_from_answers_and_the_log_says_why(bench):
    world = bench(lambda candidate, example: 0.5)
    given = supply(world)
    rows = [shot.row for shot in given.shots]
    assert source_of_gains(given, "auto", rows) == "flips"
    assert ("by", "flips") in [*dict(world.events)["one-shot information"].items()]
    with pytest.raises(NoLogprobs):
        source_of_gains(given, "probabilities", rows)


def test_labels_are_those_of_the_program_also_where_a_predictor_writes_free_text(bench, make_student, step):
    given = make_student(find=(("review",), ("quote",)), judge=(("review", "quote"), ("label",)))

    def trace(candidate, example):
        quote = f"quote of {example.values['review']}"
        return (step("find", example.input_values, {"quote": quote}, "r"),)

    world = bench(lambda candidate, example: 1.0, given=given, trace_of=trace)
    assert labels_of(supply(world, predictor="find"), "X") == [{"label": "negative"}, {"label": "positive"}]


def test_free_text_and_a_single_class_are_no_labels_to_compare(bench):
    free = supply(bench(lambda c, e: 1.0, columns={"label": lambda n: f"text {n}"}))
    with pytest.raises(ProgramError, match=r"20 different answer.*Influence"):
        labels_of(free, "MutualInformation")
    assert program_labels(free) == []
    alone = supply(bench(lambda c, e: 1.0, columns={"label": lambda n: "positive"}))
    with pytest.raises(ProgramError, match="1 different answer"):
        labels_of(alone, "Misconfidence")
    assert program_labels(alone) == [{"label": "positive"}]


def test_entropy_of_answers_is_corrected_and_unknown_where_most_could_not_be_read():
    assert entropy_of_answers(["a"] * 10, 10) == 0.0
    half = entropy_of_answers(["a"] * 5 + ["b"] * 5, 10)
    assert half == pytest.approx(math.log(2) + 1 / 20)
    assert entropy_of_answers(list("abc"), 3) == pytest.approx(math.log(3))  # capped
    assert entropy_of_answers(["a"] * 4, 10) is None


def test_z_scores_leave_the_unknown_at_the_mean():
    assert z_scores([1.0, None, 3.0]) == [-1.0, 0.0, 1.0]
    assert z_scores([2.0, 2.0, None]) == [0.0, 0.0, 0.0]
    assert z_scores([None, -math.inf]) == [0.0, 0.0]


def test_surprise_is_the_mean_per_token_and_nothing_where_nothing_could_be_told():
    assert surprise([-1.0, -3.0]) == 2.0
    assert surprise([]) is None
    assert surprise([-math.inf]) is None


def test_without_money_the_set_is_random_and_the_log_says_so(bench):
    world = bench(lambda candidate, example: 0.5)
    (chosen,) = at_random(supply(world), "Influence", 300)
    assert len(chosen.shots) == 4
    assert world.events[-1][0] == "no money to choose: demonstrations drawn at random"
    assert world.executed == []
