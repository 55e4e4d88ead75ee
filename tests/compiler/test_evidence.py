from __future__ import annotations

import json
import math
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from burnish.compiler import statistics
from burnish.compiler.evidence import Comparison, Verdict, compare, decide, no_comparison, same_program
from burnish.compiler.paired_test import exact_lower_limit, paired_test, score_lower_limit, score_statistic


def pairs(wins: int, losses: int, n: int) -> tuple[list[float], list[float]]:
    """Right-or-wrong scores of student and finalist with so many wins and losses, the rest right in both."""
    ties = n - wins - losses
    return [0.0] * wins + [1.0] * losses + [1.0] * ties, [1.0] * wins + [0.0] * losses + [1.0] * ties


# the procedure for right-or-wrong scores


@pytest.mark.parametrize("n", [2, 5, 12, 20])
def test_the_interval_excludes_zero_exactly_when_p_is_at_most_5_percent_for_every_outcome(n: int) -> None:
    for wins in range(n + 1):
        for losses in range(n + 1 - wins):
            test = paired_test(wins, losses, n)
            low, high = test.interval
            assert (low > 0 or high < 0) == (test.p_value <= 0.05)
            assert low < (wins - losses) / n + 1e-9
            assert high > (wins - losses) / n - 1e-9
            assert high - low > 0.01


@settings(deadline=None, max_examples=25)
@given(st.integers(30, 3000), st.data())
def test_the_interval_excludes_zero_exactly_when_p_is_at_most_5_percent_at_any_size(
    n: int, data: st.DataObject
) -> None:
    wins = data.draw(st.integers(0, min(n, 60)))
    losses = data.draw(st.integers(0, min(n - wins, 60)))
    test = paired_test(wins, losses, n)
    assert (test.interval[0] > 0 or test.interval[1] < 0) == (test.p_value <= 0.05)


def coverage(n: int, gain: float, share: float) -> float:
    """Probability that the interval holds the true gain, by enumeration of all outcomes."""
    covered = 0.0
    chances = [(share + gain) / 2, (share - gain) / 2, 1 - share]
    for wins in range(n + 1):
        for losses in range(n + 1 - wins):
            chance = float(stats.multinomial.pmf([wins, losses, n - wins - losses], n, chances))
            if chance > 1e-7:
                low, high = paired_test(wins, losses, n).interval
                covered += chance * (low <= gain <= high)
    return covered


@pytest.mark.parametrize("n", [12, 20])
def test_the_interval_holds_the_true_gain_at_least_95_times_in_100_whatever_gain_and_discordance(n: int) -> None:
    for gain in (0.0, 0.033, 0.05, 0.15, 0.2, 0.41, 0.77):
        for share in (0.033, 0.1, 0.23, 0.4, 0.613, 0.9):
            if share >= gain:
                assert coverage(n, gain, share) >= 0.95, (n, gain, share)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "share"), [(50, 0.07), (50, 0.2), (100, 0.07)])
def test_the_interval_holds_the_true_gain_at_least_95_times_in_100_on_larger_holdouts(n: int, share: float) -> None:
    for gain in (0.0, 0.05, 0.15):
        if share >= gain:
            assert coverage(n, gain, share) >= 0.95, gain


def test_exact_and_asymptotic_answers_agree_where_one_takes_over_from_the_other() -> None:
    for wins, losses, n in [(110, 90, 400), (120, 80, 1000), (100, 100, 250)]:
        exact_p, exact_low = exact_lower_limit(wins, losses, n, 0.025)
        score_p, score_low = score_lower_limit(wins, losses, n, 0.025)
        assert exact_p == pytest.approx(score_p, abs=0.005, rel=0.1)
        assert exact_low == pytest.approx(score_low, abs=0.002)
    assert "exact" in paired_test(110, 90, 400).method
    assert "exact" not in paired_test(110, 91, 400).method


def test_the_score_statistic_is_tangos() -> None:
    # By the definition: the likelihood maximised under the hypothesised gain, without the closed form.
    for wins, losses, n, gain in [(10, 3, 50, 0.05), (3, 10, 50, 0.2), (7, 7, 20, -0.3), (2, 0, 12, 0.01)]:

        def minus_log_likelihood(loss: float, w: int = wins, q: int = losses, n: int = n, d: float = gain) -> float:
            chances = (loss + d, loss, 1 - 2 * loss - d)
            return -sum(k * math.log(max(p, 1e-12)) for k, p in zip((w, q, n - w - q), chances, strict=True))

        edges = (max(0.0, -gain) + 1e-12, (1 - gain) / 2 - 1e-12)
        loss = optimize.minimize_scalar(minus_log_likelihood, bounds=edges, options={"xatol": 1e-10}).x
        expected = (wins - losses - n * gain) / math.sqrt(n * (2 * loss + gain - gain**2))
        assert float(score_statistic(wins, losses, n, gain)) == pytest.approx(expected, abs=1e-4)


def test_six_wins_and_no_loss_convince_and_four_do_not() -> None:
    assert compare(*pairs(6, 0, 50)).significant
    assert not compare(*pairs(4, 0, 12)).significant


