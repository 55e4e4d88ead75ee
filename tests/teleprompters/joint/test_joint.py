"""The joint search: parts of several searches are put together, and the best of all is found."""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import dataclass
from statistics import mean

import pytest
from optuna.samplers import NSGAIISampler, RandomSampler, TPESampler

from burnish.signatures.canonical import canonical
from burnish.teleprompters import (
    Halving,
    Hyperband,
    Joint,
    NoRace,
    Origin,
    Round,
    Teleprompter,
)
from burnish.teleprompters.base import Forecast
from burnish.teleprompters.joint.race import Paired

from .world import SLOWLY, WritesFor, best, instructions, of_all, only, run, typical


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


def test_formats_are_tried_with_selectors_of_ones_own(bench, writes):
    world = bench(lambda candidate, example: float(candidate.prompt("self").format == "xml"), dev=20, budget=500)
    run(only(writes("Do 1."), formats=("xml", "json")), world)
    assert best(world).prompt("self").format == "xml"


def test_a_program_that_is_right_everywhere_is_left_as_it_is(bench, writes):
    world = bench(lambda candidate, example: 1.0, dev=20, budget=500)
    run(only(writes("Do 1.", "Do 2.")), world)
    assert world.budget == 480


def test_a_sampler_that_is_none_is_refused_when_the_search_is_made():
    with pytest.raises(ValueError, match="makes an Optuna sampler"):
        Joint(sampler=lambda seed: "none")
    with pytest.raises(ValueError, match="raised TypeError"):
        Joint(sampler=lambda: None)


# a typical run


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
