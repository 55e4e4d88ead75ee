from __future__ import annotations

from dataclasses import dataclass

import pytest
from optuna.samplers import RandomSampler

from burnish.teleprompters import OPRO, Demonstrations, RandomDemos
from burnish.teleprompters.base import Forecast, Origin, Round, Teleprompter
from burnish.teleprompters.demonstrations.order.simple import Reversed
from burnish.teleprompters.demonstrations.select.bm25 import BM25
from burnish.teleprompters.joint.arm_bench import ArmBench
from burnish.teleprompters.joint.arms import Recombination, SearchArm, Variation, Variations, named
from burnish.teleprompters.joint.parts import Pools, parts_of
from burnish.teleprompters.joint.study import PartStudy, tpe

# searches as arms


@pytest.fixture
def arm(bench):
    """arm(search): the search as an arm named "it", on the first 6 of 20 rows of dev; and its world."""

    def build(search, **options):
        world = bench(dev=20, **options)
        world.score([world.student])
        seen = [world.student]

        def bench_of(name, begun):
            known = lambda: world.score(seen, world.dev[:6])  # noqa: E731
            return ArmBench(world, begun, world.dev[:6], world.pool, lambda: 1000, known, seen.extend)

        return SearchArm("it", search, bench_of), world

    return build


def texts(made):
    return [one.candidate.prompt("self").instruction for one in made]


def turns(arm, world, count):
    return [[] if arm.is_done else texts(arm.turn(world.student)) for _ in range(count)]


def test_a_search_runs_a_round_a_turn_and_stands_still_between(arm, writes):
    it, world = arm(writes("Do 1.", "Do 2.", "Do 3."))
    assert len(world.executed) == 20
    for number in (1, 2, 3):
        assert texts(it.turn(world.student)) == [f"Do {number}."]
        assert len(world.executed) == 20 + 6 * number
        assert not it.is_done


@dataclass(frozen=True)
class Draws(Teleprompter):
    """Writes what its random numbers and what is known say, two rounds a search."""

    def search(self, bench):
        rng = bench.rng("draw")
        for _ in range(2):
            text = f"Do {int(rng.random() * 10**6)} of {len(bench.known)}."
            bench.score([bench.student.with_prompt("self", instruction=text)], origin=Origin("Draws", "drew"))
            yield Round(text)

    def forecast(self, sizes):
        return Forecast(0, 0, "draws")


def test_at_its_end_a_search_begins_anew_with_fresh_numbers_and_what_is_known(arm):
    it, world = arm(Draws())
    made = [text for turn in turns(it, world, 9) for text in turn]
    assert len({text.split(" of ")[0] for text in made}) == len(made) == 6
    assert [int(text.split(" of ")[1][:-1]) for text in made] == [1, 2, 3, 4, 5, 6]
    again, other = arm(Draws())
    assert [text for turn in turns(again, other, 9) for text in turn] == made


def test_a_search_that_brings_nothing_new_from_start_to_end_twice_in_a_row_is_done(arm, writes):
    it, world = arm(writes("Do 1."))
    # The round and the end of the first search, and of two that bring nothing more.
    assert [(texts(it.turn(world.student)), it.is_done) for _ in range(6)] == [
        (["Do 1."], False),
        *[([], False)] * 4,
        ([], True),
    ]
    assert len(world.executed) == 26, "which costs nothing, for scores are remembered"


def test_a_search_that_brings_something_after_one_in_vain_goes_on(arm):
    begun = []

    @dataclass(frozen=True)
    class EveryOther(Teleprompter):
        def search(self, bench):
            begun.append(bench.name)
            if len(begun) % 2 == 0 and len(begun) < 7:
                bench.score([bench.student.with_prompt("self", instruction=f"Do {len(begun)}.")])
            yield Round("looked")

        def forecast(self, sizes):
            return Forecast(0, 0, "brings something every other time")

    it, world = arm(EveryOther())
    made = [text for turn in turns(it, world, 40) for text in turn]
    assert made == ["Do 2.", "Do 4.", "Do 6."]
    assert it.is_done
    assert begun == ["it", *(f"it {number}" for number in range(2, 9))]


def test_what_a_search_does_after_its_last_round_counts(arm):
    @dataclass(frozen=True)
    class Late(Teleprompter):
        def search(self, bench):
            yield Round("nothing yet")
            bench.score([bench.student.with_prompt("self", instruction="Do 7.")])

        def forecast(self, sizes):
            return Forecast(0, 0, "late")

    it, world = arm(Late())
    assert turns(it, world, 3)[:2] == [[], ["Do 7."]]


# variations


def test_each_variation_is_tried_once_beside_the_best(make_student):
    best = make_student("Do 9.")
    arm = Variations(
        [
            Variation("position", "question_end"),
            Variation("temperature", 0.7),
            Variation("lm", "small"),
            Variation("position", "system"),
        ]
    )
    assert not arm.is_done
    made = arm.turn(best)
    assert arm.is_done
    assert [one.origin.move for one in made] == ["position", "temperature", "lm"], "what the best is already is no move"
    assert all(one.parent == best for one in made)
    assert made[0].candidate.prompt("self").position == "question_end"
    assert made[1].candidate["self"].settings.params == {"temperature": 0.7}
    assert made[2].candidate["self"].settings.role == "small"
    assert made[1].origin.detail == {"temperature": 0.7}


