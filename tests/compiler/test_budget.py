"""What users may rely on: a budget is never passed, whatever fails, is killed or is repeated."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.compiler.attempts import AttemptLog
from burnish.compiler.budget import Budget, Ledger
from burnish.signatures.errors import BudgetError
from burnish.teleprompters.base import Spend

ONE = Spend(calls=1, tokens=100, usd=0.01)


def key(number: int) -> str:
    return f"{number:032x}" * 2


@pytest.mark.parametrize(
    "wrong",
    [{"calls": 0}, {"calls": -1}, {"usd": float("nan")}, {"tokens": 1.5}, {"calls": True}, {"calls": "9"}, {}],
)
def test_a_budget_that_limits_nothing_or_makes_no_sense_is_refused(wrong):
    with pytest.raises(BudgetError):
        Budget(**wrong)


def test_what_does_not_fit_is_not_admitted_and_the_account_stays_shut():
    ledger = Ledger(Budget(calls=5))
    assert ledger.admit("search", [ONE] * 9) == 5
    for number in range(5):
        ledger.charge(key(number), ONE, paid=True)
    ledger.settle("search")
    assert ledger.admit("search", [ONE]) == 0
    assert ledger.is_shut("search")
    assert ledger.admit("search", [Spend()]) == 0, "a shut account admits nothing, however cheap"


def test_what_was_reserved_and_not_spent_is_there_for_the_next_block():
    ledger = Ledger(Budget(calls=7))
    assert ledger.admit("search", [Spend(2)] * 5) == 3
    for number in range(3):
        ledger.charge(key(number), Spend(1), paid=True)
    ledger.settle("search")
    assert ledger.admit("search", [Spend(2)] * 5) == 2


def test_a_request_is_charged_once_a_run_whether_the_cache_or_the_server_answers():
    ledger = Ledger(Budget(calls=100))
    ledger.admit("search", [ONE] * 3)
    ledger.charge(key(1), ONE, paid=True)
    ledger.charge(key(1), ONE, paid=False)
    ledger.charge(key(2), ONE, paid=False)
    assert ledger.spent() == Spend(2, 200, 0.02)
    assert ledger.paid.spend == ONE


def test_cached_free_spends_the_savings_but_not_what_an_earlier_process_of_the_run_paid(tmp_path):
    log = AttemptLog(tmp_path / "attempts", answered=lambda key: True)
    log.begin(key(1), ONE)
    log.end(key(1), "reply")
    log.close()
    ledger = Ledger(Budget(calls=100, cached="free"), attempts=AttemptLog(tmp_path / "attempts", lambda key: True))
    ledger.charge(key(1), ONE, paid=False)
    ledger.charge(key(2), ONE, paid=False)
    assert ledger.spent().calls == 1


def test_an_attempt_in_flight_at_a_kill_is_drawn_from_the_fault_account(tmp_path):
    log = AttemptLog(tmp_path / "attempts", answered=lambda key: True)
    log.begin(key(1), ONE)  # its reply arrived
    log.begin(key(2), ONE)  # refused, unbilled
    log.end(key(2), "unbilled")
    log.begin(key(3), ONE)  # killed in flight
    log.begin(key(4), ONE)  # timed out
    log.end(key(4), "maybe")
    log.close()
    again = AttemptLog(tmp_path / "attempts", answered=lambda k: k == key(1))
    ledger = Ledger(Budget(calls=100), attempts=again)
    assert ledger.faults.calls == 2


@pytest.mark.parametrize(("answered", "lost"), [(False, 5), (True, 4)])
def test_a_request_that_was_sent_and_killed_in_each_of_five_processes_counts_every_time(tmp_path, answered, lost):
    for _ in range(5):
        log = AttemptLog(tmp_path / "attempts", answered=lambda key: False)
        log.begin(key(1), ONE)
        log.close()
    again = AttemptLog(tmp_path / "attempts", answered=lambda key: answered)
    assert again.unanswered == (ONE,) * lost
    assert again.paid == ({key(1)} if answered else set())
    assert Ledger(Budget(calls=100), attempts=again).faults.calls == lost


def test_a_torn_line_in_the_log_of_attempts_hides_nothing(tmp_path):
    path = tmp_path / "attempts"
    log = AttemptLog(path, answered=lambda key: False)
    log.begin(key(1), ONE)
    log.close()
    path.write_bytes(path.read_bytes() + b'["begin", "abc')
    again = AttemptLog(path, answered=lambda key: False)
    again.begin(key(2), ONE)
    again.close()
    assert len(AttemptLog(path, answered=lambda key: False).unanswered) == 2


def test_when_the_fault_account_is_overdrawn_nothing_more_is_sent():
    ledger = Ledger(Budget(calls=20))
    for number in range(3):
        ledger.begin(key(number), ONE)
        ledger.end(key(number), "maybe", ONE)
    with pytest.raises(BudgetError, match="set aside"):
        ledger.begin(key(9), ONE)


def test_attempts_in_flight_can_never_empty_the_fault_account_at_once():
    ledger = Ledger(Budget(calls=300))
    assert ledger.flight_limit(ONE) == 10
    assert Ledger(Budget(calls=1)).flight_limit(ONE) == 1
    assert Ledger(Budget(seconds=9)).flight_limit(ONE) > 1000


def test_a_budget_in_seconds_admits_nothing_after_its_end():
    now = [0.0]
    ledger = Ledger(Budget(seconds=10), clock=lambda: now[0], spent_seconds=4)
    assert ledger.admit("search", [ONE]) == 1
    ledger.settle("search")
    now[0] = 6.0
    assert ledger.admit("search", [ONE]) == 0


def test_dollars_add_up_to_the_same_sum_in_any_order():
    prices = [0.1, 0.2, 0.3, 1e-7, 3e-9]
    sums = set()
    for order in (prices, prices[::-1]):
        ledger = Ledger(Budget(usd=100))
        for number, usd in enumerate(order):
            ledger.charge(key(number), Spend(1, 1, usd), paid=True)
        sums.add(ledger.spent().usd)
    assert len(sums) == 1


@settings(deadline=None, max_examples=150)
@given(
    limit=st.integers(1, 200),
    final=st.integers(0, 300),
    worst=st.integers(1, 4),
    sizes=st.lists(st.integers(1, 40), max_size=20),
    data=st.data(),
)
def test_no_sequence_of_blocks_spends_more_than_the_budget(limit, final, worst, sizes, data):
    ledger = Ledger(Budget(calls=limit), final_need=Spend(calls=final))
    used = 0
    for account in ("search", "final"):
        for size in sizes:
            admitted = ledger.admit(account, [Spend(worst)] * size)
            for _ in range(admitted):
                for _ in range(data.draw(st.integers(0, worst))):
                    used += 1
                    ledger.charge(key(used), Spend(1), paid=True)
            ledger.settle(account)
    assert ledger.spent().calls == used <= limit
