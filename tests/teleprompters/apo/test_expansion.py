"""What a round proposes: successors, those that are rejected, and the rows they learn from."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from burnish.teleprompters.apo import APO
from burnish.teleprompters.apo_expand import Expansion, hardness_of, minibatches
from burnish.teleprompters.asking import Writing
from burnish.teleprompters.base import Sizes
from burnish.teleprompters.demonstrations.difficulty import Judge, LabelLogProbability, SuccessRate
from burnish.teleprompters.demonstrations.pacing import BabyStep, Geometric, Linear, OnePass

from .world import (
    SMALL,
    asked,
    number,
    number_of,
    numbers,
    on_pool,
    purposes,
    quality,
    reason,
    score,
    writing,
)


def test_with_reject_on_errors_those_successors_stay_that_mend_most(bench):
    def better_on_errors(candidate, example):
        return 0.0 if candidate.prompt("self").instruction.startswith("Classify") else quality(candidate)

    expansion = replace(SMALL, minibatch=8, groups=3, successors=2, reject_on_errors=True)
    world = bench(better_on_errors, dev=4, reply_of=writing(40, 50, 45, 60, 55, 30, 20))
    rounds = list(APO(rounds=1, beam=1, expansion=expansion).search(world))
    assert sorted(numbers(rounds[0].proposed)) == [55, 60]
    ran = [example for candidate, example in world.executed if number(candidate) == 30]
    assert sorted(ran, key=lambda row: row.place) == sorted(
        [example for candidate, example in world.executed if candidate == world.student and on_pool(example)],
        key=lambda row: row.place,
    )


def test_rejection_looks_at_16_successors_and_16_errors_at_the_most(bench):
    expansion = Expansion(minibatch=40, groups=8, errors=2, paraphrases=2, successors=4, reject_on_errors=True)
    world = bench(score, pool=60, dev=4, reply_of=writing())
    rounds = list(APO(rounds=1, beam=1, expansion=expansion).search(world))
    ran = [(candidate, example) for candidate, example in world.executed if on_pool(example)]
    rejected = [pair for pair in ran if pair[0] != world.student]
    assert len(rejected) == 16 * 16
    assert len({candidate for candidate, _ in rejected}) == len({example for _, example in rejected}) == 16
    assert len(rounds[0].proposed) == 4
    asks = 8 + 8 + 9 * 2
    assert len(ran) + len(world.asked) == expansion.cost == 40 + asks + 256


def test_without_it_chance_decides_and_the_pool_is_not_asked(bench):
    world = bench(score, dev=4, reply_of=writing(40, 50, 45, 60, 55, 30, 20))
    rounds = list(APO(rounds=1, beam=1, expansion=replace(SMALL, groups=3, successors=2)).search(world))
    assert len(rounds[0].proposed) == 2
    assert not any(on_pool(example) for candidate, example in world.executed if candidate != world.student)


def test_with_as_few_successors_as_may_stay_all_stay_and_none_is_run_on_errors(bench):
    expansion = replace(SMALL, successors=9, reject_on_errors=True)
    world = bench(score, dev=4, reply_of=writing(40, 50, 45, 60, 55))
    rounds = list(APO(rounds=1, beam=1, expansion=expansion).search(world))
    assert numbers(rounds[0].proposed) == [40, 50, 45, 60, 55]
    assert sum(on_pool(example) for _, example in world.executed) == 6


def test_a_parent_without_errors_has_no_gradient_and_is_only_paraphrased(bench):
    world = bench(lambda candidate, example: float(on_pool(example)), dev=4, reply_of=writing(40, 50))
    rounds = list(APO(rounds=1, beam=1, expansion=replace(SMALL, paraphrases=2)).search(world))
    assert purposes(world) == ["paraphrase"] * 2
    assert numbers(rounds[0].proposed) == [40, 50]


def test_without_rows_to_learn_from_instructions_are_only_paraphrased(bench):
    world = bench(score, dev=4, pool=0, reply_of=writing())
    list(APO(rounds=2, beam=1, expansion=SMALL).search(world))
    assert purposes(world) == ["paraphrase"] * 2
    curriculum = bench(score, dev=4, pool=0, reply_of=writing())
    list(APO(rounds=2, beam=1, expansion=replace(SMALL, curriculum=True)).search(curriculum))
    assert purposes(curriculum) == ["paraphrase"] * 2


def test_without_paraphrases_there_are_only_edits(bench):
    world = bench(score, dev=4, reply_of=writing(40, 50))
    rounds = list(APO(rounds=1, beam=1, expansion=replace(SMALL, paraphrases=0)).search(world))
    assert purposes(world) == ["gradient"] * 2 + ["edit"] * 2
    assert numbers(rounds[0].proposed) == [40, 50]


def test_several_reasons_and_edits_stand_in_one_reply_no_more_than_asked_for_and_each_once(bench):
    edits = iter([(41, 42, 43), (51, 51), (41, 61)])

    def reply(prompt, draw):
        if "<reason>" in prompt:
            one = reason(prompt, draw)
            return "".join(f"<reason>{text}</reason>" for text in ("A third one.", one, one, reason(prompt, -draw)))
        if "<original>" in prompt:
            return ""
        return " or ".join(f"<instruction>Do {n}.</instruction>" for n in next(edits, (71,)))

    world = bench(score, dev=4, reply_of=reply)
    expansion = Expansion(minibatch=6, groups=2, errors=2, reasons=2, edits=2, paraphrases=0, successors=9)
    rounds = list(APO(rounds=1, beam=1, expansion=expansion).search(world))
    assert purposes(world) == ["gradient"] * 2 + ["edit"] * 4
    assert "Write down 2 different reasons, in two" in asked(world, "gradient")[0]
    assert "Write 2 different instructions in which" in asked(world, "edit")[0]
    assert numbers(rounds[0].proposed) == [42, 43, 51, 41, 61, 71]


def test_one_reason_and_one_edit_are_asked_for_in_the_singular(bench):
    world = bench(score, dev=4, reply_of=writing())
    list(APO(rounds=1, beam=1, expansion=SMALL).search(world))
    assert "Write down one reason, in two" in asked(world, "gradient")[0]
    assert "Write an instruction in which" in asked(world, "edit")[0]


def test_a_curriculum_goes_through_the_pool_from_short_rows_to_long_ones_and_never_at_random(bench):
    columns = {"review": lambda n: "word " * (7 * n % 12 + 1) + str(n)}
    expansion = replace(SMALL, minibatch=5, curriculum=True)
    world = bench(score, dev=4, pool=12, columns=columns, reply_of=writing())
    list(APO(rounds=3, beam=1, expansion=expansion).search(world))
    ran = [len(example.values["review"].split()) for _, example in world.executed if on_pool(example)]
    assert ran == [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 2, 3, 4]  # then from the start again
    batches, turned = (minibatches(pool, expansion, rng=None) for pool in (world.pool, world.pool[::-1]))
    assert [next(batches) for _ in range(4)] == [next(turned) for _ in range(4)]


def test_a_curriculum_by_difficulty_goes_from_rows_that_are_easy_to_rows_that_are_hard(bench):
    def solved(candidate, example):
        seed = candidate["self"].settings.params.get("seed")
        return score(candidate, example) if seed is None else float(seed >= number_of(example) % 3)

    expansion = replace(SMALL, minibatch=4, curriculum=SuccessRate(3))
    world = bench(solved, dev=4, pool=12, reply_of=writing())
    list(APO(rounds=3, beam=1, expansion=expansion).search(world))
    ran = [(candidate, example) for candidate, example in world.executed if on_pool(example)]
    assert [candidate["self"].settings.params.get("seed") for candidate, _ in ran[:36]] == [0] * 12 + [1] * 12 + [
        2
    ] * 12
    assert [number_of(example) % 3 for _, example in ran[36:]] == [0] * 4 + [1] * 4 + [2] * 4


def test_rows_that_do_not_show_what_a_predictor_reads_are_measured_by_running_the_program(bench, make_student, step):
    given = make_student(find=(("review",), ("quote",)), judge=(("quote",), ("label",)))
    world = bench(lambda candidate, example: float(number_of(example) % 2), given=given, pool=4)
    hardness = hardness_of(world, given, "judge", LabelLogProbability(), 100)
    assert [hardness[row] for row in world.pool] == [1.0, 0.0, 1.0, 0.0]


def test_measuring_difficulty_takes_a_quarter_of_the_money_and_is_in_the_forecast(bench):
    expansion = replace(SMALL, minibatch=4, curriculum=SuccessRate(9))
    world = bench(score, dev=4, pool=12, budget=204, reply_of=writing())
    next(iter(APO(rounds=1, beam=1, expansion=expansion).search(world)))
    measured = [1 for candidate, _ in world.executed if candidate["self"].settings.params]
    assert len(measured) == 48  # four samples of each row: 200 / 4, without the student's score
    sizes = Sizes(pool=12, dev=4, predictors=1, executions=200)
    by_length, by_difficulty = (
        APO(rounds=1, beam=1, expansion=replace(expansion, curriculum=curriculum)).forecast(sizes)
        for curriculum in (True, SuccessRate(9))
    )
    assert by_difficulty.executions + by_difficulty.asks > by_length.executions + by_length.asks + 40
    judged = APO(rounds=1, beam=1, expansion=replace(expansion, curriculum=Judge())).forecast(sizes)
    assert judged.asks == by_length.asks + Judge().cost(12)


@pytest.mark.parametrize("pacing", [Linear(0.25), OnePass(4), BabyStep(4), Geometric(0.25)])
def test_a_pacing_opens_the_pool_by_and_by(bench, pacing):
    world = bench(score, pool=40)
    expansion = replace(SMALL, minibatch=5, curriculum=True, pacing=pacing)
    hardness = {row: float(number_of(row)) for row in world.pool}
    batches = minibatches(world.pool, expansion, world.rng("rows"), hardness, rounds=4)
    for turn in range(1, 7):
        batch = [number_of(row) for row in next(batches)]
        opened = pacing.open(min(1.0, turn / 4), 40)
        assert len(set(batch)) == 5
        assert all(row in opened for row in batch)
    assert list(itertools.islice(minibatches((), expansion, world.rng("rows")), 2)) == [[], []]
    with pytest.raises(ValueError, match="curriculum"):
        Expansion(pacing=pacing)


def test_a_minibatch_is_no_larger_than_the_pool(bench):
    world = bench(score, dev=4, pool=5, reply_of=writing())
    for curriculum in (False, True):
        batches = minibatches(world.pool, Expansion(curriculum=curriculum), world.rng("rows"))
        assert [sorted(row.place for row in next(batches)) for _ in range(2)] == [[f"row {n}" for n in range(5)]] * 2


def test_an_instruction_that_is_too_long_is_no_successor(bench):
    world = bench(score, dev=4, reply_of=writing(7, 1234, 8, 9))
    agent = APO(rounds=1, beam=1, expansion=replace(SMALL, successors=9), writing=Writing(max_length=5))
    assert numbers(next(iter(agent.search(world))).proposed) == [7, 8, 9]


def test_replies_without_an_instruction_are_asked_for_once_more_and_leave_the_beam_as_it_is(bench):
    def reply(prompt, draw):
        return f"<reason>{reason(prompt, draw)}</reason>" if "<reason>" in prompt else "<instruction></instruction>"

    world = bench(score, dev=4, reply_of=reply)
    rounds = list(APO(rounds=1, beam=1, expansion=SMALL).search(world))
    assert purposes(world)[2:] == [
        *["edit"] * 2,
        *["edit, once more"] * 2,
        "paraphrase",
        "paraphrase, once more",
    ]
    assert [event for event, _ in world.events] == ["reply dropped"] * 3
    assert rounds[0].proposed == ()
    assert rounds[1].proposed == (world.student,)