def test_a_variation_is_of_all_predictors_alike(three):
    varied = Variation("temperature", 0.7).of(three)
    assert [part.settings.params for _, part in varied.parts] == [{"temperature": 0.7}] * 3
    assert Variation("lm", "task").of(three) == three


def test_without_variations_there_is_no_turn():
    assert Variations([]).is_done


# recombination


@pytest.fixture
def recombination(bench, make_student):
    """recombination(student, *texts): the arm over these instructions and two formats; what it has seen, and pools."""

    def build(*instructions, student=None, sampler=tpe, batch=4):
        world = bench(given=student or make_student())
        pools, seen = Pools(world.student), {world.student}
        for text in instructions:
            for path in world.student.predictors:
                pools.add(parts_of(world.student.with_prompt(path, instruction=text)), "writer")
        arm = Recombination(world, PartStudy(sampler, 0), pools, seen.__contains__, batch)
        return arm, seen, pools, world.student

    return build


def drained(arm, seen, student, most=200):
    """All that the arm makes until it is done, turn by turn; each is seen as soon as it is made."""
    made = []
    for _ in range(most):
        if arm.is_done:
            return made
        made += arm.turn(student)
        seen.update(one.candidate for one in made)
    raise AssertionError("it is never done")


@pytest.mark.parametrize("sampler", [tpe, RandomSampler], ids=["tpe", "random"])
def test_it_is_done_when_it_has_made_what_can_be_made_each_once(recombination, three, sampler):
    arm, seen, _, student = recombination("A.", "B.", student=three, sampler=sampler)
    made = [one.candidate for one in drained(arm, seen, student)]
    assert len(set(made)) == len(made)
    assert student not in made
    alone = {student.with_prompt(path, instruction=text) for path in student.predictors for text in ("A.", "B.")}
    assert alone <= set(made), "among them every part alone beside the best"
    assert len(made) >= 25, "and about all of the 26 that there are"


class Mute:
    """A study that asks for nothing."""

    def ask(self, choices, count):
        return []


def test_where_neither_the_study_nor_a_neighbour_is_new_combinations_are_drawn(bench, three):
    world = bench(given=three)
    pools = Pools(three)
    for path in three.predictors:
        for text in ("A.", "B."):
            pools.add(parts_of(three.with_prompt(path, instruction=text)), "writer")
    seen = {three}
    made = [one.candidate for one in drained(Recombination(world, Mute(), pools, seen.__contains__, 4), seen, three)]
    assert len(set(made)) == len(made) > 20, "most of the 26 that there are, of which 6 are neighbours"
    assert three not in made


def test_where_parts_have_no_choice_it_is_done_at_once_and_begins_again_when_pools_grow(recombination):
    arm, seen, pools, student = recombination()
    assert (arm.turn(student), arm.is_done) == ([], True)
    pools.add(parts_of(student.with_prompt("self", format="plain")), "other")
    assert not arm.is_done
    assert [one.candidate.prompt("self").format for one in drained(arm, seen, student)] == ["plain"]
    pools.add(parts_of(student.with_prompt("self", instruction="C.")), "other")
    assert len(drained(arm, seen, student)) == 2


def test_a_turn_makes_no_more_than_its_batch_and_nothing_twice(recombination, three):
    arm, _, _, student = recombination("A.", "B.", "C.", student=three, batch=5)
    made = arm.turn(student)
    assert len({one.candidate for one in made}) == len(made) == 5


def test_a_combination_says_who_brought_its_parts(recombination):
    arm, _, _, student = recombination("A.")
    (made,) = arm.turn(student)
    assert (made.origin.teleprompter, made.origin.move) == ("Joint", "recombination")
    assert made.origin.detail == {"parts": {"self.instruction": "writer"}}
    assert made.parent == student


def test_what_has_no_choice_stays_as_the_best_has_it(recombination):
    arm, seen, _, student = recombination("A.", "B.")
    best = student.with_prompt("self", position="question_end")
    seen.add(best)
    assert {one.candidate.prompt("self").position for one in drained(arm, seen, best)} == {"question_end"}


def test_parts_that_do_not_go_together_are_passed_over(recombination, make_student):
    plain = make_student().with_prompt("self", format="plain")
    arm, seen, pools, student = recombination("Write [[ ## label ## ]] first.", student=plain)
    pools.add(parts_of(student.with_prompt("self", format="chat")), "other")
    made = drained(arm, seen, student)
    assert {(one.candidate.prompt("self").format, one.candidate.prompt("self").instruction[:5]) for one in made} == {
        ("chat", "Class"),
        ("plain", "Write"),
    }


def test_equal_runs_recombine_alike(recombination, three):
    first, again = (
        [one.candidate.digest for one in drained(arm, seen, student)]
        for arm, seen, _, student in (recombination("A.", "B.", student=three) for _ in range(2))
    )
    assert first == again


# names


def test_an_arm_is_called_what_its_search_is_and_numbered_where_there_are_several():
    searches = [RandomDemos(), Demonstrations(BM25()), OPRO(), OPRO(steps=3), Demonstrations(BM25(), Reversed())]
    assert [name for name, _ in named(searches)] == [
        "RandomDemos",
        "Demonstrations BM25",
        "OPRO 1",
        "OPRO 2",
        "Demonstrations BM25 Reversed",
    ]
    assert [search for _, search in named(searches)] == searches
