"""What users may rely on: programs and metrics with code of their own keep every budget and repeat themselves."""

from __future__ import annotations

import asyncio
import random
import re
import sys

import dspy
import pytest

import burnish as b
from burnish.compiler.lm.failures import Permanent
from burnish.testing import ScriptedLM

PRICE = b.Price(input=1000, output=1000)  # dollars for a million tokens: a tenth of a cent for each


def better_with_demos(prompt):
    return 0.9 if prompt.count("Review number") > 2 else 0.6


def number_in(review):
    return int(re.findall(r"number (\d+)", review)[-1])


class Once(b.Module):
    """Calls its predictor once a row."""

    def __init__(self):
        super().__init__()
        self.classify = b.Predict("review -> label")

    def forward(self, review):
        return dspy.Prediction(label=self.classify(review=review).label)


class Turns(b.Module):
    """Calls its predictor `often` times on every row whose number `every` divides, and once on the others."""

    def __init__(self, often, every=1):
        super().__init__()
        self.often = often
        self.every = every
        self.classify = b.Predict("review, turn -> label")

    def forward(self, review):
        for turn in range(self.often if number_in(review) % self.every == 0 else 1):
            said = self.classify(review=review, turn=str(turn))
        return dspy.Prediction(label=said.label)


class Swallowing(Turns):
    """Takes any error of its predictor for an answer."""

    def forward(self, review):
        label = "none"
        for turn in range(self.often):
            try:
                label = self.classify(review=review, turn=str(turn)).label
            except Exception:  # noqa: BLE001 - as careless programs do
                label = "none"
        return dspy.Prediction(label=label)


class Gathered(b.Module):
    """Three calls of one predictor at once, with asyncio.gather."""

    def __init__(self):
        super().__init__()
        self.classify = b.Predict("review, aspect -> label")

    async def aforward(self, review):
        aspects = ("plot", "cast", "sound")
        said = await asyncio.gather(*(self.classify.acall(review=review, aspect=aspect) for aspect in aspects))
        return dspy.Prediction(label=said[0].label)


class Grouped(Gathered):
    """The same in a task group, which raises its errors in a group."""

    async def aforward(self, review):
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self.classify.acall(review=review, aspect=aspect))
                for aspect in ("plot", "cast", "sound")
            ]
        return dspy.Prediction(label=tasks[0].result().label)


class Parallel(Gathered):
    """The same in threads, with dspy.Parallel."""

    def forward(self, review):
        asked = [(self.classify, {"review": review, "aspect": aspect}) for aspect in ("plot", "cast", "sound")]
        said = dspy.Parallel(num_threads=3, disable_progress_bar=True)(asked)
        return dspy.Prediction(label=said[0].label)


since_311 = pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.TaskGroup is new in Python 3.11")
AT_ONCE = pytest.mark.parametrize("kind", [Gathered, Parallel, pytest.param(Grouped, marks=since_311)])


def matches(example, prediction):
    return float(example.label == prediction.label)


def judged(example, prediction):
    return float("yes" in b.judge(f"Is {prediction.label} right? {example.review}"))


def worlds(program):
    """Program and metric of every kind whose calls are found out by making them."""
    pipeline = b.Pipeline(doubt="review -> doubt", classify="review, doubt -> label")
    return {
        "a module": (Once(), b.exact_match("label")),
        "a pipeline": (pipeline, b.exact_match("label")),
        "a function as metric": (program, matches),
        "a judge in the metric": (program, judged),
    }


def replies(review_replies):
    """Labels with or without a doubt before them, and "yes" from a judge on every second row."""
    classify = review_replies(better_with_demos)

    def respond(messages, body):
        asked = str(messages[-1]["content"])
        if asked.startswith("Is "):
            return "yes" if number_in(asked) % 2 else "no"
        if "`[[ ## doubt ## ]]`" in asked:
            return "[[ ## doubt ## ]]\nsome\n\n[[ ## completed ## ]]"
        return classify(messages, body)

    return respond


WORLDS = ("a module", "a pipeline", "a function as metric", "a judge in the metric")


@pytest.mark.parametrize("kind", WORLDS)
@pytest.mark.parametrize(("currency", "limit"), [("tokens", 900), ("tokens", 40_000), ("usd", 20_000)])
def test_no_token_and_no_dollar_is_spent_beyond_the_budget(
    compile_apart, program, review_replies, kind, currency, limit
):
    compiled_program, metric = worlds(program)[kind]
    budget = b.Budget(tokens=limit) if currency == "tokens" else b.Budget(usd=limit * PRICE.input / 1e6)
    files = set()
    for concurrency in (1, 16, 16):
        lm = ScriptedLM(replies(review_replies), price=PRICE, max_tokens=20)
        name = f"at {concurrency}"
        ran = compile_apart(name, compiled_program, lm, metric=metric, budget=budget, concurrency=concurrency)
        assert ran.tokens <= limit
        assert ran.tokens == sum(spent["tokens"] for spent in ran.evidence["spent"].values())
        files.add(ran.file)
    assert lm.calls == [], "running again in the same folder pays for nothing"
    assert len(files) == 1