def test_no_difference_at_all_still_leaves_an_interval() -> None:
    comparison = compare(*pairs(0, 0, 40))
    assert comparison.interval[0] < -0.05
    assert comparison.interval[1] > 0.05
    assert comparison.p_value == 1.0
    assert decide(comparison).decision == "inconclusive"


def test_swapping_student_and_finalist_mirrors_the_comparison() -> None:
    student, finalist = pairs(9, 2, 30)
    one, other = compare(student, finalist), compare(finalist, student)
    assert one.interval == (-other.interval[1], -other.interval[0])
    assert one.p_value == other.p_value
    assert (one.wins, one.losses) == (other.losses, other.wins)


# graded scores


def test_graded_scores_with_symmetric_differences_are_compared_by_students_t() -> None:
    rng = random.Random(4)
    errors = [rng.gauss(0, 0.1) for _ in range(20)]
    differences = [0.05 + sign * error for error in errors for sign in (1, -1)]
    student = [0.5] * 40
    finalist = [0.5 + difference for difference in differences]
    comparison = compare(student, finalist)
    expected = stats.ttest_rel(finalist, student)
    low, high = expected.confidence_interval()
    assert comparison.p_value == pytest.approx(expected.pvalue, rel=1e-5)
    assert comparison.interval == pytest.approx((low, high), abs=2e-6)
    assert comparison.method == "paired t test, skewness corrected"


def test_graded_intervals_are_never_narrower_than_students() -> None:
    rng = np.random.default_rng(6)
    for n in (3, 5, 40, 300):
        student = rng.beta(1.5, 0.8, n)
        finalist = np.where(rng.random(n) < 0.1, 0, np.minimum(1, student + rng.uniform(0, 0.1, n)))
        comparison = compare(student.tolist(), finalist.tolist())
        expected = stats.ttest_rel(finalist, student)
        low, high = expected.confidence_interval()
        assert comparison.p_value >= expected.pvalue - 1e-9
        assert comparison.interval[0] <= max(-1, low) + 1e-9
        assert comparison.interval[1] >= min(1, high) - 1e-9


def test_small_wins_against_rare_total_losses_do_not_ship_by_chance() -> None:
    # True gain 0: nine rows in ten gain a little, one in ten is lost. Plain t ships 6 of 100 of these on 40 rows.
    rng = np.random.default_rng(7)
    shipped = 0
    for _ in range(500):
        lost = rng.random(40) < 0.1
        differences = np.where(lost, -rng.uniform(0.4, 1, 40), np.clip(rng.normal(0.0778, 0.15, 40), 0 - 1, 1))
        student, finalist = np.maximum(0, -differences), np.maximum(0, differences)
        shipped += decide(compare(student.tolist(), finalist.tolist())).decision == "ship"
    assert shipped / 500 < 0.055


def test_equal_graded_differences_give_an_interval_from_the_range_and_never_a_point() -> None:
    for n in (2, 12, 100):
        comparison = compare([0.2] * n, [0.5] * n)
        low, high = comparison.interval
        assert high - low > 0.01
        assert (low > 0) == (comparison.p_value <= 0.05)
    assert compare([0.2] * 100, [0.5] * 100).significant
    assert not compare([0.2] * 12, [0.5] * 12).significant


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=60))
def test_whatever_the_scores_p_and_interval_say_the_same(rows: list[tuple[float, float]]) -> None:
    comparison = compare([a for a, _ in rows], [b for _, b in rows])
    low, high = comparison.interval
    assert low <= comparison.gain + 1e-6
    assert comparison.gain - 1e-6 <= high
    assert low < high
    assert 0 < comparison.p_value <= 1
    assert (low > 0 or high < 0) == comparison.significant
    assert comparison.wins + comparison.losses + comparison.ties == comparison.n == len(rows)


def test_scores_on_another_scale_are_compared_as_fractions_of_their_range() -> None:
    student, finalist = pairs(9, 2, 30)
    scaled = compare([10 * s - 5 for s in student], [10 * s - 5 for s in finalist], score_range=(-5, 5))
    assert scaled == compare(student, finalist)


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1.5, -0.1])
def test_a_score_that_is_not_a_number_in_the_range_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="is not a number from 0 to 1"):
        compare([0.0, 1.0], [0.0, bad])


def test_fewer_than_two_pairs_and_unpaired_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 pairs"):
        compare([1.0], [0.0])
    with pytest.raises(ValueError, match="cannot be paired"):
        compare([1.0, 0.0], [0.0])


# the verdict


def test_a_clear_gain_ships_and_reads_in_one_line() -> None:
    verdict = decide(compare(*pairs(25, 6, 100)))
    assert verdict.decision == "ship"
    assert str(verdict) == "ship: 75.0 -> 94.0 on 100 held-out examples, +19.0 (95 % +8..+30), p < 0.001"


def test_a_gain_that_is_ruled_out_keeps_the_student() -> None:
    assert decide(compare(*pairs(10, 12, 4000)), min_gain=0.02).decision == "keep"


