"""Our selectors beside the code that papers released, on the same scripted rewards.

What that code pulled and kept was recorded once: peers/bandits.json. Where it does what its paper says, ours decides
alike; where it does not, the record shows how, and ours does not follow.
"""

from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path

import pytest

from burnish.teleprompters.bandits import UCB, UCBE, Contest, SuccessiveHalving, SuccessiveRejects, Uniform

PEERS = json.loads((Path(__file__).parent / "peers/bandits.json").read_text(encoding="utf-8"))
MANY = 10**4  # rows, so that none comes twice


def pulled_by(selector, contest, rewards_of, seed=0):
    """Arms and number of rows of each round, and the standings after each. rewards_of(arm, its earlier pulls, rows)."""
    rounds, before = [], {}

    def pull(arms, examples):
        rounds.append((list(arms), len(examples)))
        rewards = [rewards_of(arm, before.get(arm, 0), len(examples)) for arm in arms]
        before.update({arm: before.get(arm, 0) + 1 for arm in arms})
        return rewards

    standings = list(selector.rounds(contest, pull, random.Random(seed)))
    return rounds, standings


def by_script(peer):
    """Rewards of 0 and 1: how many rows of its nth pull an arm gets right is written down."""

    def rewards(arm, before, rows):
        right = peer["right"][arm][before]
        return [1.0] * right + [0.0] * (rows - right)

    return rewards


def by_arm(peer):
    return lambda arm, before, rows: [peer["rewards"][arm]] * rows


def share(peer):
    return len(peer["rounds"]) * peer["arms_per_round"] * peer["examples_per_pull"]


def sizes(peer):
    return {"arms_per_round": peer["arms_per_round"], "examples_per_pull": peer["examples_per_pull"]}


def elimination(peer):
    return Contest(peer["arms"], MANY, peer["finalists"], peer["budget"])


def best(peer):
    """The finalists by the rewards, which have no noise."""
    return set(sorted(range(peer["arms"]), key=lambda arm: -peer["rewards"][arm])[: peer["finalists"]])


@pytest.mark.parametrize(
    ("name", "selector"),
    [("ape_ucb", UCB(round_limit=16)), ("protegi_ucb_e", UCBE(exploration=PEERS["protegi_ucb_e"]["c"] ** 3))],
    ids=["UCB", "UCB-E"],
)
def test_once_every_arm_has_been_pulled_the_same_rewards_lead_to_the_same_arms_round_after_round(name, selector):
    peer = PEERS[name]
    selector = type(selector)(**{**vars(selector), **sizes(peer)})
    rounds, standings = pulled_by(selector, Contest(peer["arms"], MANY, 1, share(peer)), by_script(peer))
    first_pass = peer["arms"] // peer["arms_per_round"]
    for pulled in ([arms for arms, _ in rounds], peer["rounds"]):
        assert sorted(arm for arms in pulled[:first_pass] for arm in arms) == list(range(peer["arms"]))
    assert [arms for arms, _ in rounds][first_pass:] == [sorted(arms) for arms in peer["rounds"]][first_pass:]
    assert list(standings[-1].counts) == peer["counts"]
    assert [standings[-1].mean(arm) for arm in range(peer["arms"])] == pytest.approx(peer["means"])


def test_a_logarithm_of_the_round_makes_the_second_round_repeat_the_first_and_ours_counts_pulls():
    peer = PEERS["protegi_ucb"]
    assert sorted(peer["rounds"][1]) == sorted(peer["rounds"][0])
    for seed in range(20):
        selector = UCB(round_limit=len(peer["rounds"]), **sizes(peer))
        rounds, _ = pulled_by(selector, Contest(peer["arms"], MANY, 1, share(peer)), by_script(peer), seed)
        assert not set(rounds[0][0]) & set(rounds[1][0])


@pytest.mark.parametrize("selector", [UCB(round_limit=2), UCBE(), Uniform(), SuccessiveRejects(), SuccessiveHalving()])
def test_an_arm_that_was_never_pulled_wins_there_when_rewards_are_negative_and_comes_last_here(selector):
    peer = PEERS["ape_ucb_negative"]
    never = set(range(peer["arms"])) - {arm for arms in peer["rounds"] for arm in arms}
    assert set(peer["ranking"][: len(never)]) == never
    if isinstance(selector, UCB):
        selector = UCB(round_limit=2, **sizes(peer))
    for seed in range(20):
        contest = Contest(peer["arms"], MANY, 1, share(peer))
        last = pulled_by(selector, contest, by_arm(peer), seed)[1][-1]
        assert last.counts[last.ranking[0]] > 0
        assert last.ranking[0] == max(
            (arm for arm in range(peer["arms"]) if last.counts[arm]), key=lambda arm: peer["rewards"][arm]
        )


def test_successive_rejects_rejects_in_the_same_order_and_keeps_to_the_share_that_is_passed_there():
    peer = PEERS["protegi_sr"]
    rounds, standings = pulled_by(SuccessiveRejects(), elimination(peer), by_arm(peer))
    assert set(standings[-1].alive) == best(peer) == {a for a in range(36) if peer["ranks"][a] == max(peer["ranks"])}
    for one in standings:  # whoever is out there went before whoever is still in
        out = [peer["ranks"][arm] for arm in range(36) if arm not in one.alive]
        assert max(out) < min(peer["ranks"][arm] for arm in one.alive)
    spent = sum(len(arms) * rows for arms, rows in rounds)
    assert spent <= peer["budget"] == 2048
    assert peer["spent"] == 5878
    assert peer["spent"] == sum(a * n for a, n in zip(peer["arms_by_phase"], peer["examples_by_phase"], strict=True))


def test_successive_rejects_remembers_the_first_phase_which_is_forgotten_there():
    peer = PEERS["protegi_sr_newest_phase"]

    def rewards(arm, before, rows):
        return [(peer["later_phases"] if before else peer["first_phase"])[arm]] * rows

    _, standings = pulled_by(SuccessiveRejects(), elimination(peer), rewards)
    assert standings[-1].alive == (0,)
    assert peer["ranks"].index(max(peer["ranks"])) == 1


def test_successive_halving_makes_the_same_phases_where_the_average_parts_the_arms_in_halves():
    peer = PEERS["protegi_sh"]
    rounds, standings = pulled_by(SuccessiveHalving(), elimination(peer), by_arm(peer))
    assert rounds == [tuple(phase) for phase in peer["phases"]]
    assert set(standings[-1].alive) == best(peer) == {peer["ranks"].index(max(peer["ranks"]))}


def test_successive_halving_halves_equal_arms_which_all_stay_there():
    peer = PEERS["protegi_sh_tie"]
    assert all(arms == list(range(8)) for arms, _ in peer["phases"])
    assert len(set(peer["ranks"])) == 1
    rounds, standings = pulled_by(SuccessiveHalving(), elimination(peer), by_arm(peer))
    assert [len(arms) for arms, _ in rounds] == [8, 4]
    assert len(standings[-1].alive) == peer["finalists"]


def test_successive_halving_keeps_the_finalists_where_an_average_leaves_one_arm():
    peer = PEERS["protegi_sh_skewed"]
    assert peer["phases"][1][0] == [2]
    assert sum(rank == max(peer["ranks"]) for rank in peer["ranks"]) == 1 < peer["finalists"]
    _, standings = pulled_by(SuccessiveHalving(), elimination(peer), by_arm(peer))
    assert len(standings[-1].alive) == peer["finalists"]
    assert {2, 6} <= set(standings[-1].alive)
    assert all(set(later.alive) <= set(earlier.alive) for earlier, later in pairwise(standings))
