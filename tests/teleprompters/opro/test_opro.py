"""The search: step by step as in the paper, over all predictors, and beside other searches."""

from __future__ import annotations

import re

import pytest

from burnish.teleprompters import OPRO
from burnish.teleprompters.asking import Writing
from burnish.teleprompters.base import Origin
from burnish.teleprompters.opro_trajectory import Exemplars
from burnish.teleprompters.token_cost import TokenCost
from burnish.testing import check_teleprompter

from .world import START, number, numbers, on_dev, quality, requests, shown, writing


def test_two_steps_walk_as_in_the_paper_show_the_trajectory_ascending_write_score_and_add(bench):
    world = bench(dev=20, pool=9, reply_of=writing(40, 50, 45, 60, 30, 55))
    rounds = list(OPRO(steps=2, proposals=3).search(world))

    # All proposals of a step come from one meta-prompt.
    assert {purpose for purpose, _ in world.asked} == {"OPRO step"}
    first, second = requests(world)
    assert [text for _, text in world.asked] == [first] * 3 + [second] * 3
    assert shown(first) == [(START, "0")]
    assert shown(second) == [(START, "0"), ("Do 40.", "40"), ("Do 45.", "45"), ("Do 50.", "50")]
    assert "Scores are whole numbers from 0 to 100." in second

    # Three exemplars of the pool with their labels, the place of the instruction marked in each.
    for request in (first, second):
        pairs = re.findall(r"<INS>\nInput: review (\d+)\nOutput: (\w+)", request)
        assert len(pairs) == len(set(pairs)) == 3
        assert all(int(n) < 9 and label == ("positive" if int(n) % 2 else "negative") for n, label in pairs)

    # Every proposal is scored on the same rows, all of dev here.
    places = [f"row {n}" for n in range(1000, 1020)]
    assert on_dev(world) == [(n, place) for n in (0, 40, 50, 45, 60, 30, 55) for place in places]
    assert len(world.executed) == 7 * 20

    assert [done.name for done in rounds] == [
        "self: the start, on 20 rows",
        "self: step 1, 3 on 20 rows",
        "self: step 2, 3 on 20 rows",
        "self: 3 scored on all rows",
    ]
    assert [numbers(done.proposed) for done in rounds] == [[], [40, 50, 45], [60, 30, 55], [60, 55, 50]]
    assert [number(done.best.candidate) for done in rounds] == [0, 50, 60, 60]
    _, origin, parents = next(record for record in world.recorded if number(record[0].candidate) == 60)
    assert (origin.teleprompter, origin.move, origin.detail) == ("OPRO", "step 2", {"predictor": "self"})
    assert parents == (world.student,)


def test_the_best_twenty_are_shown_and_the_best_of_them_last(bench):
    order = [*range(60, 73), *range(20, 32), 90]
    world = bench(dev=4, reply_of=writing(*order, *range(1, 27)))
    list(OPRO(steps=2, proposals=26).search(world))
    assert [int(n) for _, n in shown(requests(world)[1])] == sorted(order)[-20:]


def test_of_dev_a_part_is_enough_to_search_on_and_the_best_are_scored_on_all_of_it(bench):
    world = bench(dev=30, reply_of=writing(40, 50, 60, 55))
    rounds = list(OPRO(steps=2, proposals=2, rows=6, finalists=2).search(world))
    searched = on_dev(world)[30:]  # after the student's 30
    subset = {place for n, place in searched[:6]}
    assert len(subset) == 6
    assert [n for n, _ in searched] == [40] * 6 + [50] * 6 + [60] * 6 + [55] * 6 + [60] * 24 + [55] * 24
    assert all({place for n, place in searched[start : start + 6]} == subset for start in range(0, 24, 6))
    assert [(number(found.candidate), len(found.values)) for found, *_ in world.recorded[1:]] == [(60, 30), (55, 30)]
    assert [origin.move for _, origin, _ in world.recorded[1:]] == ["step 2"] * 2
    assert rounds[-1].name == "self: 2 scored on all rows"
    assert rounds[-1].best == world.known[0]


def test_the_incumbent_stays_when_no_proposal_beats_it(bench):
    world = bench(lambda candidate, example: float(candidate == world.student), reply_of=writing())
    assert list(OPRO(steps=2).search(world))[-1].best.candidate == world.student


def test_the_trajectory_is_kept_for_people_to_read_after_every_step(bench):
    world = bench(dev=4, reply_of=writing(60, 70))
    list(OPRO(steps=1, proposals=2).search(world))
    kept = world.kept["opro_trajectory"]
    assert [(one["instruction"], one["score"]) for one in kept] == [(START, 0.0), ("Do 60.", 0.6), ("Do 70.", 0.7)]
    assert [one["move"] for one in kept][1:] == ["step 1", "step 1"]


# the price of tokens


