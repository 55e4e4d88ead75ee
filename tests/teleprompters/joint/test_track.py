from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from burnish.teleprompters.base import Origin
from burnish.teleprompters.joint.arm_bench import Made
from burnish.teleprompters.joint.objectives import Cost, PromptTokens
from burnish.teleprompters.joint.race import Halving, Hyperband, NoRace, Paired, Pocock, Race
from burnish.teleprompters.joint.track import Track

ORIGIN = Origin("test", "made")


def track_of(world, race=None, objectives=(), **options):
    """A track on a bench where the student was scored."""
    world.score([world.student])
    return Track(world, race or Paired(first=8), lambda score: score.mean, objectives, **options)


def made(world, *numbers):
    """Candidates with the instructions "Do 42." of these numbers, made from the student."""
    return [Made(world.student.with_prompt("self", instruction=f"Do {n}."), world.student, ORIGIN) for n in numbers]


def rows_of(world, candidate):
    """The rows that a candidate was executed on, in order."""
    return [row for one, row in world.executed if one == candidate]


def recorded(world):
    return [score.candidate.prompt("self").instruction for score, *_ in world.recorded[1:]]


def test_all_that_race_see_the_same_rows_block_by_block(bench):
    world = bench(dev=32)
    track = track_of(world)
    entries = made(world, 10, 90, 50)
    track.run(entries)
    track.run(made(world, 20))
    assert sorted(row.digest for row in track.rows) == sorted(row.digest for row in world.dev)
    for one in [*entries, *made(world, 20)]:
        seen = rows_of(world, one.candidate)
        assert len(seen) in (8, 16, 32)
        assert set(seen) == set(track.rows[: len(seen)])
    assert list(track.rows) != list(world.dev), "which is drawn"
    assert track.rows == track_of(bench(dev=32)).rows, "and the same in every run"


def test_those_that_fall_behind_are_dropped_and_only_what_saw_all_rows_is_recorded(bench):
    world = bench(dev=64)
    track = track_of(world)
    entries = made(world, 5, 95)
    track.run(entries)
    assert recorded(world) == ["Do 95."]
    assert len(rows_of(world, entries[0].candidate)) < 64
    assert len(rows_of(world, entries[1].candidate)) == 64
    assert track.incumbent == entries[1].candidate
    assert len({score.examples for score in world.known}) == 1, "survivors are scored on identical examples"


def test_what_is_recorded_says_who_made_it_of_what(bench):
    world = bench(dev=16)
    track_of(world).run(made(world, 60))
    assert [(origin, parents) for _, origin, parents in world.recorded[1:]] == [(ORIGIN, (world.student,))]


def test_a_candidate_that_is_dropped_was_seen_and_has_raced(bench):
    world = bench(dev=64)
    track = track_of(world)
    (bad,), (good,) = made(world, 5), made(world, 95)
    assert not track.has_seen(bad.candidate)
    track.run([bad, good])
    assert track.has_seen(bad.candidate)
    assert track.has_raced(bad.candidate)
    assert track.has_raced(world.student)


@pytest.mark.parametrize(
    "race", [Pocock(), Paired(), Halving(), Hyperband(), NoRace()], ids=lambda race: type(race).__name__
)
def test_the_best_of_a_race_is_scored_on_all_of_dev_whatever_the_race(bench, race):
    world = bench(dev=40)
    track = track_of(world, race)
    for numbers in ((10, 90, 50), (60, 95), (20, 30)):
        track.run(made(world, *numbers))
    assert track.incumbent.prompt("self").instruction == "Do 95."
    assert all(len(score.values) == 40 for score in world.known)


def test_scores_of_any_range_race_as_shares_of_it(bench, quality):
    world = bench(lambda candidate, example: 200 * quality(candidate) - 100, dev=64, score_range=(-100.0, 100.0))
    track_of(world).run(made(world, 5, 95))
    assert recorded(world) == ["Do 95."]


# money


def test_a_race_that_the_money_cannot_see_through_is_not_begun(bench):
    world = bench(dev=32, budget=32 + 31)
    track = track_of(world)
    track.run(made(world, 60, 70))
    assert world.budget == 31
    assert recorded(world) == []


def test_what_is_set_aside_is_not_raced_away(bench):
    world = bench(lambda candidate, example: 0.5, dev=32, budget=32 + 100)
    track = track_of(world, aside=lambda: 40)
    assert (track.left, track.has_room) == (60, True)
    track.run(made(world, 61, 62, 63))
    assert recorded(world) == ["Do 61."]
    assert (world.budget >= 40, track.has_room) == (True, False)
    before = world.budget
    track.run(made(world, 64))
    assert world.budget == before, "and where nothing can be seen through, no race begins"


def test_what_is_set_aside_may_change_and_more_than_there_is_leaves_nothing(bench):
    world, aside = bench(dev=32, budget=32 + 100), [0]
    track = track_of(world, aside=lambda: aside[0])
    assert (track.left, track.has_room) == (100, True)
    for aside[0], left in ((68, 32), (69, 31), (500, 0)):
        assert (track.left, track.has_room) == (left, left >= 32)


def test_a_race_is_told_when_it_will_look_and_how_many_there_are(bench):
    told = []

    @dataclass(frozen=True)
    class Looking(Race):
        first: int | None = 8

        def staying(self, field):
            told.append((field.looks, field.rivals, len(field.runners[0])))
            return field.ranking

    world = bench(dev=40)
    track_of(world, Looking()).run(made(world, 10, 90))
    assert told == [((8, 16, 32), 3, 8), ((8, 16, 32), 3, 16), ((8, 16, 32), 3, 32)]


