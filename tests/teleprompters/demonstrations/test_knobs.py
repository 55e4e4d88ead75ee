from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from burnish.signatures.canonical import canonical
from burnish.teleprompters.base import Step
from burnish.teleprompters.demonstrations.knobs import (
    cyclic,
    inputs_only,
    labelled_from,
    labels_only,
    mapped,
    mapped_rows,
    out_of_domain,
    partly_right,
)
from burnish.teleprompters.demonstrations.label_noise import LabelNoise, MappingUse, mapping_use_probe
from burnish.teleprompters.demonstrations.select.random_sets import Random
from burnish.teleprompters.demonstrations.supply import supply_of
from burnish.testing import check_teleprompter


def supply_in(world, k=8):
    return supply_of(world, world.student, "self", k=k, money=1000)


def labels(shots):
    return [shot.demo.values["label"] for shot in shots]


@pytest.fixture
def supply(bench):
    """Twenty rows, half of them positive."""
    return supply_in(bench(lambda candidate, row: 0.5))


def wrong(shots):
    return sum(shot.demo.values["label"] != shot.row.values["label"] for shot in shots)


@pytest.mark.parametrize(("share", "flipped"), [(1.0, 0), (0.75, 5), (0.5, 10), (0.0, 20)])
def test_exactly_a_share_of_the_labels_is_right_and_the_others_are_wrong(supply, share, flipped):
    made = partly_right(supply.shots, supply.labels(), share, random.Random(1))
    assert wrong(made) == flipped
    assert [shot.demo.values["review"] for shot in made] == [shot.demo.values["review"] for shot in supply.shots]
    assert [shot.row for shot in made] == [shot.row for shot in supply.shots]


def test_with_more_classes_each_wrong_one_is_as_likely(bench, make_student):
    student = make_student(self=(("review",), ("tone",)))
    world = bench(lambda c, r: 0.5, given=student, pool=300, columns={"tone": lambda n: "abc"[n % 3]})
    supply = supply_in(world)
    made = partly_right(supply.shots, supply.labels(), 0.0, random.Random(0))
    pairs = Counter((shot.row.values["tone"], shot.demo.values["tone"]) for shot in made)
    assert len(pairs) == 6
    assert min(pairs.values()) > 30


def test_labels_from_other_sources(bench):
    world = bench(lambda candidate, row: 0.5, pool=400)
    world.pool = tuple(row for n, row in enumerate(world.pool) if n % 8 == 0 or n % 2)  # a fifth is negative
    supply = supply_in(world)
    rng = random.Random(0)
    assert labelled_from(supply, supply.shots, "gold", rng) == list(supply.shots)
    uniform = Counter(labels(labelled_from(supply, supply.shots, "uniform", rng)))
    prior = Counter(labels(labelled_from(supply, supply.shots, "prior", rng)))
    assert abs(uniform["negative"] / len(supply.shots) - 0.5) < 0.1
    assert abs(prior["negative"] / len(supply.shots) - 0.2) < 0.08
    with pytest.raises(ValueError, match="bronze"):
        labelled_from(supply, supply.shots, "bronze", rng)


def test_silver_labels_are_what_the_program_says(bench):
    def trace(candidate, row):
        return (Step("self", row.input_values, {"label": "positive"} if row.place != "row 2" else {}, ""),)

    world = bench(lambda candidate, row: 0.5, trace_of=trace)
    supply = supply_in(world)
    made = labelled_from(supply, supply.shots[:4], "silver", random.Random(0))
    assert labels(made) == ["positive", "positive", "negative", "positive"]  # nothing was said on row 2
    assert len(world.executed) == 4


def test_a_cycle_maps_demonstrations_and_the_rows_that_are_tested(supply):
    mapping = cyclic(supply.labels())
    assert labels(mapped(supply.shots[:3], mapping)) == ["positive", "negative", "positive"]
    rows = mapped_rows(supply.bench.dev[:2], mapping)
    assert [row.values["label"] for row in rows] == ["positive", "negative"]
    assert rows[0].input_values == supply.bench.dev[0].input_values
    three = [{"tone": tone} for tone in "abc"]
    assert cyclic(three) == {canonical({"tone": old}): {"tone": new} for old, new in ("ab", "bc", "ca")}


def test_inputs_and_labels_alone_leave_an_empty_place_and_can_be_rendered(supply):
    for knob, name in ((inputs_only, "label"), (labels_only, "review")):
        made = knob(supply, supply.shots[:2])
        assert [shot.demo.values[name] for shot in made] == ["", ""]
        assert len(supply.showing(made).prompt("self").template.render({"review": "new"})) == 6


