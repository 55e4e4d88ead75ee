from __future__ import annotations

import itertools
import math
import random
import re

import pytest

from burnish.signatures.prompt import DemoRule
from burnish.teleprompters.base import Outcome
from burnish.teleprompters.demonstrations.base import Chosen
from burnish.teleprompters.demonstrations.demonstrations import Demonstrations
from burnish.teleprompters.demonstrations.difficulty import Difficulty, Length, SuccessRate
from burnish.teleprompters.demonstrations.order.curriculum import EasyToHard
from burnish.teleprompters.demonstrations.order.entropy import GlobalE, LocalE, prior_of_classes
from burnish.teleprompters.demonstrations.order.halving import OrderSearch
from burnish.teleprompters.demonstrations.order.permutations import some_orders
from burnish.teleprompters.demonstrations.pacing import LLMScheduler, OnePass
from burnish.teleprompters.demonstrations.select.random_sets import Random
from burnish.teleprompters.demonstrations.supply import supply_of
from burnish.testing import check_teleprompter

ORDERERS = (EasyToHard(), GlobalE(), LocalE(), OrderSearch())


def number(example):
    return int(example.values["review"].split()[1])


def shown(candidate):
    """The numbers of the reviews that a candidate shows, in their order."""
    return [int(demo.values["review"].split()[1]) for demo in candidate.prompt("self").demos]


def arranged(world, orderer, k=4, money=10**5):
    """The numbers of the first k pool rows in each order that the orderer gives."""
    given = supply_of(world, world.student, "self", k=k, money=money)
    chosen = Chosen(given.shots[:k], tuple(f"reason {n}" for n in range(k)))
    found = list(orderer.arrange(given, chosen))
    assert all(set(one.shots) == set(chosen.shots) for one in found)
    return [[number(shot.row) for shot in one.shots] for one in found]


def logged(world, event):
    return [detail for name, detail in world.events if name == event]


# what all of them promise


@pytest.mark.parametrize("orderer", ORDERERS, ids=lambda one: type(one).__name__)
def test_a_rule_and_a_single_shot_are_given_back_as_they_are(bench, orderer):
    world = bench(lambda candidate, example: 0.5)
    given = supply_of(world, world.student, "self", k=3, money=1000)
    rule = Chosen.of(given.shots, "in the pool", DemoRule("bm25", 2))
    assert list(orderer.arrange(given, rule)) == [rule]
    (alone,) = orderer.arrange(given, Chosen.of(given.shots[:1], "the only one"))
    assert alone.shots == given.shots[:1]


