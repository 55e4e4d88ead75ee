from __future__ import annotations

from contextlib import suppress

import pytest

from burnish.signatures.errors import BudgetSpent
from burnish.signatures.example import Example
from burnish.signatures.prompt import Demo, DemoRule
from burnish.teleprompters.base import Origin, Outcome, Sizes
from burnish.teleprompters.demonstrations.base import Chosen, Selector, Shot
from burnish.teleprompters.demonstrations.demonstrations import Demonstrations
from burnish.teleprompters.demonstrations.difficulty import Judge
from burnish.teleprompters.demonstrations.generate.contrastive import Contrastive
from burnish.teleprompters.demonstrations.generate.self_instruct import SelfInstruct
from burnish.teleprompters.demonstrations.order.curriculum import EasyToHard
from burnish.teleprompters.demonstrations.order.simple import RandomOrder, Reversed
from burnish.teleprompters.demonstrations.pacing import LLMScheduler
from burnish.teleprompters.demonstrations.select.bm25 import BM25
from burnish.teleprompters.demonstrations.select.random_sets import Random
from burnish.teleprompters.demonstrations.select.self_generated import SelfGenerated
from burnish.teleprompters.demonstrations.supply import supply_of


def flat(candidate, example):
    return 0.5


def shown(candidate, path="self"):
    return [demo.values["review"] for demo in candidate.prompt(path).demos]


def places(chosen):
    return [shot.row.place for shot in chosen.shots]


@pytest.fixture
def supply(bench):
    def build(k=4, **options):
        world = bench(flat, **options)
        return supply_of(world, world.student, "self", k=k, money=100)

    return build


def with_rows(world, pool, dev=()):
    def row(number, text, label="positive"):
        return Example.of({"review": text, "label": label}, ("review",), f"row {number}")

    world.pool = tuple(row(n, text) for n, text in enumerate(pool))
    world.dev = tuple(row(1000 + n, text) for n, text in enumerate(dev)) or world.dev
    return world


# what there is to choose from


def test_rows_are_shown_with_their_labels(supply):
    shot = supply().shots[3]
    assert shot.demo.values == {"review": "review 3", "label": "positive"}


def test_near_duplicates_of_each_other_and_of_dev_are_never_shown(bench):
    long = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    world = with_rows(bench(flat), [long, f"{long}!", "Another text.", "In dev."], ["in dev", "else"])
    made = supply_of(world, world.student, "self", k=4, money=100)
    assert [shot.row.place for shot in made.shots] == ["row 0", "row 2"]
    reasons = [(detail["place"], detail["reason"]) for event, detail in world.events if event == "row not shown"]
    assert reasons == [("row 1", "near duplicate"), ("row 3", "near a row of dev")]


def test_what_rows_have_no_value_for_is_taken_from_executions_that_went_right(bench, make_student, step):
    given = make_student(find=(("review",), ("quote",)), judge=(("quote",), ("label",)))

    def trace(candidate, example):
        return (step("find", example.input_values, {"quote": f"of {example.values['review']}"}, "r"),)

    world = bench(lambda candidate, example: float(example.values["label"] == "positive"), given=given, trace_of=trace)
    made = supply_of(world, world.student, "find", k=4, money=100)
    assert {shot.row.values["label"] for shot in made.shots} == {"positive"}
    assert all(shot.demo.values["quote"] == f"of {shot.row.values['review']}" for shot in made.shots)
    assert len(world.executed) <= 25  # a quarter of the money


def test_no_row_is_executed_that_a_predictor_is_shown_already(bench, make_student, step):
    given = make_student(find=(("review",), ("quote",)), judge=(("review", "quote"), ("label",)))

    def trace(candidate, example):
        return (step("find", example.input_values, {"quote": "said"}, "r"),)

    world = bench(lambda candidate, example: 1.0, given=given, trace_of=trace)
    texts = [f"review {n}" for n in range(6)]
    start = given
    for path, some in (("find", texts[:3]), ("judge", texts[3:])):
        demos = tuple(Demo.of({"review": text, "quote": "said", "label": "positive"}) for text in some)
        start = start.with_prompt(path, demos=demos)
    made = supply_of(world, start, "find", k=4, money=1000)
    assert {len(shown(candidate, "find")) for candidate, _ in world.executed} == {0}
    assert not {row.values["review"] for _, row in world.executed} & set(texts[3:])
    assert "review 0" in [shot.row.values["review"] for shot in made.shots]
    assert not {row.values["review"] for row in made.rows} & set(texts[3:])
    assert [detail["rows"] for event, detail in world.events if event == "row shown already"] == [3]
    made = supply_of(world, start.with_prompt("judge", rule=DemoRule("bm25", 2)), "find", k=4, money=1000)
    assert len(made.shots) == 20  # a rule never shows a query its own row


