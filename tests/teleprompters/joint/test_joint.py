from __future__ import annotations

import functools
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from statistics import mean

import pytest
from optuna.samplers import NSGAIISampler, RandomSampler, TPESampler

from burnish.signatures.canonical import canonical
from burnish.signatures.errors import BudgetSpent, BurnishError
from burnish.teleprompters import (
    APE,
    Halving,
    Hyperband,
    Joint,
    NoRace,
    Origin,
    RandomDemos,
    Round,
    Teleprompter,
)
from burnish.teleprompters.base import Forecast
from burnish.teleprompters.joint.course import LEAST_TOLD, MOST_ASIDE, SLICE
from burnish.teleprompters.joint.objectives import Cost, PromptTokens
from burnish.teleprompters.joint.parts import changed
from burnish.teleprompters.joint.race import Paired
from burnish.teleprompters.token_cost import prompt_tokens

SLOWLY = "and take all the time that you need to do it well."  # longer than what the student says
MOST = 40  # rounds in a row that cost nothing, after which a search is taken to be endless


def run(joint, world, noting=lambda done, world: None):
    """The rounds of a search to its end, or to that of the money. noting: is told of each."""
    rounds, idle, left = [], 0, world.budget
    with suppress(BudgetSpent):
        for done in joint.search(world):
            rounds.append(done)
            noting(done, world)
            idle, left = idle + 1 if left == world.budget else 0, world.budget
            assert idle < MOST, f"it goes on for ever, with {left} left"
    return rounds


def only(*searches, **settings):
    """A joint search of these searches alone."""
    return Joint(proposers=searches, selectors=(), **settings)


def best(world):
    return world.known[0].candidate


def instructions(candidate):
    return [candidate.prompt(path).instruction for path in candidate.predictors]


# the search


@dataclass(frozen=True)
class WritesFor(Teleprompter):
    """Writes "Do 90 ..." for one predictor, beside the student's own instructions for the others."""

    predictor: str
    number: int = 90

    def search(self, bench):
        made = bench.student.with_prompt(self.predictor, instruction=f"Do {self.number}, {SLOWLY}")
        bench.score([made], origin=Origin("WritesFor", "wrote"), parents=[bench.student])
        yield Round("wrote")

    def forecast(self, sizes):
        return Forecast(0, 0, "writes")


def of_all(quality):
    """Scores that count every predictor's instruction alike."""
    return lambda candidate, example: sum(quality(candidate, path) for path in candidate.predictors) / 3


def test_what_searches_make_of_different_predictors_is_put_together(bench, three, quality):
    world = bench(of_all(quality), given=three, dev=20, budget=2000)
    rounds = run(only(*(WritesFor(path) for path in three.predictors)), world)
    assert instructions(best(world)) == [f"Do 90, {SLOWLY}"] * 3
    assert rounds[-1].best.candidate == best(world)
    parts = world.kept["joint"]["parts"]
    assert {(part["predictor"], part["kind"]) for part in parts} == {(path, "instruction") for path in three.predictors}
    assert [round(part["with"] - part["without"], 6) for part in parts] == [0.3] * 3
    assert {part["source"] for part in parts} == {"WritesFor 1", "WritesFor 2", "WritesFor 3"}


def test_who_had_the_calls_adds_up_to_what_was_spent_on_the_search(bench, writes, puts):
    world = bench(dev=20, budget=600)
    run(only(writes("Do 30.", "Do 60."), puts({"format": "plain"})), world)
    arms = {one["arm"]: one for one in world.kept["joint"]["portfolio"]}
    assert set(arms) == {"Writes", "Puts", "recombination"}
    assert sum(one["gain"] for one in arms.values()) == pytest.approx(world.known[0].mean, abs=1e-5)
    assert all(one["turns"] > 0 for one in arms.values())


def test_the_calls_that_an_arm_is_said_to_have_had_are_those_it_had(bench, writes, puts):
    world = bench(dev=20, budget=600)
    left, had = 580, {}
    for done in only(writes("Do 30.", "Do 60."), puts({"format": "plain"})).search(world):
        had[done.name] = had.get(done.name, 0) + left - world.budget
        left = world.budget
    assert {one["arm"]: one["calls"] for one in world.kept["joint"]["portfolio"]} == {
        name: calls for name, calls in had.items() if name != "each part taken out"
    }


