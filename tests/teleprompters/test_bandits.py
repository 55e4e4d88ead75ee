from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.teleprompters.bandits import (
    UCB,
    UCBE,
    Contest,
    Filtering,
    Phase,
    Standings,
    SuccessiveHalving,
    SuccessiveRejects,
    Uniform,
)


class Arms:
    """Rewards by arm and example; writes down every pull."""

    def __init__(self, reward):
        self.reward, self.rounds = reward, []

    def __call__(self, arms, examples):
        self.rounds.append((list(arms), list(examples)))
        return [[self.reward(arm, example) for example in examples] for arm in arms]

    @property
    def pulls(self):
        return sum(len(arms) * len(examples) for arms, examples in self.rounds)


def run(selector, arms, *, count, examples, finalists=1, share=10**6, seed=0):
    rounds = list(selector.rounds(Contest(count, examples, finalists, share), arms, random.Random(seed)))
    return rounds[-1] if rounds else Standings.of(count)


def test_filtering_walks_as_in_the_paper_all_on_a_subset_then_the_best_on_fresh_rows_with_running_averages():
    # Arm 2 is lucky on the first two rows it is shown and poor afterwards; arm 1 is good throughout.
    shown = []

    def reward(arm, example):
        if example not in shown:
            shown.append(example)
        first = shown.index(example) < 2
        return {0: 0.0, 1: 0.75, 2: 1.0 if first else 0.0, 3: 0.25}[arm]

    arms = Arms(reward)
    rounds = list(Filtering(subset=2, keep=0.5).rounds(Contest(4, 10, 1, 10**6), arms, random.Random(0)))
    assert [pulled for pulled, _ in arms.rounds] == [[0, 1, 2, 3], [1, 2]]
    assert not set(arms.rounds[0][1]) & set(arms.rounds[1][1])
    assert [standings.alive for standings in rounds] == [(1, 2), (1,)]
    assert rounds[-1].mean(2) == pytest.approx(0.5)  # (1 + 1 + 0 + 0) / 4
    assert rounds[-1].ranking == [1, 2, 3, 0]


def test_filtering_ends_when_the_rows_do_and_ranks_survivors_first():
    standings = run(Filtering(subset=4, keep=0.5), Arms(lambda arm, example: -arm), count=9, examples=6)
    assert standings.alive == (0, 1, 2)
    assert standings.ranking == list(range(9))
    assert standings.counts[0] == 6


def test_ucb_pulls_every_arm_before_it_trusts_any_and_shows_all_arms_of_a_round_the_same_rows():
    arms = Arms(lambda arm, example: -10.0 * arm)
    run(UCB(round_limit=3, arms_per_round=2, examples_per_pull=2), arms, count=6, examples=20)
    assert sorted(arm for pulled, _ in arms.rounds for arm in pulled) == list(range(6))


def test_ucb_goes_back_to_the_best_arms_and_still_explores():
    arms = Arms(lambda arm, example: [0.9, 0.1, 0.8, 0.0][arm])
    standings = run(UCB(round_limit=10, arms_per_round=2, examples_per_pull=1), arms, count=4, examples=50)
    assert arms.rounds[2][0] == [0, 2]
    assert standings.ranking[:2] == [0, 2]
    assert standings.counts[0] > standings.counts[3] >= 2


def test_ucb_explores_log_probabilities_as_far_as_accuracies():
    def pulled(scale, shift):
        arms = Arms(lambda arm, example: shift + scale * [0.9, 0.1, 0.8, 0.0][arm])
        run(UCB(round_limit=12, arms_per_round=2, examples_per_pull=1), arms, count=4, examples=50)
        return arms.rounds

    assert pulled(1.0, 0.0) == pulled(100.0, -500.0)


def test_ucb_sees_every_row_once_before_it_sees_one_again():
    arms = Arms(lambda arm, example: 0.5)
    run(UCB(round_limit=4, arms_per_round=3, examples_per_pull=3), arms, count=3, examples=12)
    assert sorted(example for _, examples in arms.rounds for example in examples) == list(range(12))