def test_a_finalist_that_is_significantly_worse_keeps_the_student() -> None:
    verdict = decide(compare(*pairs(2, 20, 100)))
    assert verdict.decision == "keep"
    assert verdict.gain == -0.18


def test_what_is_neither_shown_nor_ruled_out_is_inconclusive_and_says_how_many_more_would_settle_it() -> None:
    verdict = decide(compare(*pairs(12, 8, 100)))
    assert verdict.decision == "inconclusive"
    assert verdict.more_needed is not None
    assert 200 < verdict.more_needed < 2000
    assert str(verdict).endswith(f"about {verdict.more_needed} more would settle it")
    # with so many more of the same, it is settled
    times = 1 + verdict.more_needed / 100
    again = decide(compare(*pairs(round(12 * times), round(8 * times), round(100 * times))))
    assert again.decision == "ship"


def test_more_examples_also_settle_a_gain_of_nothing() -> None:
    verdict = decide(compare(*pairs(8, 8, 100)), min_gain=0.05)
    assert verdict.decision == "inconclusive"
    assert verdict.more_needed is not None
    times = 1.1 * (1 + verdict.more_needed / 100)
    again = decide(compare(*pairs(round(8 * times), round(8 * times), round(100 * times))), min_gain=0.05)
    assert again.decision == "keep"


@pytest.mark.parametrize(("n", "share"), [(40, 0.3), (100, 0.2), (100, 0.05)])
def test_the_smallest_gain_is_one_that_the_holdout_shows_about_four_times_in_five(n: int, share: float) -> None:
    discordant = round(share * n)
    smallest = compare(*pairs(discordant // 2, discordant - discordant // 2, n)).smallest_gain
    rng = np.random.default_rng(5)
    share = max(share, smallest)
    draws = rng.multinomial(n, [(share + smallest) / 2, (share - smallest) / 2, 1 - share], size=200)
    shown = sum(paired_test(int(w), int(q), n).p_value <= 0.05 for w, q, _ in draws)
    assert 0.68 <= shown / 200 <= 0.93


def test_without_a_comparison_the_verdict_says_why() -> None:
    verdict = no_comparison("the budget affords 7 pairs and 12 are needed")
    assert (verdict.decision, verdict.gain, verdict.pairs) == ("inconclusive", None, 0)
    assert str(verdict) == "inconclusive: the budget affords 7 pairs and 12 are needed"


def test_a_search_that_ends_at_the_student_keeps_it_with_a_gain_of_nothing() -> None:
    verdict = same_program()
    assert (verdict.decision, verdict.gain, verdict.interval, verdict.p_value) == ("keep", 0.0, (0.0, 0.0), 1.0)
    assert str(verdict) == "keep: no candidate beat the student on dev"


def test_a_verdict_survives_json() -> None:
    report = {"token_f1": compare([0.1, 0.5, 0.3], [0.2, 0.9, 0.3])}
    for verdict in (decide(compare(*pairs(9, 2, 30)), 0.05, report), no_comparison("too small"), same_program()):
        assert Verdict.from_json(json.loads(json.dumps(verdict.to_json()))) == verdict
    comparison = compare(*pairs(9, 2, 30))
    assert Comparison.from_json(json.loads(json.dumps(comparison.to_json()))) == comparison


def test_a_minimal_gain_in_points_instead_of_a_fraction_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.02 is 2 points"):
        decide(compare(*pairs(9, 2, 30)), min_gain=2)


def test_numbers_in_the_file_are_rounded_so_that_they_do_not_depend_on_the_processor() -> None:
    for wins, losses, n in [(9, 2, 30), (7, 3, 33), (1, 0, 70)]:
        for number in compare(*pairs(wins, losses, n)).to_json().values():
            if isinstance(number, float):
                assert len(f"{number:.12g}".replace("0.", "").strip("-0")) <= 7


def test_reading_a_verdict_needs_no_numpy() -> None:
    code = "import sys, burnish.compiler.evidence; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# the distributions, against scipy


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 10**6).map(lambda n: n / 10**6), st.floats(0.5, 500), st.floats(0.5, 500))
def test_the_incomplete_beta_function_is_right(x: float, a: float, b: float) -> None:
    assert statistics.beta_cdf(x, a, b) == pytest.approx(float(stats.beta.cdf(x, a, b)), abs=1e-10)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 200), st.integers(1, 200), st.sampled_from([0.05, 1e-4]))
def test_limits_for_a_proportion_are_exact(successes: int, n: int, error: float) -> None:
    assume(successes <= n)
    expected = stats.binomtest(successes, n).proportion_ci(1 - error, method="exact")
    assert statistics.proportion_limits(successes, n, error) == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize("freedom", [1, 2, 11, 99, 5000])
def test_students_t_is_right(freedom: int) -> None:
    for t in (-3.0, 0.0, 0.5, 2.1, 40.0):
        assert statistics.student_tail(t, freedom) == pytest.approx(float(stats.t.sf(t, freedom)), rel=1e-8)
    assert statistics.student_quantile(0.975, freedom) == pytest.approx(float(stats.t.ppf(0.975, freedom)), rel=1e-9)