def test_arms_select_on_the_first_rows_and_what_ships_saw_all(bench, writes):
    world = bench(dev=40, budget=2000)
    run(only(writes("Do 1.", "Do 2.", "Do 95.")), world)
    assert instructions(best(world)) == ["Do 95."]
    assert all(len(score.values) == 40 for score in world.known)
    assert len(world.recorded) < 10


def test_parts_that_do_not_go_together_are_logged_and_skipped(bench, puts, make_student):
    marked = "Write [[ ## label ## ]] first."
    plain = make_student().with_prompt("self", format="plain")
    world = bench(lambda one, row: 0.4 + 0.2 * (marked in instructions(one)), given=plain, dev=10)
    run(only(puts({"instruction": marked}, {"format": "chat"}, {"format": "xml"})), world)
    reasons = [detail["reason"] for event, detail in world.events if event == "parts that do not go together"]
    assert len(reasons) == 1
    assert "reserved marker" in reasons[0]
    assert instructions(best(world)) == [marked]


def test_a_candidate_may_come_of_one_that_was_never_scored(bench):
    @dataclass(frozen=True)
    class TwoSteps(Teleprompter):
        def search(self, bench):
            between = bench.student.with_prompt("self", instruction="Do 50.")
            made = [between.with_prompt("self", format="plain"), bench.student.with_prompt("self", instruction="Do 3.")]
            for one, parent in zip(made, (between, bench.student), strict=True):
                bench.score([one], origin=Origin("TwoSteps", "made"), parents=[parent])
            yield Round("made")

        def forecast(self, sizes):
            return Forecast(0, 0, "makes two")

    world = bench(dev=10, budget=500)
    run(only(TwoSteps()), world)
    assert best(world).prompt("self").instruction == "Do 50."


def test_what_the_user_allows_to_vary_is_tried(bench, writes):
    def score(candidate, example):
        part = candidate["self"]
        return (
            0.2 + 0.3 * (part.prompt.position == "question_end") + 0.3 * (part.settings.params == {"temperature": 0.5})
        )

    world = bench(score, dev=10)
    run(only(writes("Do 1."), positions=("question_end", "answer_begin"), temperatures=(0.5, 1.0)), world)
    assert best(world).prompt("self").position == "question_end"
    assert best(world)["self"].settings.params == {"temperature": 0.5}
    sources = {part["kind"]: part["source"] for part in world.kept["joint"]["parts"]}
    assert (sources["position"], sources["settings"]) == ("variations", "variations")


def test_where_several_lms_can_run_the_program_they_are_tried(bench, writes):
    world = bench(lambda c, e: 0.2 + 0.5 * (c["self"].settings.role == "large"), dev=10, task_lms=("task", "large"))
    run(only(writes("Do 1.")), world)
    assert best(world)["self"].settings.role == "large"
    assert [part["kind"] for part in world.kept["joint"]["parts"]] == ["lm"]


@pytest.mark.parametrize(
    "race", [Paired(), Halving(), Hyperband(first=4), NoRace()], ids=lambda race: type(race).__name__
)
def test_any_race_finds_what_is_clearly_best(bench, writes, race):
    world = bench(dev=24, budget=2000)
    run(only(writes("Do 10.", "Do 90.", "Do 40."), race=race), world)
    assert instructions(best(world)) == ["Do 90."]


@pytest.mark.parametrize(
    "sampler", [RandomSampler, TPESampler, NSGAIISampler, functools.partial(TPESampler, n_startup_trials=2)]
)
def test_any_sampler_puts_parts_together(bench, three, quality, sampler):
    world = bench(of_all(quality), given=three, dev=10, budget=2000)
    joint = only(*(WritesFor(path, number) for path in three.predictors for number in (30, 90)), sampler=sampler)
    assert canonical(joint.settings()) == canonical(joint.settings())
    run(joint, world)
    assert instructions(best(world)) == [f"Do 90, {SLOWLY}"] * 3