def test_labelled_rows_that_are_shown_already_only_make_up_for_missing_ones(bench, make_student):
    given = make_student(find=(("review",), ("label",)), judge=(("review",), ("label",)))
    world = bench(flat, given=given, pool=6)
    start = given.with_prompt("find", demos=tuple(Demo.of(row.values) for row in world.pool[:4]))
    assert len(supply_of(world, start, "judge", k=2, money=10).shots) == 2
    assert len(supply_of(world, start, "judge", k=5, money=10).shots) == 5


def test_a_question_is_the_text_that_an_encoder_is_given(bench):
    world = bench(flat, columns={"review": lambda n: {"b": n, "a": [1]}})
    made = supply_of(world, world.student, "self", k=2, money=10)
    assert made.question(made.shots[0]) == made.candidate.prompt("self").question(made.shots[0].demo.values)
    assert made.text({"review": {"b": 1, "a": 2}}) == made.text({"review": {"a": 2, "b": 1}})


def test_an_equal_share_of_each_class_is_taken_from_a_ranking_in_its_order(supply):
    made = supply(k=4)
    ranked = [shot for shot in made.shots if shot.row.values["label"] == "positive"] + list(made.shots)[::2]
    assert [shot.row.values["label"] for shot in made.balanced(ranked)] == ["positive"] * 2 + ["negative"] * 2
    assert made.balanced(ranked)[0] == ranked[0]


def test_free_answers_are_no_classes_and_the_first_of_a_ranking_are_taken(bench):
    columns = {"label": lambda n: f"answer {n}"}
    world = bench(flat, columns=columns)
    made = supply_of(world, world.student, "self", k=3, money=100)
    assert made.classes == ()
    assert made.balanced(made.shots) == list(made.shots[:3])


def test_where_a_class_runs_out_the_next_best_fill_up(supply):
    made = supply(k=4)
    ranked = [shot for shot in made.shots if shot.row.values["label"] == "positive"][:4]
    assert made.balanced(ranked) == ranked


# the baselines


def test_random_sets_are_balanced_and_no_two_the_same_and_repeat_with_the_seed(supply):
    sets = list(Random(sets=10).select(supply()))
    assert len({frozenset(places(chosen)) for chosen in sets}) == 10
    assert all(len(chosen.shots) == 4 for chosen in sets)
    assert all(sum(shot.row.values["label"] == "positive" for shot in chosen.shots) == 2 for chosen in sets)
    assert [places(chosen) for chosen in sets] == [places(chosen) for chosen in Random(sets=10).select(supply())]


def test_every_class_is_in_a_balanced_random_set_that_has_room_for_it(supply):
    made = supply(k=5, columns={"label": lambda n: f"class {n % 4}"})
    for chosen in Random(sets=10).select(made):
        assert len({shot.row.values["label"] for shot in chosen.shots}) == 4


def test_there_are_no_more_random_sets_than_combinations(supply):
    assert len(list(Random(sets=50, balanced=False).select(supply(k=2, pool=4)))) == 6
    assert len(list(Random(sets=50).select(supply(k=9, pool=4)))) == 1


def test_bm25_is_a_rule_over_all_shots(supply):
    (chosen,) = BM25(order="closest_first").select(supply(k=3))
    assert chosen.rule == DemoRule("bm25", 3, "closest_first")
    assert len(chosen.shots) == 20


def test_orders_without_cost(supply):
    made = supply()
    (chosen,) = Random().select(made)
    (turned,) = Reversed().arrange(made, chosen)
    assert places(turned) == places(chosen)[::-1]
    orders = [tuple(places(one)) for one in RandomOrder(5).arrange(made, chosen)]
    assert len(set(orders)) == 5
    (rule,) = BM25().select(made)
    assert [list(order.arrange(made, rule)) for order in (Reversed(), RandomOrder(5))] == [[rule], [rule]]


# the search


