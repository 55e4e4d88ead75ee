"""What a plan says beside what the run then does, where it is not calls that are limited."""

from __future__ import annotations

import pytest

import burnish as b
from burnish.teleprompters import Sizes, Writing
from burnish.teleprompters.asking import MAX_LENGTH
from burnish.teleprompters.base import Forecast, Round
from burnish.teleprompters.demonstrations import BySimilarity, Demonstrations, KMeans, Nearest, VoteK
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


# with an encoder


class Idle(b.Teleprompter):
    """A search of the user's own that does nothing."""

    def search(self, bench):
        yield Round("nothing", (), bench.known[0])

    def forecast(self, sizes):
        return Forecast(0, 0, "nothing")


@pytest.fixture
def with_encoder(reviews, reviewer):
    """The arguments of a compile of 60 rows that has an encoder."""

    def arguments(search, budget, **options):
        return {
            "trainset": reviews(60),
            "metric": b.exact_match("label"),
            "lm": reviewer(skill),
            "encoder": ScriptedLM([], model="encoder", **options),
            "teleprompter": search,
            "budget": budget,
            "progress": False,
        }

    return arguments


@pytest.mark.parametrize(
    ("selector", "order"),
    [(KMeans(), BySimilarity()), (Nearest("encoder"), BySimilarity()), (VoteK(fast=False), BySimilarity())],
    ids=lambda one: type(one).__name__,
)
@pytest.mark.parametrize("budget", [b.Budget(calls=150), b.Budget(calls=500), b.Budget(tokens=700_000)], ids=str)
def test_what_an_encoder_is_asked_is_foreseen_and_never_costs_more_than_the_plan_says(
    program, with_encoder, selector, order, budget
):
    arguments = with_encoder(Demonstrations(selector, order), budget, tokens=tokens)
    plan = b.plan(program, **arguments)
    student, search, final, *_, total = plan.rows
    spent = b.compile(program, **arguments).document["evidence"]["spent"]
    assert spent["search"]["calls"] <= student.expected.calls + search.expected.calls
    for account, row in (("search", search), ("final", final)):
        for currency in ("calls", "tokens"):
            most = getattr(row, currency)
            assert most is None or spent[account][currency] <= most
    if spent["final"]["calls"]:
        assert spent["final"]["calls"] <= final.expected.calls
    assert total.calls is None or total.expected.calls <= total.calls


def test_a_forecast_counts_the_encoder_only_where_there_is_one():
    sizes = {"pool": 130, "dev": 20, "predictors": 2, "executions": 1000}
    search = Demonstrations(KMeans())
    assert search.forecast(Sizes(**sizes)).embeddings == 0
    assert search.forecast(Sizes(**sizes, encoder=True)).embeddings == 2 * 3  # batches of 64, for each predictor


def test_long_texts_are_foreseen_in_more_batches(program, with_encoder):
    rows = [{"review": f"Review number {n} of a film. {'x' * 5000}", "label": "positive"} for n in range(200)]
    arguments = {**with_encoder(Demonstrations(KMeans()), b.Budget(tokens=20_000_000)), "trainset": rows}
    plan = b.plan(program, **arguments)
    short = b.plan(program, **{**arguments, "encoder": None})
    batches = plan.rows[1].expected.calls - short.rows[1].expected.calls
    assert batches >= 60 * 5000 // 2**15


@pytest.mark.parametrize(
    ("search", "calls_of_a_pair"),
    [
        (b.OPRO(), 2),
        (b.RandomDemos(), 2),
        (Demonstrations(KMeans()), 2),
        (Demonstrations(Nearest("encoder")), 3),
        (Idle(), 3),
    ],
)
def test_only_a_search_that_may_embed_queries_reserves_that_for_the_final_comparison(
    program, with_encoder, search, calls_of_a_pair
):
    plan = b.plan(program, **with_encoder(search, b.Budget(calls=2000)))
    assert plan.rows[2].calls == calls_of_a_pair * 24
    assert ("adds a call to each row" in str(plan)) == (calls_of_a_pair == 3)


# who writes


@pytest.mark.parametrize("search", [b.Joint(), b.OPRO(), b.RandomDemos()], ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("budget", [{"usd": 0.02}, {"usd": 0.3}, {"tokens": 40_000}], ids=str)
def test_no_row_of_a_plan_expects_more_than_its_account_holds(program, reviews, search, budget):
    cheap, dear = priced(1.0), priced(90.0)
    arguments = {"trainset": reviews(120), "metric": b.exact_match("label"), "lm": cheap, "optimizer_lm": dear}
    for row in b.plan(program, budget=b.Budget(**budget), teleprompter=search, **arguments).rows:
        assert row.usd is None or 0 <= row.expected.usd <= row.usd
        assert row.tokens is None or 0 <= row.expected.tokens <= row.tokens


def priced(dollars):
    price = b.Price(input=dollars, output=dollars)
    return ScriptedLM(lambda messages, body: "x", model=f"for {dollars}", price=price)


def test_a_plan_says_who_writes_the_prompts_where_anybody_does(program, reviews, reviewer):
    arguments = {"trainset": reviews(60), "metric": b.exact_match("label"), "lm": reviewer(skill, model="small")}
    asked = {**arguments, "teleprompter": b.OPRO()}
    assert "optimizer LM: small, which runs the program too. Another one is given by optimizer_lm=." in str(
        b.plan(program, **asked)
    )
    assert "optimizer LM: writer." in b.plan(program, optimizer_lm=writer(), **asked).notes
    assert "optimizer LM" not in str(b.plan(program, teleprompter=b.RandomDemos(), **arguments))