def test_an_arm_that_was_never_pulled_ranks_last_also_when_all_rewards_are_negative():
    standings = run(
        UCB(round_limit=2, arms_per_round=2, examples_per_pull=1), Arms(lambda arm, example: -50.0), count=6, examples=9
    )
    assert all(standings.counts[arm] == 0 for arm in standings.ranking[4:])
    assert all(standings.counts[arm] > 0 for arm in standings.ranking[:4])
    assert standings.mean(standings.ranking[-1]) == -math.inf


def test_filtering_shows_as_many_rows_as_its_share_pays_for():
    def first_subset(share):
        arms = Arms(lambda arm, example: 0.5)
        run(Filtering(), arms, count=16, examples=200, finalists=4, share=share)
        return len(arms.rounds[0][1])

    assert first_subset(16 * 10 + 8 * 10) == 10
    assert first_subset(16 * 23 + 8 * 23) == 23
    assert first_subset(10**6) == 50  # a quarter of the rows: later rounds need fresh ones


@pytest.mark.parametrize("selector", [Filtering(), UCB(), UCBE(), Uniform(), SuccessiveRejects(), SuccessiveHalving()])
def test_nothing_is_pulled_when_every_arm_can_be_a_finalist_or_nothing_may_be_spent(selector):
    arms = Arms(lambda arm, example: 1.0)
    run(selector, arms, count=5, examples=9, finalists=5)
    run(selector, arms, count=9, examples=9, share=0)
    run(selector, arms, count=9, examples=0)
    assert not arms.rounds


@pytest.mark.parametrize("wrong", [{"subset": 0}, {"keep": 0.0}, {"keep": 1.0}])
def test_filtering_refuses_sizes_that_mean_nothing(wrong):
    with pytest.raises(ValueError, match="Filtering"):
        Filtering(**wrong)


def test_ucb_refuses_sizes_that_mean_nothing():
    with pytest.raises(ValueError, match="UCB"):
        UCB(arms_per_round=0)


def test_uniform_shows_all_arms_the_same_rows_as_many_as_the_share_pays_for_in_rounds_that_can_be_paused():
    arms = Arms(lambda arm, example: float(arm == 2))
    rounds = list(Uniform().rounds(Contest(5, 100, 2, 5 * 30 + 4), arms, random.Random(0)))
    assert [pulled for pulled, _ in arms.rounds] == [[0, 1, 2, 3, 4]] * 4
    assert len({example for _, examples in arms.rounds for example in examples}) == 30
    assert set(rounds[-1].counts) == {30}
    assert 2 in rounds[-1].alive
    assert len(rounds[-1].alive) == 2


def test_uniform_knows_all_arms_exactly_when_the_share_pays_for_it():
    assert set(run(Uniform(), Arms(lambda arm, example: example % 3), count=4, examples=50).totals) == {49.0}


@pytest.mark.parametrize(("count", "share"), [(36, 2048), (8, 400), (64, 5000), (2, 30)])
def test_successive_rejects_shows_as_many_rows_by_each_phase_as_the_paper_says(count, share):
    logbar = 0.5 + sum(1 / i for i in range(2, count + 1))
    paper = [math.ceil((share - count) / (logbar * (count + 1 - k))) for k in range(1, count)]
    assert SuccessiveRejects().schedule(count, 1, share) == list(zip(range(count, 1, -1), paper, strict=True))

    # An arm is pulled as long as it is in: the one rejected in phase k has seen n_k rows, the last one n_(K-1).
    standings = run(SuccessiveRejects(), Arms(lambda arm, example: -arm), count=count, examples=share, share=share)
    assert list(standings.counts) == [paper[-1], *reversed(paper)]
    assert sum(standings.counts) <= share