# money and ends


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (2000, SLICE * (2000 - 60) / 2),  # 60 are kept to take three parts out; there are two arms, with recombination
        (100, LEAST_TOLD * 8),
        (30, 30 - int(MOST_ASIDE * 30)),
    ],
)
def test_an_arm_is_told_that_it_has_a_slice_of_its_share_but_enough_to_begin_with_and_no_more_than_there_is(
    bench, left, told
):
    seen = []

    @dataclass(frozen=True)
    class Looks(Teleprompter):
        def search(self, bench):
            seen.append(bench.remaining.expected)
            yield Round("looked")

        def forecast(self, sizes):
            return Forecast(0, 0, "looks")

    run(only(Looks()), bench(dev=20, budget=20 + left))
    assert seen[0] == told


@pytest.mark.parametrize("budget", [1, 19, 20, 25, 40, 59, 60, 61, 75, 90, 119, 120, 150, 200, 333, 500, 1000])
@pytest.mark.parametrize("dev", [20, 60])
def test_whatever_there_is_to_spend_it_is_never_overspent_and_the_search_ends(
    bench, noisy, quality, writes, dev, budget
):
    world = bench(noisy(quality), dev=dev, budget=budget)
    rounds = run(Joint(proposers=(writes("Do 30.", "Do 70."), APE()), selectors=(RandomDemos(sets=3),)), world)
    assert world.budget >= 0
    assert (budget < dev) == (not world.recorded)
    assert all(done.best == world.known[0] for done in rounds[-1:])


@pytest.mark.parametrize("left", [30, 60, 100, 149, 150, 151, 200])
def test_where_nothing_can_be_seen_through_any_more_the_search_ends(bench, three, puts, left):
    world = bench(lambda candidate, example: 0.5, given=three, dev=150, budget=150 + 48 + left)
    run(only(puts({"instruction": "A.", "format": "plain"}, {"instruction": "B.", "format": "xml"})), world)


@pytest.mark.parametrize("budget", range(66, 140, 8))
def test_a_search_that_can_pay_only_for_some_of_what_it_makes_ends(bench, noisy, puts, make_student, budget):
    student = make_student()
    world = bench(noisy(lambda one: 0.6 if one == student else 0.5, 2), dev=20, budget=budget)
    run(only(puts({"instruction": "A."}, {"format": "plain"}, {"position": "question_end"}), batch=8), world)


def test_as_long_as_there_is_money_and_something_untried_the_search_goes_on(bench, three, puts, noisy):
    worth = {"Do 0.": 0.0, "Do 1.": 0.05, "Do 2.": 0.1, "Do 3.": 0.15}

    def truth(candidate):
        return 0.3 + sum(worth.get(text, 0.0) for text in instructions(candidate))

    world = bench(noisy(truth), given=three, dev=20, budget=6000)
    run(only(puts(*({"instruction": text} for text in worth))), world)
    untried = (1 + len(worth)) ** 3 - len({candidate for candidate, _ in world.executed})
    assert untried <= 12 or world.budget < 1500, f"{untried} combinations are untried, with {world.budget} calls left"


def test_a_budget_that_ends_while_parts_are_taken_out_leaves_what_was_found_by_then(bench, three, quality):
    world = bench(of_all(quality), given=three, dev=20, budget=2000)
    score, taken = world.score, []

    def ending(candidates, examples=None, *, origin=None, **named):
        if isinstance(origin, Origin) and origin.move == "taken out":
            if taken:
                raise BudgetSpent  # where what is expected to fit does not
            taken.append(candidates)
        return score(candidates, examples, origin=origin, **named)

    world.score = ending
    run(only(*(WritesFor(path) for path in three.predictors)), world)
    assert len(world.kept["joint"]["parts"]) >= 1


@pytest.mark.parametrize("budget", [1500, 2400, 3600])
def test_races_leave_the_money_that_is_set_aside_for_taking_parts_out(bench, three, noisy, quality, budget):
    world = typical(bench, noisy, 0, given=three, dev=90, budget=budget)
    taken_out = [score for score, origin, _ in world.recorded if origin is not None and origin.move == "taken out"]
    assert len(taken_out) >= 2