def test_every_set_is_scored_on_dev_and_says_which_rows_it_has_and_why(bench):
    world = bench(lambda candidate, example: len(shown(candidate)) / 10 + 0.01 * ("review 7" in shown(candidate)))
    rounds = list(Demonstrations(select=Random(sets=6), k=3).search(world))
    assert len(world.recorded) == 7
    assert all(len(shown(score.candidate)) == 3 for score, *_ in world.recorded[1:])
    _, origin, parents = world.recorded[1]
    assert isinstance(origin, Origin)
    assert (origin.detail["select"], origin.detail["order"]) == ("Random", "AsGiven")
    assert set(origin.detail["rows"].values()) == {"drawn at random"}
    assert parents == (world.student,)
    assert rounds[-1].best == world.known[0]


def test_predictors_get_their_own_sets_in_turn_the_others_held_at_their_best(bench, make_student):
    given = make_student(find=(("review",), ("label",)), judge=(("review",), ("label",)))
    world = bench(lambda candidate, example: len(candidate.demos) / 10, given=given)
    best = list(Demonstrations(select=Random(sets=2), k=2).search(world))[-1].best.candidate
    assert [len(shown(best, path)) for path in ("find", "judge")] == [2, 2]
    assert shown(best, "find") != shown(best, "judge")


def test_later_sets_are_only_tried_when_they_can_be_scored_whole(bench):
    world = bench(flat, budget=45)
    list(Demonstrations().search(world))
    assert len(world.recorded) == 4  # the student and three sets of ten rows
    assert world.budget >= 0


class Ranked(Selector):
    """All shots, in the order of the pool."""

    def select(self, supply):
        yield Chosen.of(supply.shots[: supply.k], "first in the pool")

    def cost(self, shots, k, dev):
        return 0


def test_where_the_context_is_full_the_least_relevant_demonstration_goes_and_is_said(bench):
    world = bench(flat)
    predict = world.predict

    def crowded(candidate, examples):
        if len(shown(candidate)) > 2:
            return [Outcome(0.0, failure="overflow") for _ in examples]
        return predict(candidate, examples)

    world.predict = crowded
    list(Demonstrations(select=Ranked(), order=Reversed(), k=4).search(world))
    assert shown(world.recorded[-1][0].candidate) == ["review 1", "review 0"]
    left = [detail["row"] for event, detail in world.events if event.startswith("demonstration left out")]
    assert left == [world.pool[3].digest, world.pool[2].digest]


def test_a_row_that_is_too_long_for_the_student_too_costs_no_demonstration(bench):
    world = bench(flat)
    world.predict = lambda candidate, examples: [Outcome(0.0, failure="overflow") for _ in examples]
    list(Demonstrations(select=Ranked(), k=4).search(world))
    assert len(shown(world.recorded[-1][0].candidate)) == 4


@pytest.mark.parametrize("wrong", [{"k": 0}, {"source": "dreamt"}])
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match="Demonstrations"):
        Demonstrations(**wrong)
    with pytest.raises(ValueError, match="Random"):
        Random(sets=0)
    with pytest.raises(ValueError, match="reasons"):
        Chosen((Shot(None, None),), ())


@pytest.mark.parametrize("budget", [40, 130, 400])
@pytest.mark.parametrize(
    "search",
    [
        Demonstrations(SelfGenerated(sets=2), k=2),
        Demonstrations(SelfInstruct(rows=6), k=2),
        Demonstrations(Contrastive(SelfGenerated(sets=1), rows=4), k=2),
        Demonstrations(Random(sets=3), LLMScheduler()),
        Demonstrations(Random(sets=3), EasyToHard(Judge())),
    ],
    ids=["self-generated", "self-instruct", "wrapped", "arranged", "judged"],
)
def test_the_forecast_counts_what_the_optimizer_lm_is_asked(bench, search, budget):
    world = bench(flat, budget=budget + 10, reply_of=lambda prompt, draw: "")
    forecast = search.forecast(Sizes(pool=20, dev=10, predictors=1, executions=budget))
    with suppress(BudgetSpent):
        list(search.search(world))
    assert 0 < len(world.asked) <= forecast.asks
    assert forecast.asks + forecast.executions <= budget
    assert forecast.reply_tokens >= 512
    plain = Demonstrations().forecast(Sizes(pool=20, dev=10, predictors=1, executions=budget))
    assert (plain.asks, plain.reply_tokens) == (0, 0)