def test_successive_rejects_spends_the_share_on_the_same_proportions_when_it_wants_several_finalists():
    schedule = SuccessiveRejects().schedule(36, 4, 2048)
    assert [left for left, _ in schedule] == list(range(36, 4, -1))
    assert all(seen == pytest.approx(schedule[-1][1] * 5 / left, abs=1) for left, seen in schedule)
    assert SuccessiveRejects().cost(Contest(36, 10**4, 4, 2048)) == pytest.approx(2048, abs=36)


def test_successive_halving_splits_the_share_evenly_over_its_phases():
    halving = SuccessiveHalving().phases(Contest(36, 2048, 1, 2048))
    assert halving == [
        Phase(36, 2048 // (36 * 6), 18),
        Phase(18, 2048 // (18 * 6), 9),
        Phase(9, 2048 // (9 * 6), 5),
        Phase(5, 2048 // (5 * 6), 3),
        Phase(3, 2048 // (3 * 6), 2),
        Phase(2, 2048 // (2 * 6), 1),
    ]
    assert [phase.staying for phase in SuccessiveHalving().phases(Contest(36, 2048, 4, 2048))] == [18, 9, 5, 4]


@pytest.mark.parametrize("finalists", range(1, 9))
@pytest.mark.parametrize("count", [9, 16, 24, 36, 64])
def test_successive_halving_takes_as_many_phases_as_the_paper_and_never_keeps_fewer_than_the_finalists(
    count, finalists
):
    phases = SuccessiveHalving().phases(Contest(count, 10**6, finalists, 10**5))
    assert len(phases) == math.ceil(math.log2(count / finalists))
    assert [phase.staying for phase in phases] == [*(phase.arms for phase in phases[1:]), finalists]
    assert all(phase.staying == max(finalists, (phase.arms + 1) // 2) for phase in phases)


@pytest.mark.parametrize("selector", [SuccessiveRejects(), SuccessiveHalving()])
def test_where_rows_end_before_the_money_the_rest_buys_more_rows_for_all_phases(selector):
    def first(examples):
        return selector.phases(Contest(36, examples, 1, 2048))[0].examples

    assert first(100) > first(10**4)
    assert selector.cost(Contest(36, 100, 1, 2048)) > 0.9 * 2048
    arms = Arms(lambda arm, example: -arm)
    assert run(selector, arms, count=36, examples=100, share=2048).counts[0] == 100


@pytest.mark.parametrize("selector", [SuccessiveRejects(), SuccessiveHalving()])
def test_an_elimination_decides_by_all_that_an_arm_has_shown_and_not_by_the_newest_phase(selector):
    # Arm 0 is ahead after the first phase by more than arm 1 makes up for afterwards.
    first, later = [1.0, 0.2, 0.0, 0.0], [0.5, 0.6, 0.0, 0.0]
    arms = Arms(lambda arm, example: (first if len(arms.rounds) == 1 else later)[arm])
    standings = run(selector, arms, count=4, examples=1000, share=400)
    assert len(arms.rounds) >= 2
    assert 1 in arms.rounds[-1][0]
    assert standings.ranking[0] == 0


@pytest.mark.parametrize("selector", [Uniform(), SuccessiveRejects(), SuccessiveHalving()])
def test_among_equal_arms_the_seed_decides_and_never_their_order(selector):
    def finalists(seed):
        return run(
            selector, Arms(lambda arm, example: 0.5), count=12, examples=90, finalists=3, share=500, seed=seed
        ).alive

    assert all(len(finalists(seed)) == 3 for seed in range(20))
    assert len({finalists(seed) for seed in range(20)}) > 10
    assert finalists(7) == finalists(7)


def test_ucb_e_pulls_every_arm_before_it_trusts_any_and_compares_them_on_the_same_rows():
    arms = Arms(lambda arm, example: -10.0 * arm)
    run(UCBE(arms_per_round=2, examples_per_pull=3), arms, count=6, examples=20, share=6 * 3)
    assert sorted(arm for pulled, _ in arms.rounds for arm in pulled) == list(range(6))
    assert len({tuple(examples) for _, examples in arms.rounds}) == 1


def test_the_bonus_of_ucb_e_does_not_grow_with_the_pulls_made_and_that_of_ucb_does():
    def least_pulled(selector, share):
        return min(
            run(selector, Arms(lambda arm, example: float(arm == 0)), count=4, examples=10**4, share=share).counts
        )

    greedy = UCBE(exploration=1.0, arms_per_round=1, examples_per_pull=1)
    # The best arm leads by 1: the others are left alone as soon as sqrt(1 / pulls) is no more than that.
    assert least_pulled(greedy, 400) == least_pulled(greedy, 4000) <= 2
    paper = UCB(round_limit=10**4, arms_per_round=1, examples_per_pull=1)
    assert least_pulled(paper, 400) < least_pulled(paper, 4000)


def test_ucb_e_explores_more_with_a_larger_a():
    def least_pulled(exploration):
        arms = Arms(lambda arm, example: [0.9, 0.5, 0.4, 0.1][arm])
        return min(run(UCBE(exploration, 1, 1), arms, count=4, examples=500, share=200).counts)

    assert least_pulled(0.0) == 1
    assert least_pulled(1.0) < least_pulled(4.0) < least_pulled(100.0)
    assert least_pulled(10.0**6) == 50  # so uncertain that all are pulled in turn


def test_ucb_e_explores_log_probabilities_as_far_as_accuracies():
    def pulled(scale, shift):
        arms = Arms(lambda arm, example: shift + scale * [0.9, 0.1, 0.8, 0.0][arm])
        run(UCBE(arms_per_round=2, examples_per_pull=1), arms, count=4, examples=50, share=60)
        return arms.rounds

    assert pulled(1.0, 0.0) == pulled(128.0, -512.0)


def test_ucb_e_refuses_sizes_that_mean_nothing():
    with pytest.raises(ValueError, match="UCBE"):
        UCBE(exploration=-1)


fresh_rows_only = st.one_of(
    st.just(Uniform()),
    st.just(SuccessiveRejects()),
    st.just(SuccessiveHalving()),
    st.builds(Filtering, subset=st.none() | st.integers(1, 7), keep=st.floats(0.05, 0.95)),
    st.builds(
        UCBE,
        exploration=st.floats(0, 3),
        arms_per_round=st.floats(0.1, 8.0),
        examples_per_pull=st.integers(1, 7),
    ),
)
selectors = st.one_of(
    fresh_rows_only,
    st.builds(
        UCB,
        round_limit=st.integers(1, 9),
        arms_per_round=st.floats(0.1, 8.0),
        examples_per_pull=st.integers(1, 7),
        exploration=st.floats(0, 3),
    ),
)
contests = st.builds(
    Contest,
    arms=st.integers(0, 40),
    examples=st.integers(0, 60),
    finalists=st.integers(1, 8),
    share=st.integers(0, 2500),
)


@settings(deadline=None, max_examples=300)
@given(selectors, st.integers(0, 20), st.integers(0, 30), st.integers(1, 6), st.integers(0, 400), st.integers(0, 5))
def test_no_selector_passes_its_share_or_its_forecast_and_all_rank_every_arm(
    selector, count, examples, finalists, share, seed
):
    noise = random.Random(seed)
    arms = Arms(lambda arm, example: -noise.random())
    standings = run(selector, arms, count=count, examples=examples, finalists=finalists, share=share, seed=seed)
    assert arms.pulls <= share
    assert arms.pulls <= selector.cost(Contest(count, examples, finalists, share))
    assert sorted(standings.ranking) == list(range(count))
    assert sum(standings.counts) == arms.pulls
    assert len(standings.alive) >= min(count, finalists)


@settings(deadline=None, max_examples=100)
@given(selectors, st.integers(2, 20), st.integers(1, 30), st.integers(0, 5))
def test_without_a_share_the_forecast_of_a_selector_is_exact(selector, count, examples, seed):
    noise = random.Random(seed)
    arms = Arms(lambda arm, example: noise.random())
    run(selector, arms, count=count, examples=examples, seed=seed)
    assert arms.pulls == selector.cost(Contest(count, examples, 1, 10**6)) >= selector.needs(count, examples, 1)


@settings(deadline=None, max_examples=300)
@given(fresh_rows_only, contests, st.integers(0, 5))
def test_no_arm_is_pulled_twice_on_a_row_and_all_arms_of_a_round_see_the_same_rows(selector, contest, seed):
    noise, seen = random.Random(seed), set()

    def pull(arms, examples):
        asked = [(arm, example) for arm in arms for example in examples]
        assert asked
        assert seen.isdisjoint(asked)
        seen.update(asked)
        return [[noise.random() for _ in examples] for _ in arms]

    rounds = list(selector.rounds(contest, pull, random.Random(seed)))
    assert len(seen) <= contest.share
    assert all(max(standings.counts) <= contest.examples for standings in rounds)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from([Uniform(), SuccessiveRejects(), SuccessiveHalving()]), contests, st.integers(0, 5))
def test_an_elimination_leaves_the_finalists_and_has_judged_every_arm_or_none(selector, contest, seed):
    noise = random.Random(seed)
    arms = Arms(lambda arm, example: -1 - noise.random())
    rounds = list(selector.rounds(contest, arms, random.Random(seed)))
    assert arms.pulls == selector.cost(contest) <= contest.share
    possible = contest.finalists < contest.arms <= contest.share and contest.examples > 0
    assert bool(rounds) == possible
    if possible:
        assert len(rounds[-1].alive) == contest.finalists
        assert min(rounds[-1].counts) > 0
        assert set(rounds[-1].ranking[: contest.finalists]) == set(rounds[-1].alive)
        assert all(
            later.alive == earlier.alive or set(later.alive) < set(earlier.alive) for earlier, later in pairwise(rounds)
        )


@pytest.mark.parametrize("selector", [Filtering(), UCB(), UCBE(), Uniform(), SuccessiveRejects(), SuccessiveHalving()])
@pytest.mark.parametrize("count", [4, 5, 6, 36])
@pytest.mark.parametrize("share", [3, 4, 5, 8, 36, 37, 100, 2048])
def test_a_beam_of_four_keeps_to_its_share_with_as_many_arms_or_one_or_many_more(selector, count, share):
    arms = Arms(lambda arm, example: float((arm + example) % 3 == 0))
    standings = run(selector, arms, count=count, examples=2000, finalists=4, share=share)
    assert arms.pulls <= share
    assert len(standings.alive) >= 4


@settings(deadline=None, max_examples=100)
@given(selectors, contests, st.integers(0, 5))
def test_the_same_seed_makes_the_same_pulls_and_only_random_is_drawn_from(selector, contest, seed):
    class OnlyRandom:
        """Python promises an equal stream for this method alone."""

        def __init__(self):
            self.random = random.Random(seed).random

    def pulled(rng):
        noise = random.Random(seed)
        arms = Arms(lambda arm, example: noise.random())
        rounds = list(selector.rounds(contest, arms, rng))
        return arms.rounds, rounds

    assert pulled(OnlyRandom()) == pulled(random.Random(seed))


@settings(deadline=None, max_examples=100)
@given(selectors, contests, st.integers(0, 5))
def test_arms_that_were_never_pulled_rank_behind_all_others_with_rewards_below_zero(selector, contest, seed):
    noise = random.Random(seed)
    rounds = list(selector.rounds(contest, Arms(lambda arm, example: -100 * noise.random()), random.Random(seed)))
    if rounds and len(rounds[-1].alive) == contest.arms:
        pulled = [rounds[-1].counts[arm] > 0 for arm in rounds[-1].ranking]
        assert pulled == sorted(pulled, reverse=True)
