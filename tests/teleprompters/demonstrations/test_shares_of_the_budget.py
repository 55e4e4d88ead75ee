"""Whatever chooses and whatever orders, something is left to score what they made of it."""

from __future__ import annotations

import hashlib
import inspect

import pytest

from burnish.teleprompters import demonstrations as all_of_them
from burnish.teleprompters.base import Step
from burnish.teleprompters.demonstrations.base import Chosen, Selector
from burnish.teleprompters.demonstrations.demonstrations import Demonstrations
from burnish.teleprompters.demonstrations.difficulty import SuccessRate
from burnish.teleprompters.demonstrations.order.curriculum import EasyToHard
from burnish.teleprompters.demonstrations.order.entropy import GlobalE, LocalE
from burnish.teleprompters.demonstrations.order.halving import OrderSearch
from burnish.teleprompters.demonstrations.order.simple import AsGiven

NAMED = [getattr(all_of_them, name) for name in all_of_them.__all__]
SELECTORS = [one for one in NAMED if inspect.isclass(one) and issubclass(one, Selector) and one is not Selector]
SETTINGS = {"VoteK": {"fast": False}, "Perplexity": {"of": "prompts"}}
ORDERERS = [AsGiven(), OrderSearch(), LocalE(), GlobalE(), EasyToHard(SuccessRate())]


def chance(*parts):
    return int(hashlib.sha256(repr(parts).encode()).hexdigest()[:8], 16) / 2**32


def score(candidate, example):
    return float(chance(candidate.digest, example.digest) < 0.7)


def outputs(candidate, example):
    label = example.values["label"]
    other = "negative" if label == "positive" else "positive"
    return {"reasoning": "So it is.", "label": label if score(candidate, example) else other}


def trace(candidate, example):
    return tuple(Step(path, example.input_values, outputs(candidate, example), "") for path in candidate.predictors)


def world_of(bench, make_student, predictors, budget):
    student = make_student(**dict.fromkeys(predictors, (("review",), ("reasoning", "label"))))
    return bench(
        score,
        pool=40,
        given=student,
        budget=budget,
        trace_of=trace,
        outputs_of=outputs,
        reply_of=lambda prompt, draw: f"<review>fresh{draw} words{draw}</review>",
        text_logprob_of=lambda prompt, text: [-chance(prompt, text)],
    )


@pytest.mark.parametrize("budget", [25, 40, 90, 300])
@pytest.mark.parametrize("source", ["labelled", "bootstrapped"])
@pytest.mark.parametrize("order", [OrderSearch(), LocalE()], ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("select", SELECTORS, ids=lambda one: one.__name__)
def test_one_set_at_least_is_scored_and_no_more_is_begun_than_can_be_ended(
    bench, make_student, select, order, budget, source
):
    world = world_of(bench, make_student, ["self"], 10 + budget)
    list(Demonstrations(select(**SETTINGS.get(select.__name__, {})), order, k=3, source=source).search(world))
    assert len(world.recorded) > 1


@pytest.mark.parametrize("budget", [35, 60, 200])
@pytest.mark.parametrize("order", ORDERERS, ids=lambda one: type(one).__name__)
def test_no_predictor_takes_of_the_share_of_the_next(bench, make_student, order, budget):
    world = world_of(bench, make_student, ["first", "last"], 10 + budget)
    list(Demonstrations(order=order, k=3).search(world))
    turns = [origin.detail["predictor"] for _, origin, _ in world.recorded[1:]]
    assert {"first", "last"} == set(turns)


class Counting(Selector):
    """Notes what it may spend and what there is."""

    def __init__(self):
        self.seen = []

    def select(self, supply):
        self.seen.append((supply.money, supply.bench.budget))
        yield Chosen.of(supply.shots[: supply.k], "first")

    def cost(self, shots, k, dev):
        return 0


def test_a_selector_is_told_what_traces_have_left(bench, make_student):
    world = world_of(bench, make_student, ["self"], 110)
    select = Counting()
    list(Demonstrations(select, k=3, source="bootstrapped").search(world))
    ((money, left),) = select.seen
    assert left < 100  # traces were paid
    assert money == left - 10 - 1  # dev, and the row on which it is tried whether the set fits
