from __future__ import annotations

import itertools
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.teleprompters.draws import dealt, draw, shuffled


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 30), st.integers(0, 40), st.integers(0, 99))
def test_a_draw_holds_different_items_as_many_as_there_are(size, count, seed):
    drawn = draw(range(size), count, random.Random(seed))
    assert len(drawn) == len(set(drawn)) == min(size, count)


def test_every_item_and_every_place_is_equally_likely():
    rng, places = random.Random(1), [[0] * 4 for _ in range(4)]
    for _ in range(4000):
        for place, item in enumerate(shuffled(range(4), rng)):
            places[place][item] += 1
    assert all(850 < count < 1150 for row in places for count in row)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 20), st.integers(1, 8), st.integers(0, 99))
def test_dealing_repeats_no_item_while_there_are_fresh_ones_enough(size, count, seed):
    hands = list(itertools.islice(dealt(range(size), count, random.Random(seed)), 3 * (size // count) or 3))
    assert {len(hand) for hand in hands} == {min(size, count)}
    fresh = list(itertools.chain(*hands[: size // count]))
    assert len(fresh) == len(set(fresh))
