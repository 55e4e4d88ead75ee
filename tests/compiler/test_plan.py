"""What a plan says beside what the run then does, where it is not calls that are limited."""

from __future__ import annotations

import pytest

import burnish as b
from burnish.teleprompters import Sizes, Writing
from burnish.teleprompters.asking import MAX_LENGTH
from burnish.testing import ScriptedLM
from burnish.testing.conformance_world import fraction

WORDS = ("order", "tone", "date", "amount", "sender", "clue", "rule", "label", "wording", "tie", "case", "form")


def tokens(text):
    """As many as models make of English text, about."""
    return len(text) // 4 + 1


def skill(prompt):
    """Prompts differ in how well they do, and all of them err."""
    return 0.3 + 0.5 * fraction("skill", prompt.split("Review number")[0])


def writer(length=40, **options):
    """An optimizer LM that says something else every time, in tags where it is asked for an instruction."""

    def respond(messages, body):
        prompt, first = messages[-1]["content"], 8 * (body.get("seed") or 0)

        def said(draw):
            start = fraction(prompt, draw)
            words = [WORDS[int(fraction(start, n) * len(WORDS))] for n in range(length)]
            return (
                f"<instruction>Judge by {' '.join(words)}.</instruction>" if "<instruction>" in prompt else str(words)
            )

        return [said(first + n) for n in range(body.get("n") or 1)]

    return ScriptedLM(respond, model="writer", **options)


@pytest.mark.parametrize(
    "search", [b.OPRO(proposals=2, patience=None), b.PromptAgent()], ids=lambda one: type(one).__name__
)
def test_under_a_budget_in_tokens_a_search_does_about_what_was_planned_and_uses_what_it_has(
    program, reviews, reviewer, search
):
    arguments = {
        "trainset": reviews(200),
        "metric": b.exact_match("label"),
        "lm": reviewer(skill, tokens=tokens),
        "optimizer_lm": writer(tokens=tokens),
        "teleprompter": search,
        "budget": b.Budget(tokens=300_000),
        "progress": False,
    }
    _, planned, *_ = plan = b.plan(program, **arguments).rows
    spent = b.compile(program, **arguments).document["evidence"]["spent"]["search"]
    expected = plan[0].expected + planned.expected
    assert expected.tokens / 2 <= spent["tokens"] <= 2 * expected.tokens
    assert expected.calls / 2.2 <= spent["calls"] <= 2.2 * expected.calls
    assert 0.75 * planned.tokens <= spent["tokens"] <= planned.tokens


def test_the_upper_bound_covers_the_longest_that_opro_sends(program, reviews, reviewer):
    opro = b.OPRO(steps=4, proposals=8, rows=2, finalists=1, patience=None, writing=Writing(max_tokens=2000))
    optimizer = writer(620)
    arguments = {
        "trainset": reviews(60),
        "metric": b.exact_match("label"),
        "lm": reviewer(skill),
        "optimizer_lm": optimizer,
        "teleprompter": opro,
        "budget": b.Budget(calls=300),
        "progress": False,
    }
    bound = b.plan(program, **arguments).total.tokens // 300
    b.compile(program, **arguments)
    longest = max(optimizer.calls, key=lambda body: len(body["messages"][-1]["content"]))
    read = len(longest["messages"][-1]["content"].encode())
    assert read > 20 * 0.8 * MAX_LENGTH  # a trajectory of twenty instructions, nearly as long as may be
    assert read + 8 * 2000 <= bound


@pytest.mark.parametrize(
    ("search", "read"),
    [
        (b.OPRO(), 20 * MAX_LENGTH),
        (b.OPRO(writing=Writing(max_length=300)), 20 * 300),
        (b.APO(), 2 * MAX_LENGTH),
        (b.PromptAgent(), 4 * MAX_LENGTH),
        (b.ABO(), MAX_LENGTH + 2000),
    ],
)
def test_a_forecast_says_how_much_its_requests_may_show(search, read):
    assert search.forecast(Sizes(pool=50, dev=20, predictors=1, executions=1000)).read_characters >= read