@pytest.mark.parametrize("budget", [2400, pytest.param(6000, marks=pytest.mark.slow)])
def test_every_search_that_takes_part_gets_to_score_something(bench, three, noisy, budget):
    had, left = {}, budget

    def noting(done, world):
        nonlocal left
        had[done.name] = had.get(done.name, 0) + left - world.budget
        left = world.budget

    world = typical(bench, noisy, 0, given=three, dev=90, budget=budget, noting=noting)
    assert [one["arm"] for one in world.kept["joint"]["portfolio"] if not had.get(one["arm"])] == []


# a typical run


def typical(bench, noisy, seed, dev=60, noting=lambda done, world: None, joint=None, **options):
    """The search as it comes on a noisy world: instructions of random quality, demonstrations that help a little."""

    def truth(candidate):
        numbers = [text.split()[-1].strip(".") for text in instructions(candidate)]
        told = sum((int(number) % 100) / 300 if number.isdigit() else 0.1 for number in numbers) / len(numbers)
        return 0.35 + told + 0.03 * min(4, len(candidate.demos))

    writer = lambda prompt, draw: f"<instruction>Do {draw * 7919 % 100}.</instruction>"  # noqa: E731
    world = bench(noisy(truth, seed), dev=dev, pool=60, reply_of=writer, **options)
    run(joint or Joint(), world, noting)
    return world


@pytest.mark.parametrize("seed", [0, 1])
def test_what_is_dropped_has_seen_a_third_of_the_rows_at_most_on_average(bench, noisy, seed):
    world = typical(bench, noisy, seed, budget=1500)
    kept, rows = {score.candidate for score, *_ in world.recorded}, set(world.dev)
    seen = Counter(candidate for candidate, row in world.executed if row in rows and candidate not in kept)
    assert len(seen) > 20
    assert mean(seen.values()) <= len(rows) / 3


@pytest.mark.parametrize("seed", [0, 1])
def test_with_a_race_that_answers_for_chance_half_of_the_evaluations_at_most_go_to_what_was_dropped_or_looked_at_again(
    bench, noisy, seed
):
    world = typical(bench, noisy, seed, joint=Joint(race=Paired()), budget=1500)
    kept = {score.candidate for score, origin, _ in world.recorded if not (origin and origin.move == "taken out")}
    lost = sum(candidate not in kept for candidate, _ in world.executed)
    assert lost <= len(world.executed) / 2, f"{lost} of {len(world.executed)}"


def test_a_typical_run_spends_nearly_all_and_ends_better_than_it_began(bench, noisy):
    world = typical(bench, noisy, 0, budget=1500)
    assert world.budget < 150
    assert world.known[0].mean > world.recorded[0][0].mean + 0.1


def test_equal_runs_are_equal_to_the_last_execution(bench, noisy):
    first, again = (typical(bench, noisy, 0, budget=600) for _ in range(2))
    assert [(c.digest, e.digest) for c, e in first.executed] == [(c.digest, e.digest) for c, e in again.executed]
    assert first.asked == again.asked
    assert canonical(first.kept["joint"]) == canonical(again.kept["joint"])


# objectives


@pytest.fixture
def priced(bench, three, quality):
    """A world in which what each of three predictors gains makes its instruction longer."""
    return lambda **options: bench(of_all(quality), given=three, dev=20, budget=2000, **options)


def searches(three):
    return tuple(WritesFor(path) for path in three.predictors)


def test_what_ships_is_what_the_rule_picks_of_the_front(priced, three):
    world, shown = priced(), []

    def cheapest(points):
        shown.append(points)
        return min(points, key=lambda point: point.costs)

    run(only(*searches(three), objectives=(PromptTokens(),), rule=cheapest), world)
    front = shown[-1]
    assert world.chosen == min(front, key=lambda point: point.costs).score.candidate != best(world)
    assert world.kept["joint"]["front"] == [point.to_json() for point in front]
    assert world.kept["joint"]["objectives"] == [{"name": "PromptTokens", "unit": "tokens"}]
    costs = [prompt_tokens(score.candidate) for score in world.known]
    assert front[0].score.mean == world.known[0].mean
    assert min(point.costs[0] for point in front) == min(costs)


