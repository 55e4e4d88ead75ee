from __future__ import annotations

import pytest

from burnish.teleprompters.base import Sizes
from burnish.teleprompters.joint.arms import named
from burnish.teleprompters.joint.defaults import proposers_for, selectors_for


def sizes(executions):
    return Sizes(pool=100, dev=60, predictors=1, executions=executions)


def chosen(executions, formats=None):
    return [name for name, _ in named([*selectors_for(sizes(executions), formats), *proposers_for(sizes(executions))])]


def test_the_more_money_there_is_the_more_searches_take_part():
    counts = [len(chosen(executions)) for executions in (0, 100, 300, 1000, 3000, 10_000)]
    assert counts == sorted(counts)
    assert counts[0] >= 1
    assert counts[-1] > counts[0]


@pytest.mark.parametrize("executions", [0, 500, 10_000])
def test_every_search_has_a_name_of_its_own_and_needs_neither_an_encoder_nor_log_probabilities(executions):
    names = chosen(executions)
    assert len(set(names)) == len(names)
    assert all(search.forecast(sizes(executions)).embeddings == 0 for search in proposers_for(sizes(executions)))


def test_formats_are_those_that_the_user_names():
    assert selectors_for(sizes(1000), ("xml", "json"))[0].formats == ("xml", "json")