def test_where_the_money_does_for_some_the_first_of_them_go_on(bench):
    world = bench(lambda candidate, example: 0.5, dev=32, budget=32 + 40)
    track_of(world).run(made(world, 61, 62, 63, 64))
    assert recorded(world) == ["Do 61."]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(
    st.integers(0, 400),
    st.lists(st.integers(1, 99), min_size=1, max_size=8, unique=True),
    st.sampled_from([Pocock(first=8), Paired(first=8), Halving(first=4), Hyperband(first=4), NoRace()]),
)
def test_no_race_asks_for_more_than_there_is(bench, noisy, quality, left, numbers, race):
    world = bench(noisy(quality), dev=30, budget=30 + left)
    track = track_of(world, race)
    for first in range(0, len(numbers), 3):
        track.run(made(world, *numbers[first : first + 3]))
    assert world.budget >= 0
    if left >= 30:
        assert len(world.recorded) > 1, "one at least is seen through"


# what is known


def test_what_was_dropped_is_known_by_its_difference_to_the_best_on_the_rows_that_both_have_seen(bench):
    world = bench(dev=64)
    track = track_of(world)
    bad, good = made(world, 5, 95)
    easy = set(track.rows[:8])  # where everybody does better
    skill = {bad.candidate: 0.0, good.candidate: 0.7}
    world.score_of = lambda candidate, example: skill[candidate] + 0.25 * (example in easy)
    track.run([good])
    track.run([bad])
    ran = track.ran(bad.candidate)
    assert ran.rows < 64
    assert ran.value == pytest.approx(world.known[0].mean - 0.7), "and not by its luck on easy rows"
    assert track.ran(good.candidate).rows == 64
    assert track.ran(good.candidate).value == pytest.approx(world.known[0].mean)


def test_all_that_is_known_has_scores_on_the_first_block_the_best_on_all_rows_first(bench):
    world = bench(dev=64)
    track = track_of(world)
    track.run(made(world, 5, 40, 95))
    known = track.known()
    assert known[0].candidate == world.known[0].candidate == track.incumbent
    assert {score.examples for score in known} == {tuple(row.digest for row in track.first_block)}
    assert {score.candidate for score in known} >= {one.candidate for one in made(world, 5, 40, 95)}
    before = len(world.executed)
    track.known()
    assert len(world.executed) == before


def test_candidates_that_were_scored_on_the_first_block_elsewhere_are_known(bench):
    world = bench(dev=64)
    track = track_of(world)
    (one,) = made(world, 30)
    world.score([one.candidate], track.first_block)
    track.note([one.candidate])
    assert track.has_seen(one.candidate)
    assert not track.has_raced(one.candidate)
    assert one.candidate in [score.candidate for score in track.known()]
    best, unknown = made(world, 80, 99)
    track.run([best])
    assert track.best_first([unknown, one, best]) == [best, one, unknown]


@pytest.mark.parametrize(("race", "rows"), [(Paired(first=6), 6), (Hyperband(first=6), 6), (NoRace(), 40)])
def test_the_first_block_is_the_same_in_every_race(bench, race, rows):
    world = bench(dev=40)
    track = track_of(world, race)
    before = track.first_block
    track.run(made(world, 50))
    assert track.first_block == before == track.rows[:rows]


# costs


@dataclass(frozen=True)
class Price(Cost):
    """What an instruction "Do 42." costs: 42."""

    unit = "cents"

    def of(self, bench, score):
        digits = [c for c in score.candidate.prompt("self").instruction if c.isdigit()]
        return float("".join(digits) or 0)


def test_without_objectives_the_front_is_the_best(bench):
    world = bench(dev=16)
    track = track_of(world)
    track.run(made(world, 40, 60))
    assert [point.score for point in track.front()] == [world.known[0]]


def test_with_objectives_a_worse_candidate_that_costs_less_than_all_better_ones_is_not_dropped(bench):
    world = bench(lambda candidate, example: Price().of(None, Fake(candidate)) / 100, dev=64)
    track = track_of(world, objectives=(Price(),))
    track.run(made(world, 95, 5))
    assert sorted(recorded(world)) == ["Do 5.", "Do 95."]
    assert [point.costs for point in track.front()] == [(95.0,), (5.0,), (0.0,)]


def test_with_objectives_one_that_is_worse_and_dearer_is_dropped(bench):
    world = bench(lambda candidate, example: 1 - Price().of(None, Fake(candidate)) / 100, dev=64)
    track = track_of(world, objectives=(Price(), PromptTokens()))
    track.run(made(world, 95, 15))
    assert "Do 95." not in recorded(world)


def test_what_a_candidate_costs_on_the_same_rows_is_reckoned_once(bench):
    reckoned = []

    @dataclass(frozen=True)
    class Counted(Price):
        def of(self, bench, score):
            reckoned.append((score.candidate, score.examples))
            return super().of(bench, score)

    world = bench(dev=32)
    track = track_of(world, objectives=(Counted(),))
    track.run(made(world, 40, 60))
    assert [point.costs for point in track.front()] == [point.costs for point in track.front()]
    assert len(reckoned) == len(set(reckoned))


def test_a_test_answers_for_all_that_the_best_was_chosen_among_also_for_those_that_were_dropped(bench):
    fields = []

    @dataclass(frozen=True)
    class Watched(Halving):
        def staying(self, field):
            fields.append(field)
            return super().staying(field)

    world = bench(dev=32)
    track = track_of(world, Watched(eta=8, first=8))
    track.run(made(world, *range(10, 18)))
    assert len(world.known) == 2, "the student, and one of eight"
    track.run(made(world, 20, 30))
    assert fields[-1].rivals == 1 + 8 + 2


@dataclass(frozen=True)
class Fake:
    candidate: object