def test_the_writer_is_told_the_price_and_long_prompts_lose_for_it(bench):
    long = "Do 50. " + "Mind every word of it. " * 20

    def reply(prompt, draw):
        return f"<instruction>{long if draw == 1 else f'Do {draw + 40}.'}</instruction>"

    for penalty, order in ((0.0, [START, "Do 42.", long.strip()]), (0.1, [START, long.strip(), "Do 42."])):
        cost = TokenCost(usd_per_million=0.5, penalty=penalty)
        world = bench(dev=30, reply_of=reply)
        search = OPRO(steps=2, proposals=2, rows=5, finalists=1, writing=Writing(token_cost=cost))
        list(search.search(world))
        assert all("a prompt token costs $0.00000050" in request for request in requests(world))
        texts, numbers = zip(*shown(requests(world)[1]), strict=True)
        assert list(texts) == order
        assert sorted(numbers, key=int) == list(numbers)  # what is shown is what is compared
        assert number(world.recorded[-1][0].candidate) == (44 if penalty else 50)  # the second step brings 43 and 44


def test_the_best_by_preference_is_the_best_that_rounds_name_and_the_one_to_go_on_from(bench):
    long = "Do 50. " + "Mind every word of it. " * 20
    replies = iter([long, "Do 42.", "Do 43.", "Do 44."])
    opro = OPRO(steps=2, proposals=2, writing=Writing(token_cost=TokenCost(usd_per_million=0.5, penalty=0.1)))
    world = bench(
        dev=20,
        preference=opro.preference,
        reply_of=lambda prompt, draw: f"<instruction>{next(replies)}</instruction>",
    )
    rounds = list(opro.search(world))
    assert [number(done.best.candidate) for done in rounds] == [0, 42, 44, 44]
    assert number(world.known[0].candidate) == 44
    assert max(score.mean for score in world.known) == pytest.approx(0.5)


def test_nothing_is_said_of_the_price_where_there_is_none(bench):
    world = bench(dev=2, reply_of=writing())
    list(OPRO(steps=1, proposals=1).search(world))
    assert "token" not in requests(world)[0]


# beside others


def test_it_starts_from_the_best_that_is_known_and_shows_what_others_have_found(bench, make_student):
    world = bench(dev=4, reply_of=writing(60, 61, 62, 63))
    world.score([make_student(f"Do {n}.") for n in (40, 50)], origin=Origin("Other", "move"))
    search = OPRO(steps=2, proposals=2).search(world)
    next(search), next(search)
    assert shown(requests(world)[0]) == [(START, "0"), ("Do 40.", "40"), ("Do 50.", "50")]
    assert number(world.recorded[-1][2][0]) == 50  # what the proposals were made from

    # Between two rounds somebody else finds more.
    spent = len(world.executed)
    other = [make_student("Do 77.")]
    world.score(other, origin=Origin("Other", "move"))
    next(search)
    assert [mean for _, mean in shown(requests(world)[1])] == ["0", "40", "50", "60", "61", "77"]
    assert len(world.executed) == spent + 4 + 2 * 4
    assert next(search).best.candidate == other[0]


def test_it_can_be_closed_after_every_round(bench):
    for stop in (1, 2, 3):
        world = bench(dev=10, reply_of=writing())
        search = OPRO(steps=3, proposals=2).search(world)
        for _ in range(stop):
            done = next(search)
        calls = len(world.asked) + len(world.executed)
        search.close()
        assert len(world.asked) + len(world.executed) == calls
        assert done.best == world.known[0]


def test_predictors_are_taken_in_turn_with_the_others_held_at_their_best(bench, make_student, step):
    given = make_student(find=(("review",), ("quote",)), judge=(("review",), ("label",)))

    def trace(candidate, example):
        return (step("find", example.input_values, {"quote": f"quote of {example.values['review']}"}, "r"),)

    world = bench(
        lambda candidate, example: (quality(candidate, "find") + quality(candidate, "judge")) / 2,
        dev=4,
        given=given,
        reply_of=writing(),
        trace_of=trace,
    )
    rounds = list(OPRO(steps=2, proposals=2).search(world))
    best = rounds[-1].best.candidate
    assert [best.prompt(path).instruction for path in ("find", "judge")] == ["Do 4.", "Do 8."]
    assert [done.name.split(":")[0] for done in rounds] == ["find"] * 4 + ["judge"] * 4
    first, second, third, fourth = requests(world)
    assert re.search(r"<INS>\nInput: review \d+\nOutput: quote of review", first)  # by what the program did
    assert re.search(r"<INS>\nInput: review \d+\nOutput: (positive|negative)", third)
    # Each trajectory shows one predictor's instructions; what the other has by now counts in the scores.
    assert shown(second) == [(START, "0"), ("Do 1.", "0"), ("Do 2.", "1")]
    assert shown(fourth) == [(START, "2"), ("Do 5.", "4"), ("Do 6.", "5")]
    while_judging = [c for c, _ in world.executed if c.prompt("judge").instruction.startswith("Do")]
    assert {candidate.prompt("find").instruction for candidate in while_judging} == {"Do 4."}


# conformance


@pytest.mark.slow
@pytest.mark.parametrize(
    "opro",
    [OPRO(), OPRO(positions=("system", "question_end"), exemplars=Exemplars("currently_wrong", rows=6), rows=8)],
    ids=["as it comes", "positions and errors"],
)
def test_it_passes_the_conformance_suite_at_many_cut_offs(opro):
    check_teleprompter(opro, limits=(1, 7, 20, 33, 47, 61, 75, 90, 110, 130, 150, 180, 210))