@pytest.mark.parametrize("orderer", ORDERERS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("money", [0, 1, 7, 40, 333])
def test_an_orderer_keeps_to_its_money(bench, orderer, money):
    world = bench(lambda candidate, example: 0.5, budget=10**4, outputs_of=lambda candidate, row: row.labels)
    assert arranged(world, orderer, money=money)
    assert len(world.executed) <= money
    assert len(world.executed) <= orderer.cost(4, 10)


@pytest.mark.parametrize("label", [lambda n: "positive", lambda n: f"text {n}"], ids=["one class", "free text"])
def test_without_classes_entropy_leaves_the_set_as_it_is_and_the_others_order_it(bench, label):
    for orderer in ORDERERS:
        world = bench(lambda candidate, example: float(number(example) % 2), columns={"label": label})
        found = arranged(world, orderer)
        if isinstance(orderer, GlobalE | LocalE):
            assert found == [[0, 1, 2, 3]]
            assert logged(world, "orders not probed")[0]["reason"] == "no classes"


def test_some_orders_are_all_of_a_small_set_and_different_ones_of_a_larger():
    assert sorted(some_orders(4, 24, random.Random(0))) == sorted(itertools.permutations(range(4)))
    assert some_orders(3, 24, random.Random(0)) != list(itertools.permutations(range(3)))
    drawn = some_orders(8, 24, random.Random(0))
    assert len(set(drawn)) == 24
    assert {tuple(sorted(order)) for order in drawn} == {tuple(range(8))}


# easy to hard


def test_easy_shots_come_first_and_with_hard_first_last(bench):
    def score(candidate, example):
        return float(candidate["self"].settings.params["seed"] < {0: 1, 1: 5, 2: 3, 3: 0}[number(example)])

    assert arranged(bench(score), EasyToHard()) == [[1, 2, 0, 3]]
    assert arranged(bench(score), EasyToHard(hard_first=True)) == [[3, 0, 2, 1]]
    assert EasyToHard(SuccessRate(3)).cost(4, 10) == 12


def test_reasons_say_how_hard_a_shot_is(bench):
    world = bench(lambda candidate, example: 0.25)
    given = supply_of(world, world.student, "self", k=2, money=100)
    (found,) = EasyToHard().arrange(given, Chosen.of(given.shots[:2], "drawn"))
    assert found.reasons == ("drawn; difficulty 0.75 (SuccessRate)",) * 2


def test_a_pace_rises_on_the_whole(bench):
    class Number(Difficulty):
        def measure(self, supply, shots):
            return [float(number(shot.row)) for shot in shots]

        def cost(self, shots):
            return 0

    (order,) = arranged(bench(lambda candidate, example: 0.5), EasyToHard(Number(), pacing=OnePass(3)), k=9)
    assert [sorted(order[start : start + 3]) for start in (0, 3, 6)] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert order != sorted(order)


# entropy


def says(rule):
    """What a scripted program answers: `rule(the order shown, the row's number)`."""
    return lambda candidate, example: {"label": rule(shown(candidate), number(example))}


def biased(order, n):
    """The label shown last wins, but on some rows: the more of them, the further back row 0 stands."""
    return "positive" if n % 5 < order.index(0) else "negative"


def test_global_entropy_is_that_of_the_answers_to_unlabelled_rows_of_the_pool(bench):
    world = bench(lambda candidate, example: 0.0, pool=24, outputs_of=says(biased))
    found = arranged(world, GlobalE(keep=24))
    (log,) = logged(world, "orders probed")
    assert (log["orders"], log["probes"]) == (24, 20)
    probes = {example.digest: number(example) for _, example in world.executed}
    assert set(probes.values()) == set(range(4, 24))  # none of the set, none of dev

    def brute_force(order):
        share = sum(biased(order, n) == "positive" for n in probes.values()) / 20
        return -sum(p * math.log(p) for p in (share, 1 - share) if p)

    expected = sorted((brute_force(list(order)) for order in itertools.permutations(range(4))), reverse=True)
    assert log["scores"] == pytest.approx(expected)
    assert [brute_force(order) for order in found] == pytest.approx(expected)
    assert {order.index(0) for order in found[:12]} == {2, 3}  # two or three of five: nearest to the half
    assert len(arranged(world, GlobalE())) == 4


def test_where_classes_are_unbalanced_answers_are_to_be_spread_as_they_are(bench):
    columns = {"label": lambda n: "positive" if n % 5 == 0 else "negative"}
    world = bench(lambda candidate, example: 0.0, pool=24, columns=columns, outputs_of=says(biased))
    given = supply_of(world, world.student, "self", k=4, money=1000)
    assert prior_of_classes(given) == pytest.approx([19 / 24, 5 / 24])
    found = arranged(world, GlobalE())
    assert {order.index(0) for order in found} == {1}  # a fifth of the answers positive
    assert logged(world, "orders probed")[0]["scores"][0] <= 0


def test_orders_whose_answers_cannot_be_read_are_thrown_out(bench):
    def rule(order, n):
        if order[0] == 1 and n % 2:
            return "cannot tell"  # what is left is the better spread
        return ("positive" if n % 4 == 0 else "negative") if order[0] == 1 else ("positive" if n % 5 else "negative")

    world = bench(lambda candidate, example: 0.0, pool=24, outputs_of=says(rule))
    assert all(order[0] != 1 for order in arranged(world, GlobalE(keep=24)))
    assert logged(world, "orders probed")[0]["unreadable"] == 6


def test_failures_name_no_class_and_when_all_fail_the_set_stays(bench):
    world = bench(lambda candidate, example: 0.0, outputs_of=says(lambda order, n: "positive"))
    world.predict = lambda candidate, examples: [Outcome(0.0, failure="unparsed") for _ in examples]
    assert arranged(world, GlobalE()) == [[0, 1, 2, 3]]


def test_answers_count_whatever_their_case(bench):
    world = bench(lambda candidate, example: 0.0, outputs_of=says(lambda order, n: " Positive"))
    arranged(world, GlobalE())
    assert logged(world, "orders probed")[0]["unreadable"] == 0


def test_of_several_predictors_what_this_one_said_counts(bench, make_student, step):
    given = make_student(judge=(("review",), ("label",)), tell=(("label",), ("text",)))

    def trace(candidate, example):
        first = candidate.prompt("judge").demos[0].values["review"] if candidate.prompt("judge").demos else ""
        said = "positive" if first == "review 2" and number(example) % 2 else "negative"
        return (step("judge", {}, {"label": said}, "r"), step("tell", {}, {"text": "..."}, "r"))

    world = bench(lambda candidate, example: 0.0, given=given, trace_of=trace)
    supply = supply_of(world, given, "judge", k=3, money=1000)
    best = next(iter(GlobalE().arrange(supply, Chosen.of(supply.shots[:3], "drawn"))))
    assert number(best.shots[0].row) == 2


def test_with_little_money_there_are_fewer_probes_and_then_fewer_orders(bench):
    def sizes(money):
        world = bench(lambda candidate, example: 0.0, pool=40, outputs_of=says(biased))
        arranged(world, GlobalE(), money=money)
        return [(log["orders"], log["probes"]) for log in logged(world, "orders probed")]

    assert sizes(10**4) == [(24, 30)]
    assert sizes(24 * 12 + 5) == [(24, 12)]
    assert sizes(5 * 8) == [(5, 8)]
    assert sizes(15) == []


def test_local_entropy_by_log_probabilities_is_the_mean_of_each_answers_entropy(bench):
    def probability(prompt, n):
        last = int(re.findall(r"review (\d+)", prompt)[-2])  # the review shown last
        return {0: 0.5, 1: 0.6, 2: 0.8, 3: 0.95}[last] + 0.001 * (n % 3)

    def logprobs(prompt, reply):
        n = int(re.findall(r"review (\d+)", prompt)[-1])
        p = probability(prompt, n)
        return [math.log(p if "positive" in reply else 1 - p)]

    world = bench(lambda candidate, example: 0.0, pool=12, text_logprob_of=logprobs)
    found = arranged(world, LocalE(keep=24))
    assert [order[-1] for order in found] == [0] * 6 + [1] * 6 + [2] * 6 + [3] * 6
    scores = logged(world, "orders probed")[0]["scores"]
    rows = range(4, 12)

    def entropy(base):
        values = [base + 0.001 * (n % 3) for n in rows]
        return sum(-p * math.log(p) - (1 - p) * math.log(1 - p) for p in values) / len(values)

    assert scores == pytest.approx([entropy(base) for base in (0.5, 0.6, 0.8, 0.95) for _ in range(6)])


def test_local_entropy_by_samples_prefers_orders_under_which_no_answer_is_too_sure(bench):
    def outputs(candidate, example):
        turn = candidate["self"].settings.params["seed"]
        return {"label": "positive" if turn < (5 if shown(candidate)[0] == 3 else 9) else "negative"}

    world = bench(lambda candidate, example: 0.0, pool=12, outputs_of=outputs)
    found = arranged(world, LocalE(keep=6))
    assert [order[0] for order in found] == [3] * 6
    assert len(world.executed) == 24 * 8 * 10 <= LocalE().cost(4, 10)


# search on dev


def test_halving_finds_the_planted_order_and_the_log_has_the_mean_one(bench):
    def score(candidate, example):
        order = shown(candidate)
        return float(bool(order) and (number(example) * 7919 % 100) / 100 < 0.3 + 0.15 * order.index(0))

    world = bench(score, dev=60)
    found = arranged(world, OrderSearch())
    assert len(found) == 2
    assert found[0].index(0) == 3
    assert len(world.executed) <= OrderSearch().cost(4, 60) == 480
    (log,) = logged(world, "orders compared")
    assert log["orders"] == 24
    assert 0.3 < log["mean"] < log["best"] <= 1.0
    assert not world.recorded


def test_a_small_dev_is_seen_whole_and_its_orders_say_where_they_come_from(bench):
    world = bench(lambda candidate, example: 0.5, dev=3)
    arranged(world, OrderSearch(orders=6, executions=50))
    assert all(origin.move == "demonstrations" for _, origin, _ in world.recorded)


def test_of_two_shots_both_orders_are_given_for_nothing(bench):
    world = bench(lambda candidate, example: 0.5)
    assert sorted(arranged(world, OrderSearch(), k=2)) == [[0, 1], [1, 0]]
    assert not world.executed


def test_the_search_shows_every_order_a_row_or_takes_fewer(bench):
    world = bench(lambda candidate, example: 0.5)
    arranged(world, OrderSearch(), money=9)
    assert logged(world, "orders compared")[0]["orders"] == 9


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (GlobalE, {"orders": 0}),
        (LocalE, {"samples": 0}),
        (LocalE, {"probes": 0}),
        (OrderSearch, {"keep": 0}),
        (OrderSearch, {"executions": 0}),
    ],
)
def test_settings_that_mean_nothing_are_refused(kind, wrong):
    with pytest.raises(ValueError, match=kind.__name__):
        kind(**wrong)


@pytest.mark.slow
@pytest.mark.parametrize(
    "orderer", [*ORDERERS, EasyToHard(Length(), pacing=OnePass()), LLMScheduler()], ids=lambda one: type(one).__name__
)
def test_orderers_pass_the_conformance_suite(orderer):
    check_teleprompter(
        Demonstrations(Random(sets=2), orderer, k=3), writer=lambda prompt, draw: "<order>2, 3, 1</order>"
    )