@pytest.mark.parametrize("kind", WORLDS)
def test_most_of_a_budget_in_tokens_is_there_for_the_search(compile_apart, program, review_replies, kind):
    one, metric = worlds(program)[kind]
    lm = ScriptedLM(replies(review_replies), max_tokens=20)
    budget, search = b.Budget(tokens=200_000), b.RandomDemos()  # which goes on when a candidate is right everywhere
    ran = compile_apart("tokens", one, lm, rows=100, metric=metric, budget=budget, teleprompter=search)
    assert ran.evidence["candidates"] > 1
    assert ran.tokens > 20_000


@pytest.mark.parametrize(("calls", "often"), [(50, (40, 7)), (75, (6, 20)), (120, (3, 10)), (300, (6, 20))])
def test_a_program_whose_calls_vary_by_row_is_cut_at_the_same_call_at_any_concurrency(
    compile_apart, reviewer, calls, often
):
    files, sent = set(), set()
    for concurrency in (1, 16):
        lm = reviewer(better_with_demos)
        for attempt in ("first", "again"):
            already = len(lm.calls)
            name = f"at {concurrency}"
            ran = compile_apart(name, Turns(*often), lm, budget=b.Budget(calls=calls), concurrency=concurrency)
            assert attempt == "first" or len(lm.calls) == already
            files.add(ran.file)
        sent.add(len(lm.calls))
    assert len(files) == 1
    assert sent == {ran.calls}
    assert ran.calls <= calls


def test_a_row_that_needs_more_than_is_left_ends_the_search_and_not_the_run(compile_apart, reviewer):
    lm = reviewer(better_with_demos)
    ran = compile_apart("greedy", Turns(500, every=5), lm, budget=b.Budget(calls=400))
    assert ran.compiled.verdict.decision == "inconclusive"
    assert ran.calls <= 400


def test_more_calls_on_a_row_than_were_declared_end_the_run_with_what_to_declare(compile_apart, reviewer):
    with pytest.raises(b.BudgetError, match=r"more than 2 calls on one row.*calls_per_example"):
        compile_apart("declared", Turns(3), reviewer(better_with_demos), budget=b.Budget(900, calls_per_example=2))


@pytest.mark.parametrize("kind", [Turns, Swallowing])
def test_a_program_that_never_stops_calling_is_stopped_before_it_has_spent_the_budget(compile_apart, reviewer, kind):
    lm = reviewer(better_with_demos)
    with pytest.raises(b.BudgetError, match="more than 1000 calls on one row"):
        compile_apart("runaway", kind(1005), lm, budget=b.Budget(calls=9000))
    assert len(lm.calls) == 1000


def test_a_runaway_that_the_budget_stops_first_gives_the_program_back(compile_apart, reviewer):
    ran = compile_apart("runaway", Swallowing(1005), reviewer(better_with_demos), budget=b.Budget(calls=100))
    assert ran.compiled.verdict.decision == "inconclusive"
    assert ran.calls <= 100


@pytest.mark.parametrize("declared", [None, 3])
def test_calls_that_only_the_first_rows_tell_leave_enough_for_the_final_comparison(compile_apart, reviewer, declared):
    budget = b.Budget(calls=2000, calls_per_example=declared)
    ran = compile_apart(
        "three", Turns(3), reviewer(better_with_demos), budget=budget, teleprompter=b.RandomDemos(sets=3)
    )
    assert ran.compiled.verdict.pairs == ran.evidence["rows"]["holdout"]
    assert ran.calls <= 2000


@AT_ONCE
def test_an_unparsed_reply_to_one_of_several_calls_at_once_fails_its_row_alone(
    compile_apart, review_replies, kind, caplog
):
    caplog.set_level("CRITICAL", "dspy")  # dspy.Parallel logs every error
    answer = review_replies(better_with_demos)

    def respond(messages, body):
        asked = str(messages[-1]["content"])
        return "garbage" if number_in(asked) % 3 == 0 and "plot" in asked else answer(messages, body)

    ran = compile_apart("odd", kind(), ScriptedLM(respond), budget=b.Budget(calls=500))
    assert set(ran.evidence["failures"]) == {"unparsed"}
    assert ran.evidence["candidates"] > 1


@AT_ONCE
def test_a_server_that_dies_under_several_calls_at_once_stops_the_run_with_its_reason(
    compile_apart, review_replies, kind
):
    answer = review_replies(better_with_demos)
    lm = ScriptedLM(
        lambda messages, body: (
            answer(messages, body) if len(lm.calls) <= 40 else Permanent("the key was revoked", status=401)
        )
    )
    with pytest.raises(b.LMError, match="the key was revoked"):
        compile_apart("dead", kind(), lm, budget=b.Budget(calls=700))


@AT_ONCE
def test_calls_at_once_whose_replies_come_in_any_order_give_equal_demonstrations_and_files(
    compile_apart, review_replies, kind
):
    answer = review_replies(better_with_demos)
    files = set()
    for number in range(3):
        jitter = random.Random(number)

        async def respond(messages, body, jitter=jitter):
            await asyncio.sleep(jitter.random() * 0.003)
            return answer(messages, body)

        ran = compile_apart(
            f"number {number}",
            kind(),
            ScriptedLM(respond),
            rows=40,
            budget=b.Budget(calls=600),
            teleprompter=b.RandomDemos(source="bootstrapped", sets=2),
        )
        assert ran.evidence["candidates"] > 1
        files.add(ran.file)
    assert len(files) == 1
