from __future__ import annotations

import itertools
import json
import re

import pytest

from burnish.signatures.canonical import canonical
from burnish.signatures.errors import BudgetSpent
from burnish.signatures.rules import pick
from burnish.teleprompters.base import Sizes
from burnish.teleprompters.curriculum import MOST_SETS, CurriculumICL
from burnish.teleprompters.demonstrations.base import Selector
from burnish.teleprompters.demonstrations.difficulty import Judge, LabelLogProbability, Length, SuccessRate
from burnish.teleprompters.demonstrations.pacing import LLMScheduler, OnePass, Root
from burnish.teleprompters.demonstrations.select.bm25 import BM25
from burnish.teleprompters.demonstrations.select.random_sets import Random
from burnish.testing import check_teleprompter

EASY, HARD, MIXED = "easy to hard", "hard to easy", "random"


def number(example):
    return int(example.values["review"].split()[1])


def shown(candidate, path="self"):
    """The numbers of the reviews that a candidate shows, in their order."""
    return [int(demo.values["review"].split()[1]) for demo in candidate.prompt(path).demos]


def rises(order):
    """The share of neighbours of which the second is the larger one."""
    return sum(one < other for one, other in itertools.pairwise(order)) / max(1, len(order) - 1)


def scoring(good):
    """Samples without demonstrations are right by the row's number: row 0 always, row 19 hardly ever. Else `good`."""

    def score(candidate, example):
        seed = candidate["self"].settings.params.get("seed")
        return good(shown(candidate)) if seed is None else float(seed >= number(example) // 4)

    return score


def by_order(world):
    """Order by name -> candidates in it, as they were recorded."""
    found = {}
    for score, origin, _ in world.recorded[1:]:
        found.setdefault(origin.detail["order"], []).append(score.candidate)
    return found


def logged(world, event):
    return [detail for name, detail in world.events if name == event]


def drain(search):
    rounds = []
    try:
        rounds.extend(iter(search))
    except BudgetSpent:
        rounds.append(None)
    return rounds


# corpus level


def test_each_set_is_scored_in_three_orders_and_the_best_ships(bench):
    world = bench(scoring(rises))
    best = list(CurriculumICL(sets=2).search(world))[-1].best
    orders = by_order(world)
    assert {name: len(found) for name, found in orders.items()} == {EASY: 2, HARD: 2, MIXED: 2}
    for easy, hard, mixed in zip(*(orders[name] for name in (EASY, HARD, MIXED)), strict=True):
        steps = [n // 4 for n in shown(easy)]
        assert steps == sorted(steps)
        assert shown(hard) == shown(easy)[::-1]
        assert set(shown(mixed)) == set(shown(easy))
        assert shown(mixed) not in (shown(easy), shown(hard))
    assert best.candidate == world.known[0].candidate


@pytest.mark.parametrize(("good", "winner"), [(rises, EASY), (lambda order: 1 - rises(order), HARD)])
def test_a_planted_preference_is_found_and_the_origin_says_which_order_won(bench, good, winner):
    world = bench(scoring(lambda order: good(order) if order else 0.0), columns={"label": lambda n: "positive"})
    rounds = list(CurriculumICL(difficulty=Length(), sets=1, k=6).search(world))
    origin = next(origin for score, origin, _ in world.recorded if score.candidate == rounds[-1].best.candidate)
    assert (origin.teleprompter, origin.move) == ("CurriculumICL", "demonstrations")
    assert origin.detail["order"] == winner
    assert rounds[-1].name == f"self: set 1, {winner}"
    (compared,) = logged(world, "orders compared")
    assert compared[winner] == max(compared[name] for name in (EASY, HARD, MIXED)) == rounds[-1].best.mean
    assert all("difficulty" in reason for reason in origin.detail["rows"].values())


def test_every_class_is_shown_where_there_is_room(bench):
    columns = {"label": lambda n: "negative" if n else "positive"}  # one row of twenty
    world = bench(scoring(rises), columns=columns)
    list(CurriculumICL(k=3, sets=4).search(world))
    assert all(0 in shown(candidate) for found in by_order(world).values() for candidate in found)
    sets = {frozenset(shown(candidate)) for candidate in by_order(world)[EASY]}
    assert len(sets) == 4


@pytest.mark.parametrize("k", [1, 2])
def test_orders_that_are_the_same_are_scored_once(bench, k):
    world = bench(scoring(rises))
    list(CurriculumICL(k=k, sets=1).search(world))
    assert list(by_order(world)) == [EASY, HARD][:k]


def test_a_pacing_draws_sets_from_the_whole_pool_measured_once(bench):
    world = bench(scoring(rises))
    list(CurriculumICL(k=4, sets=3, scheduler=OnePass(4)).search(world))
    for candidate in by_order(world)[EASY]:
        assert [n // 5 for n in shown(candidate)] == [0, 1, 2, 3]
    samples = [1 for candidate, _ in world.executed if candidate["self"].settings.params]
    assert len(samples) == 20 * 5


def test_the_optimizer_lm_can_be_the_scheduler_and_nothing_is_measured(bench):
    def reply(prompt, draw):
        rows = [int(n) for n in re.findall(r"Input: review (\d+)", prompt)]
        return "<order>" + ", ".join(str(rows.index(n) + 1) for n in sorted(rows)) + "</order>"

    world = bench(scoring(rises), reply_of=reply)
    list(CurriculumICL(sets=2, scheduler=LLMScheduler()).search(world))
    assert all(shown(candidate) == sorted(shown(candidate)) for candidate in by_order(world)[EASY])
    assert len(world.asked) == 2
    assert not any(candidate["self"].settings.params for candidate, _ in world.executed)


def test_sets_may_come_from_a_selector(bench):
    class Fixed(Selector):
        def select(self, supply):
            yield from Random(sets=1, balanced=False).select(supply)

        def cost(self, shots, k, dev):
            return 0

    world = bench(scoring(rises))
    rounds = list(CurriculumICL(k=3, select=Fixed()).search(world))
    assert len(rounds) == 1
    world = bench(scoring(rises))
    assert [done.name for done in CurriculumICL(select=BM25()).search(world)] == ["self: no set"]
    assert "BM25" in logged(world, "set left out")[0]["reason"]


# instance level


def picked(candidate, review):
    """The numbers of the reviews that stand in front of a query."""
    template = candidate.prompt("self").template
    return [shown(candidate)[place] for place in pick(template, canonical({"review": review}))]


def test_a_rule_picks_for_each_query_and_the_picked_stand_by_difficulty(bench):
    columns = {"review": lambda n: f"review {n} " + ("about films and actors" if n % 2 else "about books")}
    world = bench(scoring(lambda order: 0.5), columns=columns)
    list(CurriculumICL(level="instance", k=4).search(world))
    orders = {name: found[0] for name, found in by_order(world).items()}
    assert set(orders) == {EASY, HARD, MIXED}
    for query in ("review 40 about films and actors", "review 41 about books"):
        easy = picked(orders[EASY], query)
        assert [n // 4 for n in easy] == sorted(n // 4 for n in easy)
        assert {n % 2 for n in easy} == {int("films" in query)}
        assert picked(orders[HARD], query) == easy[::-1]
        assert set(picked(orders[MIXED], query)) == set(easy)
    rules = {origin.detail["rule"]["order"] for _, origin, _ in world.recorded[1:]}
    assert rules == {"as_pooled"}
    assert len(logged(world, "orders compared")) == 1


def test_only_as_many_shots_as_can_be_measured_are_in_the_pool_of_a_rule(bench):
    world = bench(scoring(rises), pool=60, dev=5, budget=150)
    list(CurriculumICL(level="instance", k=3).search(world))
    assert {len(candidate.demos) for found in by_order(world).values() for candidate in found} == {25}  # 129 / 5
    assert world.budget >= 0


# money


def test_sets_follow_the_budget(bench):
    def sets(budget):
        world = bench(scoring(rises), budget=budget)
        list(CurriculumICL(k=4).search(world))
        return len(logged(world, "orders compared"))

    assert sets(10 + 3 * (20 + 31)) == 3
    assert sets(10 + 30 + 8) == 1
    assert sets(10**5) == MOST_SETS


@pytest.mark.parametrize("budget", [1, 9, 13, 22, 35, 47, 60, 111, 222])
@pytest.mark.parametrize(
    "search",
    [CurriculumICL(), CurriculumICL(level="instance"), CurriculumICL(scheduler=Root())],
    ids=["corpus", "instance", "paced"],
)
def test_a_cut_leaves_the_best_and_short_money_leaves_out_controls_first(bench, budget, search):
    world = bench(scoring(rises), budget=budget)
    drain(search.search(world))
    assert world.budget >= 0
    if budget >= 22:
        assert EASY in by_order(world)
    if 22 <= budget < 35:
        assert logged(world, "control left out")


@pytest.mark.parametrize(
    "search",
    [
        CurriculumICL(),
        CurriculumICL(level="instance"),
        CurriculumICL(scheduler=Root(), sets=3),
        CurriculumICL(difficulty=Judge()),
        CurriculumICL(scheduler=LLMScheduler()),
    ],
    ids=["corpus", "instance", "paced", "judged", "arranged"],
)
@pytest.mark.parametrize("budget", [40, 130, 400, 5000])
def test_the_forecast_is_an_upper_bound_and_near(bench, search, budget):
    world = bench(scoring(rises), budget=budget + 10, reply_of=lambda prompt, draw: "")
    forecast = search.forecast(Sizes(pool=20, dev=10, predictors=1, executions=budget))
    list(search.search(world))
    done = len(world.executed) - 10
    assert done <= forecast.executions + 2
    assert len(world.asked) <= forecast.asks
    assert done >= forecast.executions / 2
    assert (forecast.reply_tokens > 0) == bool(world.asked)


@pytest.mark.parametrize("level", ["corpus", "instance"])
def test_what_pays_for_no_set_promises_none_and_spends_nothing_on_it(bench, level):
    search = CurriculumICL(level=level)
    for left, does_score in ((10, False), (11, True)):
        world = bench(scoring(rises), budget=10 + left)
        forecast = search.forecast(Sizes(pool=20, dev=10, predictors=1, executions=left))
        drain(search.search(world))
        assert bool(forecast.executions) == (len(world.recorded) > 1) == does_score
        assert ("one set takes at least 11 calls" in forecast.summary) != does_score
        assert does_score or len(world.executed) == 10  # the student alone


# programs


def test_predictors_are_taken_in_turn_each_with_an_order_of_its_own(bench, make_student, step):
    given = make_student(find=(("review",), ("quote",)), judge=(("review",), ("label",)))

    def trace(candidate, example):
        return (step("find", example.input_values, {"quote": f"quote of {number(example)}"}, "r"),)

    def score(candidate, example):
        if candidate["judge"].settings.params.get("seed") is not None:
            return 1.0
        return (
            1.0 if number(example) < 1000 else (rises(shown(candidate, "find")) + rises(shown(candidate, "judge"))) / 2
        )

    world = bench(score, given=given, trace_of=trace, columns={"review": lambda n: f"review {n} {'x' * n}"})
    best = list(CurriculumICL(difficulty=Length(), k=3, sets=1).search(world))[-1].best.candidate
    assert rises(shown(best, "find")) == rises(shown(best, "judge")) == 1.0
    assert "quote" in best.prompt("find").demos[0].values
    assert [origin.detail["predictor"] for _, origin, _ in world.recorded[1:]] == ["find"] * 3 + ["judge"] * 3


def test_with_short_money_traces_come_before_the_controls(bench, make_student, step):
    given = make_student(judge=(("review",), ("why", "label")))

    def trace(candidate, example):
        return (step("judge", example.input_values, {"why": "...", **example.labels}, "r"),)

    world = bench(lambda candidate, example: 1.0, given=given, trace_of=trace, budget=10 + 25)
    list(CurriculumICL(k=2).search(world))
    assert list(by_order(world)) == [EASY]


def test_without_anything_to_show_there_is_a_round_and_no_set(bench):
    world = bench(scoring(rises), pool=0)
    assert [done.name for done in CurriculumICL().search(world)] == ["self: no set"]


def test_free_text_needs_no_classes(bench):
    world = bench(scoring(rises), columns={"label": lambda n: f"text {n}"})
    assert len(list(CurriculumICL(sets=2).search(world))) == 2


# settings


def test_the_presets_have_the_published_sizes():
    paper, reference = CurriculumICL.paper(), CurriculumICL.reference()
    assert (paper.level, paper.k, paper.sets, paper.difficulty) == ("corpus", 5, 1, Judge())
    assert (reference.level, reference.k, reference.difficulty) == ("instance", 5, LabelLogProbability())
    assert CurriculumICL.paper(k=4).k == 4
    json.dumps(CurriculumICL.reference(scheduler=None).settings())


@pytest.mark.parametrize(
    "wrong",
    [
        {"k": 0},
        {"sets": 0},
        {"level": "class"},
        {"source": "thin air"},
        {"level": "instance", "scheduler": Root()},
        {"scheduler": OnePass(), "select": Random()},
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match="CurriculumICL"):
        CurriculumICL(**wrong)


def arrange(prompt, draw):
    return "<order>" + ", ".join(re.findall(r"Example (\d+)", prompt)[::-1]) + "</order>"


def rate(prompt, draw):
    return (
        "<ratings>" + "".join(f"\n{n}: {int(n) % 5 + 1}" for n in re.findall(r"Example (\d+)", prompt)) + "</ratings>"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("search", "writer"),
    [
        (CurriculumICL(k=3), arrange),
        (CurriculumICL(level="instance", difficulty=SuccessRate(2)), arrange),
        (CurriculumICL(k=3, scheduler=LLMScheduler()), arrange),
        (CurriculumICL(difficulty=Judge(), scheduler=Root()), rate),
        (CurriculumICL.paper(), rate),
    ],
    ids=["corpus", "instance", "arranged", "judged and paced", "paper"],
)
def test_it_passes_the_conformance_suite(search, writer):
    check_teleprompter(search, writer=writer, limits=(1, 7, 20, 33, 47, 61, 75, 90, 110, 130, 150, 180, 210))
