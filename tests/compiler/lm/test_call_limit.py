"""A limit on calls holds whatever is asked again."""

from __future__ import annotations

import pytest

from burnish import BudgetError
from burnish.compiler.lm.call_limit import CallLimit
from burnish.teleprompters.base import Spend


def test_attempts_beyond_the_limit_are_refused_and_unbilled_ones_are_given_back():
    limit = CallLimit(2, "run again")
    limit.begin("a", Spend(1))
    limit.end("a", "unbilled", Spend(1))
    limit.begin("a", Spend(1))
    limit.end("a", "maybe", Spend(1))
    limit.begin("b", Spend(1))
    limit.end("b", "reply", Spend(1))
    with pytest.raises(BudgetError, match=r"The 2 calls of the budget are spent.*or run again"):
        limit.begin("c", Spend(1))
    assert limit.sent == 2
