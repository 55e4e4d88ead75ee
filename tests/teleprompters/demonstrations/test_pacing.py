from __future__ import annotations

import random
import re
from collections import Counter

import pytest

from burnish.teleprompters.demonstrations.base import Chosen
from burnish.teleprompters.demonstrations.pacing import BabyStep, Geometric, Linear, LLMScheduler, OnePass, Root
from burnish.teleprompters.demonstrations.supply import supply_of

CURVES = (Linear(0.1), Root(2, 0.1), Root(5, 0.1), Geometric(0.1), BabyStep(3), OnePass(3))


@pytest.mark.parametrize(
    ("curve", "share"),
    [(Linear(0.1), 0.46), (Root(2, 0.1), 0.64), (Root(5, 0.1), 0.83), (Geometric(0.1), 0.25)],
)
def test_the_curves_have_their_closed_forms(curve, share):
    assert curve.band(0.4)[1] == pytest.approx(share, abs=0.005)
    assert curve.band(0.0) == (0.0, pytest.approx(0.1))
    assert curve.band(1.0) == (0.0, pytest.approx(1.0))


def test_a_root_of_one_is_linear_and_geometric_growth_is_by_equal_factors():
    for progress in (0.0, 0.3, 0.7, 1.0):
        assert Root(1, 0.2).band(progress) == pytest.approx(Linear(0.2).band(progress))
    shares = [Geometric(1 / 16).band(step / 4)[1] for step in range(5)]
    assert shares == pytest.approx([1 / 16, 1 / 8, 1 / 4, 1 / 2, 1])


def test_buckets_are_open_once_each_or_one_after_the_other():
    assert [list(OnePass(3).open(slot / 6, 9)) for slot in (1, 2, 3, 4, 5, 6)] == [
        [0, 1, 2],
        [0, 1, 2],
        [3, 4, 5],
        [3, 4, 5],
        [6, 7, 8],
        [6, 7, 8],
    ]
    assert [len(BabyStep(3).open(slot / 6, 9)) for slot in range(1, 7)] == [3, 3, 6, 6, 9, 9]
    assert [len(BabyStep(10).open(slot / 10, 100)) for slot in range(1, 11)] == list(range(10, 101, 10))


@pytest.mark.parametrize("curve", CURVES, ids=repr)
def test_a_band_only_grows_and_one_place_is_always_open(curve):
    tops = [curve.band(step / 50)[1] for step in range(51)]
    assert tops == sorted(tops)
    assert tops[-1] == pytest.approx(1)
    for count in (1, 2, 7):
        for step in range(51):
            places = curve.open(step / 50, count)
            assert len(places) >= 1
            assert 0 <= places.start < places.stop <= count


@pytest.mark.parametrize("curve", CURVES, ids=repr)
def test_each_place_draws_from_what_is_open_and_nothing_twice(curve):
    for seed in range(20):
        drawn = curve.draw(range(40), 8, random.Random(seed), lambda item: "")
        assert len(set(drawn)) == 8
        assert all(item in curve.open((slot + 1) / 8, 40) for slot, item in enumerate(drawn))


def test_a_strict_pace_leaves_no_choice():
    assert OnePass(6).draw(range(6), 6, random.Random(0), str) == list(range(6))
    # Where all that is open has been drawn, the next harder one follows.
    assert Geometric(0.001).draw(range(5), 5, random.Random(0), str)[:3] == [0, 1, 2]


def test_labels_that_were_drawn_least_have_the_chance():
    for seed in range(20):
        drawn = Linear(1.0).draw(range(30), 9, random.Random(seed), lambda item: str(item % 3))
        assert set(Counter(item % 3 for item in drawn).values()) == {3}


def test_no_more_is_drawn_than_there_is():
    assert sorted(Root().draw(range(3), 8, random.Random(0), str)) == [0, 1, 2]
    assert Root().draw([], 8, random.Random(0), str) == []


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: OnePass(0),
        lambda: BabyStep(0),
        lambda: Linear(-0.1),
        lambda: Root(0, 0.1),
        lambda: Root(2, 1.1),
        lambda: Geometric(0),
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match=r"Step|Pass|Linear|Root|Geometric"):
        wrong()


# the optimizer LM


def chosen(world, k=4):
    given = supply_of(world, world.student, "self", k=k, money=100)
    return given, Chosen(given.shots[:k], tuple(f"reason {n}" for n in range(k)))


def test_the_optimizer_lm_puts_a_set_in_order(bench):
    world = bench(lambda candidate, example: 1.0, reply_of=lambda prompt, draw: "<order>3, 1, 4, 2</order>")
    given, shots = chosen(world)
    (arranged,) = LLMScheduler().arrange(given, shots)
    assert arranged.reasons == ("reason 2", "reason 0", "reason 3", "reason 1")
    assert [shot.row.place for shot in arranged.shots] == ["row 2", "row 0", "row 3", "row 1"]
    ((purpose, text),) = world.asked
    assert purpose == "teaching order"
    assert "these 4 examples" in text
    assert re.findall(r"Example (\d)\nInput: review (\d)", text) == [(str(n + 1), str(n)) for n in range(4)]


@pytest.mark.parametrize("text", ["", "1, 2, 3", "<order>1, 2, 3, 3</order>", "<order>1 2 3 4 5</order>"])
def test_what_is_no_order_of_all_is_asked_for_once_more_and_then_the_short_come_first(bench, text):
    columns = {"review": lambda n: f"review {n} " + "x" * (9 - n)}
    world = bench(lambda candidate, example: 1.0, columns=columns, reply_of=lambda prompt, draw: text)
    given, shots = chosen(world)
    (arranged,) = LLMScheduler().arrange(given, shots)
    assert arranged.reasons == tuple(f"reason {n}" for n in (3, 2, 1, 0))
    assert len(world.asked) == LLMScheduler().cost(4, 10) == 2
    assert [event for event, _ in world.events][-1] == "teaching order by length"


def test_one_shot_needs_no_order(bench):
    world = bench(lambda candidate, example: 1.0)
    given, shots = chosen(world, 1)
    assert list(LLMScheduler().arrange(given, shots)) == [shots]
    assert not world.asked
    with pytest.raises(ValueError, match="count"):
        LLMScheduler(metaprompt="Put {{examples}} in order.")
    with pytest.raises(ValueError, match="LLMScheduler"):
        LLMScheduler(max_tokens=0)
