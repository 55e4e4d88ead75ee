from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.teleprompters.joint.portfolio import EXPLORED, LATELY, Portfolio


def played(rates, calls, cost=lambda name, turn: 20):
    """A portfolio whose arms bring so much a call, after so many calls. Gives it and the arms in their order."""
    portfolio, order = Portfolio(list(rates)), []
    while sum(account.calls for account in portfolio.accounts.values()) < calls:
        name = portfolio.next(list(rates))
        spent = cost(name, len(order))
        portfolio.settle(name, spent, rates[name] * spent)
        order.append(name)
    return portfolio, order


def shares(portfolio):
    total = sum(account.calls for account in portfolio.accounts.values())
    return {name: account.calls / total for name, account in portfolio.accounts.items()}


def test_every_arm_has_a_turn_first_in_the_order_given_and_calls_are_shared_alike_where_nothing_is_brought():
    portfolio, order = played({"a": 0.0, "b": 0.0, "c": 0.0}, 3000)
    assert order[:3] == ["a", "b", "c"]
    assert shares(portfolio) == pytest.approx({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}, abs=0.01)


def test_calls_are_shared_in_proportion_to_what_arms_bring_with_a_part_for_all_alike():
    rates = {"a": 1e-4, "b": 2e-4, "c": 5e-4, "d": 0.0}
    portfolio, _ = played(rates, 40_000)
    even, total = EXPLORED / len(rates), sum(rates.values())
    wanted = {name: even + (1 - EXPLORED) * rate / total for name, rate in rates.items()}
    assert shares(portfolio) == pytest.approx(wanted, abs=0.02)
    assert {name: portfolio.share(name) for name in rates} == pytest.approx(wanted)


def test_it_is_calls_that_are_shared_and_not_turns():
    portfolio, order = played({"dear": 1e-4, "cheap": 1e-4}, 40_000, lambda name, turn: 200 if name == "dear" else 10)
    assert shares(portfolio) == pytest.approx({"dear": 0.5, "cheap": 0.5}, abs=0.02)
    assert order.count("cheap") > 10 * order.count("dear")


def test_an_arm_that_brings_nothing_is_asked_less_and_never_starved():
    portfolio, order = played({"good": 1e-3, "idle": 0.0}, 40_000)
    turns = [number for number, name in enumerate(order) if name == "idle"]
    gaps = [after - before for before, after in pairwise(turns)]
    assert 0 < shares(portfolio)["idle"] < 0.5
    assert max(gaps) <= 2 + 2 / (EXPLORED / 2)


def test_only_what_was_brought_of_late_counts():
    portfolio = Portfolio(["a", "b"])
    portfolio.settle("a", 10, 0.5)
    for _ in range(LATELY):
        portfolio.settle("b", 10, 0.01)
    assert portfolio.share("a") > portfolio.share("b")
    for _ in range(LATELY):
        portfolio.settle("a", 10, 0.0)
    assert portfolio.share("a") < portfolio.share("b")
    assert portfolio.accounts["a"].gain == 0.5, "though the account knows it"


def test_an_arm_that_begins_to_bring_something_is_found_out():
    portfolio, late = Portfolio(["early", "late"]), 0
    for turn in range(400):
        name = portfolio.next(["early", "late"])
        brings = name == ("early" if turn < 100 else "late")
        portfolio.settle(name, 20, 0.01 * brings)
        late += turn >= 200 and name == "late"
    assert late > 120


rates = st.lists(st.sampled_from([0.0, 1e-4, 1e-3, 0.1]), min_size=1, max_size=6)


@given(rates, st.lists(st.integers(0, 300), min_size=1, max_size=40))
def test_shares_add_up_to_one_and_what_is_owed_to_nothing(given, costs):
    arms = {f"arm {number}": rate for number, rate in enumerate(given)}
    portfolio = Portfolio(list(arms))
    for cost in costs:
        name = portfolio.next(list(arms))
        portfolio.settle(name, cost, arms[name] * cost)
        assert sum(portfolio.share(one) for one in arms) == pytest.approx(1.0)
        assert min(portfolio.share(one) for one in arms) > 0
        assert sum(account.credit for account in portfolio.accounts.values()) == pytest.approx(0.0, abs=1e-6)
    assert sum(account.calls for account in portfolio.accounts.values()) == sum(costs)
    assert sum(account.turns for account in portfolio.accounts.values()) == len(costs)


@given(rates, st.integers(0, 2**16))
def test_only_arms_that_wait_are_asked(given, bits):
    arms = [f"arm {number}" for number in range(len(given))]
    waiting = [name for number, name in enumerate(arms) if bits >> number & 1] or arms[:1]
    assert Portfolio(arms).next(waiting) == waiting[0]


def test_a_turn_that_is_free_is_charged_with_the_least_and_said_to_have_cost_nothing():
    portfolio = Portfolio(["free", "dear"])
    portfolio.settle("free", 0, 0.5, least=8)
    assert (portfolio.accounts["free"].calls, portfolio.accounts["free"].rate) == (0, 0.5 / 8)
    assert portfolio.next(["free", "dear"]) == "dear", "or it would have all turns"
    portfolio.settle("dear", 30, 0.0, least=8)
    assert (portfolio.accounts["dear"].calls, portfolio.accounts["dear"].lately[-1]) == (30, (30, 0.0))


def test_what_each_arm_cost_and_brought_is_said_in_the_order_of_the_arms():
    portfolio = Portfolio(["b", "a"])
    portfolio.settle("a", 30, 0.25)
    portfolio.settle("a", 12, 0.0)
    assert portfolio.to_json() == [
        {"arm": "b", "turns": 0, "calls": 0, "gain": 0.0},
        {"arm": "a", "turns": 2, "calls": 42, "gain": 0.25},
    ]
