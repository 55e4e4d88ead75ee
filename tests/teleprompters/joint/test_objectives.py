from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.signatures.candidate import Candidate, Part
from burnish.signatures.prompt import Prompt
from burnish.signatures.schema import Field, Schema
from burnish.teleprompters.base import Outcome, Score, Spend, Step
from burnish.teleprompters.joint.objectives import (
    Cost,
    Dollars,
    Latency,
    Point,
    PromptTokens,
    one_standard_error,
    pareto,
)
from burnish.teleprompters.token_cost import prompt_tokens

SCHEMA = Schema((Field("review"),), (Field("label"),))


def candidate(name):
    return Candidate.of({"self": Part(Prompt(SCHEMA, f"Do {name}."))})


def point(name, values, *costs):
    """A candidate with its scores row by row, "1101", and what it costs."""
    scores = tuple(float(digit) for digit in values)
    return Point(Score(candidate(name), scores, tuple(map(str, range(len(scores))))), tuple(map(float, costs)))


def mean_point(name, mean, costs):
    return Point(Score(candidate(name), (mean,), ("row",)), costs)


# the front

levels = st.sampled_from([0.0, 0.25, 0.5, 1.0])
clouds = st.integers(1, 3).flatmap(
    lambda objectives: st.lists(st.tuples(levels, st.tuples(*[levels] * objectives)), min_size=1, max_size=12)
)


@given(clouds)
def test_the_front_is_what_nothing_beats_in_something_without_being_worse_in_anything(cloud):
    points = [mean_point(number, mean, costs) for number, (mean, costs) in enumerate(cloud)]

    def beats(one, other):
        as_good = one.score.mean >= other.score.mean and one.costs_no_more_than(other)
        return as_good and (one.score.mean, one.costs) != (other.score.mean, other.costs)

    unbeaten = [one for one in points if not any(beats(other, one) for other in points)]
    front = pareto(points)
    assert {(one.score.mean, one.costs) for one in front} == {(one.score.mean, one.costs) for one in unbeaten}
    assert len({(one.score.mean, one.costs) for one in front}) == len(front), "each once"
    assert [one.score.mean for one in front] == sorted((one.score.mean for one in front), reverse=True)
    firsts = {(one.score.mean, one.costs): one for one in reversed(points)}
    assert front == [firsts[one.score.mean, one.costs] for one in front], "and of equals the first"


def test_without_a_cost_that_differs_the_front_is_the_best_alone():
    assert pareto([point("a", "11", 5), point("b", "10", 5)]) == [point("a", "11", 5)]


# the one-standard-error rule


def test_the_cheapest_within_one_standard_error_of_the_best_is_picked():
    best = point("best", "1111111100", 100)
    # One row of ten fewer: the difference is 0.1, its standard error sqrt(0.1 * 0.9 * 10 / 9 / 10) = 0.1.
    close = point("close", "1111111000", 50)
    # Two of ten fewer: 0.2 against sqrt(0.2 * 0.8 * 10 / 9 / 10) = 0.133.
    far = point("far", "1111110000", 10)
    assert one_standard_error([best, close, far]) == close
    assert one_standard_error([best, far]) == best


def test_rows_on_which_both_change_make_the_difference_less_certain():
    best = point("best", "1111111100", 100)
    # Two of ten fewer as well, but right elsewhere: the differences are +1 four times and -1 twice, so the error is
    # sqrt((6 - 0.04 * 10) / 9 / 10) = 0.249.
    other = point("other", "1111000011", 10)
    assert one_standard_error([best, other]) == other


def test_of_equal_costs_the_better_is_picked_and_equal_scores_are_within_any_error():
    assert one_standard_error([point("a", "1110", 10), point("b", "1111", 10)]) == point("b", "1111", 10)
    assert one_standard_error([point("a", "1110", 10), point("b", "1110", 9)]) == point("b", "1110", 9)
    assert one_standard_error([point("a", "1", 10)]) == point("a", "1", 10)
    assert one_standard_error([point("a", "1", 10), point("b", "0", 1)]) == point("a", "1", 10), "one row tells nothing"


# costs


def answering(*outcomes):
    """A bench of as many rows, on which the program gives these outcomes."""
    rows = [SimpleNamespace(digest=f"row {n}") for n in range(len(outcomes))]
    given = {row.digest: outcome for row, outcome in zip(rows, outcomes, strict=True)}
    bench = SimpleNamespace(dev=rows, predict=lambda candidate, examples: [given[row.digest] for row in examples])
    return bench, Score(candidate("it"), (1.0,) * len(rows), tuple(row.digest for row in rows))


def outcome(reply, calls=1, tokens=0, usd=0.0):
    return Outcome(1.0, trace=(Step("self", {}, {}, reply),), spend=Spend(calls, tokens, usd))


def test_dollars_are_those_of_a_thousand_executions():
    bench, score = answering(outcome("yes", usd=0.002), outcome("no", usd=0.004))
    assert Dollars().of(bench, score) == pytest.approx(3.0)
    assert Dollars().of(*answering(outcome("yes"))) == 0.0


def test_latency_is_reckoned_from_calls_and_the_tokens_that_are_read_and_written():
    bench, score = answering(outcome("x" * 400, calls=2, tokens=1100), outcome("", calls=1, tokens=1000))
    # 3 calls, 100 tokens written, 2000 read, by two executions.
    assert Latency(prompt=1000, reply=50, call=0.5).of(bench, score) == pytest.approx((1.5 + 2.0 + 2.0) / 2)
    assert Latency(call=0.0).of(*answering(outcome("x" * 400, tokens=10))) == pytest.approx(2.0), "never below nothing"


def test_a_cost_is_of_the_rows_that_were_scored_alone():
    bench, score = answering(outcome("yes", usd=0.002), outcome("no", usd=0.004))
    first = Score(score.candidate, score.values[:1], score.examples[:1])
    assert Dollars().of(bench, first) == pytest.approx(2.0)


def test_prompt_tokens_are_the_length_of_all_prompts():
    bench, score = answering(outcome("yes"))
    assert PromptTokens().of(bench, score) == prompt_tokens(score.candidate) > 0


@pytest.mark.parametrize(
    ("speeds", "named"),
    [
        ({"prompt": 0.0}, "prompt=0.0"),
        ({"reply": -1.0}, "reply=-1.0"),
        ({"call": -0.1}, "call=-0.1"),
        ({"reply": math.nan}, "reply=nan"),
    ],
)
def test_speeds_that_mean_nothing_are_refused_and_named(speeds, named):
    with pytest.raises(ValueError, match=named):
        Latency(**speeds)


def test_a_point_says_what_it_is_with_its_costs_in_the_order_of_the_objectives():
    made = point("a", "11", 0.1 + 0.2, 7)
    assert made.to_json() == {"candidate": made.score.candidate.digest, "dev": 1.0, "costs": [0.3, 7.0]}


def test_two_costs_of_one_unit_are_both_said_and_a_cost_is_called_what_it_is():
    class Words(Cost):
        unit = "tokens"

        def of(self, bench, score):
            return 1.0

    assert point("a", "11", 3, 4).to_json()["costs"] == [3.0, 4.0]
    assert [cost.name for cost in (PromptTokens(), Words())] == ["PromptTokens", "Words"]
