from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.teleprompters.bandits import UCB, Contest, Filtering, Standings


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


@pytest.mark.parametrize("selector", [Filtering(), UCB()])
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


selectors = st.one_of(
    st.builds(Filtering, subset=st.none() | st.integers(1, 7), keep=st.floats(0.05, 0.95)),
    st.builds(
        UCB,
        round_limit=st.integers(1, 9),
        arms_per_round=st.floats(0.1, 8.0),
        examples_per_pull=st.integers(1, 7),
        exploration=st.floats(0, 3),
    ),
)


@settings(deadline=None, max_examples=150)
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