def test_inputs_of_another_domain_have_about_the_same_length_and_stand_once(supply):
    texts = ["two words", "just two", *(" ".join(["much longer"] * 20) for _ in range(50))]
    made = out_of_domain(supply, supply.shots[:2], texts, random.Random(0))
    assert sorted(shot.demo.values["review"] for shot in made) == ["just two", "two words"]
    assert labels(made) == labels(supply.shots[:2])
    assert len(out_of_domain(supply, supply.shots, ["only one"], random.Random(0))) == 20
    far = out_of_domain(supply, supply.shots[:1], [" ".join(["w"] * 900)], random.Random(0))
    assert len(far[0].demo.values["review"].split()) == 900
    with pytest.raises(ValueError, match="texts"):
        out_of_domain(supply, supply.shots, [], random.Random(0))


def test_one_class_has_no_wrong_labels(bench):
    world = bench(lambda candidate, row: 0.5)
    world.pool = world.pool[1::2]
    supply = supply_in(world)
    for knob in (
        lambda: partly_right(supply.shots, supply.labels(), 0.5, random.Random(0)),
        lambda: labelled_from(supply, supply.shots, "uniform", random.Random(0)),
        lambda: cyclic(supply.labels()),
    ):
        with pytest.raises(ValueError, match="1 classes"):
            knob()
    with pytest.raises(ValueError, match="share"):
        partly_right(supply.shots, supply.labels(), 1.5, random.Random(0))


# how much the mapping matters


def by_right_labels(candidate, row):
    """The share of demonstrations that are labelled as their rows are: odd ones are positive."""
    demos = [demo.values for demo in candidate.demos]
    right = [(int(demo["review"].split()[-1]) % 2 == 1) == (demo["label"] == "positive") for demo in demos]
    return sum(right) / len(right) if right else 0.0


def test_the_probe_is_the_mean_difference_between_right_and_random_labels(bench):
    world = bench(by_right_labels, pool=200)
    found = mapping_use_probe(supply_in(world, k=20), seeds=6)
    assert found.gold == (1.0,) * 6
    assert abs(found.delta - 0.5) < 0.15
    assert len(world.executed) == 2 * 6 * 10
    ignoring = mapping_use_probe(supply_in(bench(lambda candidate, row: 0.7)), seeds=3, select=Random(sets=3))
    assert (ignoring.delta, ignoring.standard_error) == (0.0, 0.0)


def test_delta_and_its_standard_error():
    found = MappingUse((0.8, 0.6, 0.7), (0.5, 0.5, 0.5))
    assert found.delta == pytest.approx(0.2)
    assert found.standard_error == pytest.approx((0.02 / 2 / 3) ** 0.5)
    assert MappingUse((0.8,), (0.5,)).standard_error is None


def test_the_experiment_scores_and_records_every_variant_and_writes_a_table(bench):
    world = bench(by_right_labels)
    rounds = list(LabelNoise(k=4, seeds=3).search(world))
    assert [done.name for done in rounds] == [f"self: set {n}" for n in (1, 2, 3)]
    table = world.kept["label_noise"]["self"]
    assert table["gold"]["means"] == [1.0] * 3
    assert table["50% right"]["means"] == [0.5] * 3
    assert table["0% right"] == {"means": [0.0] * 3, "delta": 1.0, "standard_error": 0.0}
    named = {origin.detail["labels"] for _, origin, _ in world.recorded if origin}
    assert named == {"gold", "uniform", "50% right", "0% right"}


def test_a_predictor_without_classes_is_passed_over(bench, make_student):
    student = make_student(self=(("review",), ("answer",)))
    world = bench(lambda candidate, row: 0.5, given=student, columns={"answer": lambda n: f"answer {n}"})
    assert [done.name for done in LabelNoise().search(world)] == ["self: no classes"]


def test_settings_that_make_no_sense_are_refused():
    for wrong_settings in ({"k": 0}, {"seeds": 0}, {"sources": ("bronze",)}, {"shares": (1.5,)}):
        with pytest.raises(ValueError, match=next(iter(wrong_settings))):
            LabelNoise(**wrong_settings)


def test_the_experiment_conforms():
    check_teleprompter(LabelNoise(k=2, seeds=2), limits=(1, 30, 150))


def test_what_has_other_inputs_has_no_vector_of_the_old_ones(supply):
    shots = [replace(shot, demo=shot.demo.with_vector([1.0, 2.0])) for shot in supply.shots[:2]]
    for made in (labels_only(supply, shots), out_of_domain(supply, shots, ["two words"], random.Random(0))):
        assert [shot.demo.vector for shot in made] == [None, None]
    assert [shot.demo.vector for shot in inputs_only(supply, shots)] == [shot.demo.vector for shot in shots]
