from __future__ import annotations

import hashlib
import math
import re

import pytest

from burnish.signatures.errors import NoLogprobs
from burnish.teleprompters.demonstrations.select.mutual_information import MutualInformation
from burnish.teleprompters.demonstrations.supply import supply_of


def supply(world, k=3, money=100_000, predictor="self"):
    return supply_of(world, world.student, predictor, k=k, money=money)


def fraction(*parts):
    return int(hashlib.sha256(repr(parts).encode()).hexdigest()[:8], 16) / 16**8


def chance(shown, query):
    """p(positive | shown, query): some sets tell inputs apart, others do not."""
    sharp = fraction(sorted(shown)) ** 2
    return 0.5 + 0.49 * sharp * (1 if query % 2 else -1) + 0.01 * (fraction(sorted(shown), query) - 0.5)


def reading(prompt, text):
    *shown, query = map(int, re.findall(r"review (\d+)", prompt))
    p = chance(shown, query)
    return [math.log(p if "positive" in text else 1 - p)]


def entropy(p):
    return -sum(q * math.log(q) for q in p if q > 0)


def information(shown, queries):
    ps = [(chance(shown, query), 1 - chance(shown, query)) for query in queries]
    mean = [sum(column) / len(ps) for column in zip(*ps, strict=True)]
    return entropy(mean) - sum(map(entropy, ps)) / len(ps)


def numbers(shots):
    return [int(shot.row.values["review"].split()[1]) for shot in shots]


def test_sets_are_ranked_by_mutual_information_over_inputs_that_they_do_not_hold(bench):
    world = bench(lambda c, e: 0.5, text_logprob_of=reading)
    sets = list(MutualInformation(sets=12, inputs=64).select(supply(world)))
    assert len(sets) == 12
    values = []
    for chosen in sets:
        shown = numbers(chosen.shots)
        values.append(information(shown, [query for query in range(20) if query not in shown]))
        assert f"{values[-1]:.3f} nats" in chosen.reasons[0]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[-1] + 0.05
    assert world.executed == []  # no execution: log-probabilities are enough


def test_rows_that_stand_in_no_set_are_asked_about_first(bench):
    world = bench(lambda c, e: 0.5, pool=60, text_logprob_of=reading)
    asked = []
    world.label_distribution = lambda c, rows, labels, _of=world.label_distribution: (
        asked.append(list(rows)) or _of(c, rows, labels)
    )
    sets = list(MutualInformation(sets=4, inputs=20).select(supply(world)))
    shown = {shot.row for chosen in sets for shot in chosen.shots}
    assert all(rows == asked[0] and len(rows) == 20 and not shown & set(rows) for rows in asked)


def test_without_log_probabilities_labels_are_counted_in_samples(bench):
    def outputs(candidate, example):
        shown = [int(d.values["review"].split()[1]) for d in candidate.prompt("self").demos]
        query = int(example.values["review"].split()[1])
        seed = candidate["self"].settings.params["seed"]
        return {"label": "positive" if fraction(sorted(shown), query, seed) < chance(shown, query) else "negative"}

    world = bench(lambda c, e: 0.5, pool=40, outputs_of=outputs)
    sets = list(MutualInformation(sets=6, inputs=30, samples=20).select(supply(world)))
    exact = [information(numbers(chosen.shots), range(40)) for chosen in sets]
    assert max(exact) in exact[:2]
    assert 6 * 24 * 20 <= len(world.executed) <= 6 * 30 * 20  # a set is not asked about its own
    assert [detail["source"] for event, detail in world.events if event == "label distributions"] == ["samples"] * 6
    with pytest.raises(NoLogprobs):
        list(MutualInformation(source="logprobs").select(supply(world)))


def test_it_spends_no_more_than_it_is_given(bench):
    for money in (0, 50, 400, 3000):
        world = bench(lambda c, e: 0.5, outputs_of=lambda c, e: {"label": "positive"})
        sets = list(MutualInformation().select(supply(world, money=money)))
        assert sets
        assert len(world.executed) <= money
    assert len(world.executed) > 1000


def test_a_pool_that_is_one_set_is_given_back_for_nothing(bench):
    world = bench(lambda c, e: 0.5, pool=4)
    (chosen,) = MutualInformation().select(supply(world, k=8))
    assert len(chosen.shots) == 4
    assert world.executed == []


def test_on_free_text_and_one_class_alone_chance_decides_and_the_log_says_so(bench):
    for label in (lambda n: f"text {n}", lambda n: "positive"):
        world = bench(lambda c, e: 0.5, columns={"label": label})
        (chosen,) = MutualInformation().select(supply(world))
        assert set(chosen.reasons) == {"drawn at random"}
        assert world.budget == 10**6
        assert [event for event, _ in world.events] == ["needs classes: demonstrations drawn at random"]


def test_the_demonstrations_of_a_predictor_inside_are_judged_by_the_programs_answers(bench, make_student, step):
    given = make_student(find=(("review",), ("quote",)), judge=(("review", "quote"), ("label",)))
    world = bench(
        lambda c, e: 1.0,
        given=given,
        trace_of=lambda c, e: (step("find", e.input_values, {"quote": f"quote of {e.values['review']}"}, "r"),),
        outputs_of=lambda c, e: {"label": e.values["label"]},
    )
    sets = list(MutualInformation(sets=3, inputs=10).select(supply(world, predictor="find")))
    assert len(sets) == 3
    assert all(float(re.search(r"[\d.]+ nats", chosen.reasons[0])[0][:-5]) > 0.6 for chosen in sets)


@pytest.mark.parametrize("wrong", [{"sets": 0}, {"inputs": 0}, {"samples": 0}, {"source": "dice"}])
def test_nonsense_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MutualInformation(**wrong)


def test_the_cost_is_an_upper_bound():
    assert MutualInformation(sets=2, inputs=10, samples=30).cost(100, 4, 50) == 2 * 10 * 30
