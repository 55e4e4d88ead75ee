from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.signatures.candidate import Candidate, Part
from burnish.signatures.formats import FORMATS
from burnish.signatures.prompt import Demo, DemoRule, Prompt
from burnish.signatures.schema import Field, Schema
from burnish.teleprompters.asking import Writing
from burnish.teleprompters.base import Score
from burnish.teleprompters.token_cost import TokenCost, front, prompt_tokens


def instructed(text):
    return Candidate.of({"self": Part(Prompt(Schema((Field("review"),), (Field("label"),)), text))})


def scored(candidate, mean):
    return Score(candidate, (mean,) * 4, ("a", "b", "c", "d"))


def demos(count, length=400):
    return tuple(Demo.of({"review": f"{n:0{length}}", "label": "positive"}) for n in range(count))


def demo_tokens(candidate, **changes):
    """How many tokens more the prompt has with these demonstrations."""
    return prompt_tokens(candidate.with_prompt("self", **changes)) - prompt_tokens(candidate)


# how long a prompt is


def test_four_bytes_are_a_token_so_letters_beyond_ascii_count_more(make_student):
    short = prompt_tokens(make_student("Do it."))
    assert prompt_tokens(make_student("Do it." + "a" * 400)) == short + 100
    assert prompt_tokens(make_student("Do it." + "é" * 400)) == short + 200
    assert prompt_tokens(make_student("Do it." + "字" * 400)) == short + 300


def test_the_literal_text_counts_and_the_inputs_do_not(make_student):
    candidate = make_student("Do it.").with_prompt("self", format="plain")
    messages = candidate.prompt("self").template.render({"review": ""})
    rendered = sum(len(message["content"].encode()) for message in messages)
    assert prompt_tokens(candidate) == pytest.approx(rendered / 4, abs=1)


def test_all_predictors_count(make_student):
    fields = (("review",), ("label",))
    one, two = make_student("Do it.", a=fields), make_student("Do it.", a=fields, b=fields)
    assert prompt_tokens(two) == pytest.approx(2 * prompt_tokens(one), abs=1)


@pytest.mark.parametrize("format", FORMATS)
def test_demonstrations_count_in_full(make_student, format):
    candidate = make_student().with_prompt("self", format=format)
    one, three = (demo_tokens(candidate, demos=demos(count)) for count in (1, 3))
    assert one >= 100
    assert three == pytest.approx(3 * one, abs=2)


def test_of_demonstrations_picked_per_query_as_many_count_as_are_picked_at_their_mean_length(make_student):
    candidate = make_student()
    fixed = demo_tokens(candidate, demos=demos(2))
    assert demo_tokens(candidate, demos=demos(50), rule=DemoRule(k=2)) == pytest.approx(fixed, abs=1)
    # No more than are held.
    assert demo_tokens(candidate, demos=demos(2), rule=DemoRule(k=9)) == pytest.approx(fixed, abs=1)
    mixed = (*demos(1, 400), *demos(1, 1200))
    assert demo_tokens(candidate, demos=mixed, rule=DemoRule(k=1)) == pytest.approx(
        demo_tokens(candidate, demos=mixed) / 2, abs=1
    )


# what it costs


def test_the_penalty_is_what_100_tokens_are_worth(make_student):
    cost = TokenCost(usd_per_million=0.15, penalty=0.01)
    short, long = make_student("Do it."), make_student("Do it." + "a" * 400)
    assert cost.of(long) - cost.of(short) == pytest.approx(0.01)
    assert cost.value(scored(long, 0.8)) == pytest.approx(0.8 - 0.01 * prompt_tokens(long) / 100)
    # A point of 100 for 100 tokens: two points more are worth them, half a point is not.
    assert cost.value(scored(long, 0.52)) > cost.value(scored(short, 0.50)) > cost.value(scored(long, 0.505))


def test_without_a_penalty_candidates_are_compared_by_their_scores_alone(make_student):
    cost = TokenCost(usd_per_million=0.15)
    assert cost.of(make_student("Do it." * 100)) == 0
    assert cost.value(scored(make_student("Do it." * 100), 0.7)) == pytest.approx(0.7)


def test_the_writer_is_told_the_price_of_a_token_and_how_many_there_are(make_student):
    candidate = make_student("Do it.")
    told = TokenCost(usd_per_million=0.15).told(candidate)
    assert "$0.00000015" in told
    assert f"about {prompt_tokens(candidate)} tokens" in told


@pytest.mark.parametrize("wrong", [-0.1, math.inf, math.nan])
def test_a_price_or_penalty_that_means_nothing_is_refused(wrong):
    for given_wrong in ({"usd_per_million": wrong}, {"usd_per_million": 0.15, "penalty": wrong}):
        with pytest.raises(ValueError, match="finite"):
            TokenCost(**given_wrong)


@pytest.mark.parametrize("wrong", [{"temperature": -1.0}, {"max_tokens": 0}, {"max_length": 0}])
def test_ways_of_writing_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match="Writing"):
        Writing(**wrong)


# accuracy against length


def test_the_front_holds_what_nothing_shorter_beats_shortest_first(make_student):
    def one(length, mean):
        return scored(make_student("a" * length), mean)

    short, middle, long = one(40, 0.5), one(400, 0.7), one(4000, 0.9)
    worse, equal = one(2000, 0.6), one(800, 0.7)
    assert front([long, worse, middle, equal, short]) == [short, middle, long]
    assert front([worse]) == [worse]
    assert front([]) == []


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 10)), max_size=12))
def test_whatever_is_not_on_the_front_is_beaten_by_something_there(points):
    scores = [scored(instructed("abcd" * length), mean / 10) for length, mean in points]
    kept = front(scores)
    sizes = [prompt_tokens(score.candidate) for score in kept]
    assert sizes == sorted(set(sizes))
    assert [score.mean for score in kept] == sorted({score.mean for score in kept})
    for score in scores:
        assert any(
            other.mean >= score.mean and prompt_tokens(other.candidate) <= prompt_tokens(score.candidate)
            for other in kept
        )
