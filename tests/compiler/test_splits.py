from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.compiler.splits import Splits, dev_cap, split
from burnish.signatures.errors import ExampleError
from burnish.signatures.example import Example


def rows(count: int, start: int = 0, label: str = "yes") -> list[Example]:
    return [
        Example.of({"text": f"text {i}", "label": label}, ("text",), f"row {i}") for i in range(start, start + count)
    ]


def sizes(splits: Splits) -> tuple[int, int, int]:
    return len(splits.pool), len(splits.dev), len(splits.holdout)


def texts(examples: Sequence[Example]) -> set[str]:
    return {example.values["text"] for example in examples}


def test_a_trainset_alone_is_split_three_to_three_to_four() -> None:
    assert sizes(split(rows(100), seed=0)) == (30, 30, 40)
    assert sizes(split(rows(20), seed=0)) == (4, 4, 12)


def test_large_sets_are_capped_on_dev_and_holdout_and_the_rest_is_pool() -> None:
    assert sizes(split(rows(5000), seed=0)) == (3600, 400, 1000)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 60), min_size=20, max_size=120), st.integers(0, 5))
def test_no_input_is_in_two_splits_and_no_row_is_lost(numbers: list[int], seed: int) -> None:
    # the same input comes again and again with different labels
    train = [Example.of({"text": str(number), "label": str(i)}, ("text",)) for i, number in enumerate(numbers)]
    train += rows(20)
    splits = split(train, seed=seed)
    parts = [texts(part) for part in (splits.pool, splits.dev, splits.holdout)]
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]
    assert sum(sizes(splits)) == len(train)


@settings(deadline=None, max_examples=30)
@given(st.randoms(use_true_random=False), st.booleans(), st.booleans())
def test_the_order_of_the_rows_and_where_they_come_from_do_not_matter(
    rng: random.Random, with_valset: bool, with_holdout: bool
) -> None:
    def shuffled(examples: list[Example]) -> list[Example]:
        mixed = [Example(e.data, e.inputs, "elsewhere") for e in examples]
        rng.shuffle(mixed)
        return mixed

    valset = rows(25, 100) if with_valset else None
    holdout = rows(35, 200) if with_holdout else None
    one = split(rows(40), valset, holdout, seed=3)
    other = split(shuffled(rows(40)), valset and shuffled(valset), holdout and shuffled(holdout), seed=3)
    assert one == other


def test_another_seed_gives_another_split() -> None:
    assert split(rows(60), seed=0).holdout != split(rows(60), seed=1).holdout


def test_what_is_given_is_used_as_it_is_given() -> None:
    splits = split(rows(30), rows(20, 100), rows(15, 200), seed=0)
    assert texts(splits.pool) == texts(rows(30))
    assert texts(splits.dev) == texts(rows(20, 100))
    assert texts(splits.holdout) == texts(rows(15, 200))
    assert splits.notes == ()


def test_a_missing_holdout_is_split_off_the_larger_of_trainset_and_valset() -> None:
    off_train = split(rows(70), rows(30, 100), seed=0)
    assert sizes(off_train) == (30, 30, 40)
    assert texts(off_train.dev) == texts(rows(30, 100))
    assert off_train.notes == ("holdout: 40 of 70 rows of trainset were set aside.",)
    off_valset = split(rows(30), rows(70, 100), seed=0)
    assert sizes(off_valset) == (30, 30, 40)
    assert texts(off_valset.pool) == texts(rows(30))


def test_a_missing_dev_is_split_off_the_larger_of_trainset_and_holdout() -> None:
    assert sizes(split(rows(60), None, rows(40, 100), seed=0)) == (30, 30, 40)
    off_holdout = split(rows(20), None, rows(70, 100), seed=0)
    assert sizes(off_holdout) == (20, 30, 40)
    assert "of holdout were set aside" in off_holdout.notes[0]


def test_a_set_that_is_split_off_leaves_the_other_some_rows_and_the_holdout_enough_to_compare() -> None:
    assert sizes(split(rows(5), rows(16, 100), seed=0)) == (5, 4, 12)
    assert sizes(split(rows(8), rows(12, 100), seed=0)) == (8, 5, 7)
    assert sizes(split(rows(4), None, rows(16, 100), seed=0)) == (4, 4, 12)


def test_inputs_in_two_given_sets_stay_in_the_more_important_one_and_are_reported() -> None:
    other_label = rows(10, 20, label="no")  # the same inputs with another label count too
    splits = split(rows(30), [*rows(20, 100), *rows(5)], [*other_label, *rows(10, 110)], seed=0)
    assert texts(splits.holdout) == texts([*other_label, *rows(10, 110)])
    assert texts(splits.dev) == texts([*rows(10, 100), *rows(5)])
    assert texts(splits.pool) == texts(rows(15, 5))
    assert splits.notes == (
        "5 rows of trainset have inputs that are also in valset; they were left out of trainset.",
        "10 rows of trainset have inputs that are also in holdout; they were left out of trainset.",
        "10 rows of valset have inputs that are also in holdout; they were left out of valset.",
    )


def test_fewer_than_twenty_rows_in_all_are_refused_before_any_call() -> None:
    with pytest.raises(ExampleError, match=r"at least 20 rows.*there are 19.*\n?.*Nothing was spent"):
        split(rows(19), seed=0)
    assert sizes(split(rows(5), rows(5, 100), rows(10, 200), seed=0)) == (5, 5, 10)


def test_a_set_that_repeats_another_is_refused_by_name() -> None:
    with pytest.raises(ExampleError, match="all inputs of valset are in a more important set"):
        split(rows(30), rows(20, 100), rows(20, 100), seed=0)


def test_rows_that_all_have_the_same_input_are_refused() -> None:
    with pytest.raises(ExampleError, match="too few differ"):
        split([Example.of({"text": "same", "label": i}, ("text",)) for i in range(40)], seed=0)


def test_a_small_budget_gets_fewer_dev_rows_so_that_it_can_score_ten_candidates() -> None:
    dev = split(rows(1000), seed=0).dev
    assert len(dev) == 300
    assert len(dev_cap(dev, 1000)) == 100
    assert len(dev_cap(dev, 10**6)) == 300
    assert len(dev_cap(dev, 3)) == 20
    assert len(dev_cap(dev[:15], 3)) == 15
    assert dev_cap(dev, 1000) == dev[:100]


def test_the_first_rows_of_a_split_are_a_sample_of_it_and_not_its_first_lines() -> None:
    numbers = [int(example.values["text"].split()[1]) for example in split(rows(2000), seed=0).dev[:50]]
    assert 700 < sum(numbers) / 50 < 1300