def test_without_objectives_the_best_ships_and_no_front_is_said(priced, three):
    world = priced()
    run(only(*searches(three)), world)
    assert world.chosen is None
    assert set(world.kept["joint"]) == {"portfolio", "parts"}


def test_the_parts_that_are_said_are_those_of_what_ships(priced, three):
    world = priced()
    run(only(*searches(three), objectives=(PromptTokens(),), rule=lambda points: points[-1]), world)
    said = {(part["predictor"], part["kind"]) for part in world.kept["joint"]["parts"]}
    assert said == {(slot.predictor, slot.kind) for slot in changed(three, world.chosen)}


def test_a_cost_of_ones_own_counts_like_any_other(priced, three):
    @dataclass(frozen=True)
    class Instructed(Cost):
        unit = "instructions"

        def of(self, bench, score):
            return float(sum(text.startswith("Do") for text in instructions(score.candidate)))

    world = priced()
    run(only(*searches(three), objectives=(Instructed(),), rule=lambda points: points[-1]), world)
    assert world.kept["joint"]["objectives"] == [{"name": "Instructed", "unit": "instructions"}]
    assert [point["costs"] for point in world.kept["joint"]["front"]] == [[3.0], [2.0], [1.0], [0.0]]
    assert world.chosen == three


def test_where_the_budget_ends_in_the_middle_of_a_turn_what_was_scored_by_then_ships_and_who_had_the_calls_is_said(
    bench, writes, quality
):
    world = bench(lambda candidate, example: quality(candidate), dev=20)
    score, choices = world.score, []
    world.choose = lambda candidate: choices.append(instructions(candidate))

    def ending(candidates, examples=None, **named):
        scores = score(candidates, examples, **named)
        if examples is None and any("Do 90." in instructions(one) for one in candidates):
            raise BudgetSpent
        return scores

    world.score = ending
    search = only(writes("Do 40.", "Do 90."), objectives=(PromptTokens(),), rule=lambda points: points[0])
    with pytest.raises(BudgetSpent):
        list(search.search(world))
    assert choices[-1] == ["Do 90."]
    accounts = {account["arm"]: account for account in world.kept["joint"]["portfolio"]}
    assert accounts["Writes"]["turns"] == 2
    assert sum(account["gain"] for account in accounts.values()) == pytest.approx(0.9)


def test_a_program_that_is_right_everywhere_is_left_as_it_is(bench, writes):
    world = bench(lambda candidate, example: 1.0, dev=20, budget=500)
    run(only(writes("Do 1.", "Do 2.")), world)
    assert world.budget == 480


@pytest.mark.parametrize("rule", [lambda points: None, lambda points: points])
def test_a_rule_that_picks_none_of_the_points_is_said_so(bench, writes, rule):
    with pytest.raises(BurnishError, match=r"Joint\(rule=...\) returned .* none of the points"):
        run(only(writes("Do 1."), objectives=(PromptTokens(),), rule=rule), bench(dev=20, budget=500))


def test_formats_are_tried_with_selectors_of_ones_own(bench, writes):
    world = bench(lambda candidate, example: float(candidate.prompt("self").format == "xml"), dev=20, budget=500)
    run(only(writes("Do 1."), formats=("xml", "json")), world)
    assert best(world).prompt("self").format == "xml"


def test_a_sampler_that_is_none_is_refused_when_the_search_is_made():
    with pytest.raises(ValueError, match="makes an Optuna sampler"):
        Joint(sampler=lambda seed: "none")
    with pytest.raises(ValueError, match="raised TypeError"):
        Joint(sampler=lambda: None)


def test_a_rule_that_raises_is_named(bench, writes):
    rule = lambda points: points[99]  # noqa: E731
    with pytest.raises(BurnishError, match=r"Joint\(rule=...\) raised IndexError"):
        run(only(writes("Do 1."), objectives=(PromptTokens(),), rule=rule), bench(dev=20, budget=500))
