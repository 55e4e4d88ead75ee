"""The comparison of then and now keeps its level, and its p and interval agree."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from burnish.compiler.unpaired_test import compare_means, compare_shares, restricted_share


def binomial(n, p):
    return np.array([math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])


def test_the_restricted_share_is_the_likeliest_one():
    for (x0, n0), (x1, n1), change in itertools.product(
        [(3, 12), (0, 7), (20, 20)], [(9, 15), (5, 5)], [-0.4, 0.1, 0.6]
    ):
        shares = np.linspace(max(0, -change), min(1, 1 - change), 20_001)
        with np.errstate(divide="ignore"):
            logs = [np.log(np.maximum(p, 1e-300)) for p in (shares, 1 - shares, shares + change, 1 - shares - change)]
        likeliest = shares[np.argmax(x0 * logs[0] + (n0 - x0) * logs[1] + x1 * logs[2] + (n1 - x1) * logs[3])]
        found = float(restricted_share((np.float64(x0), n0), (np.float64(x1), n1), change))
        assert found == pytest.approx(likeliest, abs=2e-4)


@pytest.mark.parametrize(("rows_then", "rows_now"), [(12, 12), (10, 30)])
def test_no_share_makes_the_test_err_more_often_than_it_says(rows_then, rows_now):
    """Not simulated but added up: the probability of every outcome that the test calls a drop, or whose interval
    misses."""
    outcomes = list(itertools.product(range(rows_then + 1), range(rows_now + 1)))
    found = {(a, b): compare_shares(a, rows_then, b, rows_now) for a, b in outcomes}
    for share in (0.5, 0.7, 0.9, 0.97):
        for change in (0.0, -0.2, -0.05):
            before, after = binomial(rows_then, share), binomial(rows_now, share + change)
            lost = sum(
                before[a] * after[b]
                for (a, b), one in found.items()
                if not one.interval[0] - 1e-9 <= change <= one.interval[1] + 1e-9
            )
            assert lost <= 0.05
        drops = sum(before[a] * binomial(rows_now, share)[b] for (a, b), one in found.items() if one.interval[1] < 0)
        assert drops <= 0.025


@pytest.mark.parametrize(
    "counts", [(9, 10, 4, 10), (60, 100, 50, 100), (100, 100, 97, 100), (0, 5, 0, 5), (3, 3, 0, 90)]
)
def test_the_interval_leaves_out_no_change_exactly_when_p_is_small(counts):
    one = compare_shares(*counts)
    assert (one.p_value <= 0.05) == (not one.interval[0] <= 0 <= one.interval[1])
    assert one.interval[0] < one.change < one.interval[1] or abs(one.change) == 1
    assert one.interval[0] < one.interval[1]


def test_then_and_now_exchanged_give_the_change_back():
    one, other = compare_shares(31, 40, 20, 35), compare_shares(20, 35, 31, 40)
    assert one.p_value == other.p_value
    assert one.interval == (-other.interval[1], -other.interval[0])


def test_many_rows_give_nearly_what_the_exact_test_gives(monkeypatch):
    exact = compare_shares(70, 100, 55, 100)
    monkeypatch.setattr("burnish.compiler.unpaired_test.MOST_OUTCOMES", 1)
    fast = compare_shares(70, 100, 55, 100)
    assert fast.method != exact.method
    assert fast.interval == pytest.approx(exact.interval, abs=0.02)
    assert compare_shares(7000, 10_000, 6000, 10_000).interval == pytest.approx((-0.1131, -0.0869), abs=0.001)


def test_graded_scores_are_compared_on_the_safe_side():
    one = compare_means(0.8, 50, [0.5, 0.6, 0.7] * 20)
    assert one.interval[1] < 0
    assert one.p_value <= 0.05
    assert compare_means(0.8, 50, [0.7, 0.8, 0.9] * 20).p_value == pytest.approx(1, abs=0.01)
    constant = compare_means(1.0, 30, [1.0] * 30)
    assert constant.interval[0] < 0 < constant.interval[1] <= 1
    with pytest.raises(ValueError, match="at least 2 rows"):
        compare_means(0.8, 1, [0.5, 0.5])


def test_graded_scores_err_no_more_often_than_they_say():
    rng = np.random.default_rng(0)
    drops = 0
    for _ in range(2000):
        then, now = rng.beta(4, 1.5, size=40), rng.beta(4, 1.5, size=30)
        drops += compare_means(float(then.mean()), 40, list(now)).interval[1] < 0
    assert drops / 2000 <= 0.025 + 3 * math.sqrt(0.025 / 2000)
