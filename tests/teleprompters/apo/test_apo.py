"""The search: expand and select as in the paper, over all predictors, and beside other searches."""

from __future__ import annotations

from dataclasses import replace

import pytest

from burnish.teleprompters.apo import APO
from burnish.teleprompters.apo_expand import Expansion
from burnish.teleprompters.bandits import Standings, SuccessiveRejects
from burnish.teleprompters.base import Origin
from burnish.teleprompters.demonstrations.difficulty import SuccessRate
from burnish.teleprompters.demonstrations.pacing import Linear
from burnish.testing import check_teleprompter
from burnish.testing.conformance_world import instruct

from .world import (
    SMALL,
    asked,
    current,
    number,
    numbers,
    on_pool,
    purposes,
    quality,
    reason,
    score,
    shown_rows,
    watched,
    writing,
)


def test_two_rounds_walk_as_in_the_paper_expand_along_the_gradients_and_select_by_a_bandit(bench):
    def half_right_on_the_pool(candidate, example):
        return float(example.values["label"] == "positive") if on_pool(example) else quality(candidate)

    world = bench(half_right_on_the_pool, dev=20, pool=20, reply_of=writing(40, 50, 45, 60, 55, *range(70, 90)))
    pulls = watched(world)
    rounds = list(APO(rounds=2, beam=2, expansion=SMALL, predictions=64).search(world))

    # A minibatch of the pool for each round, none of whose rows comes again; the same for the whole beam.
    ran = [(number(candidate), int(example.place[4:])) for candidate, example in world.executed if on_pool(example)]
    first, second = ran[:6], ran[6:]
    batch, later = [row for _, row in first], [row for _, row in second[:6]]
    assert {arm for arm, _ in first} == {0}
    assert [row for _, row in second] == later * 2
    assert len({*batch, *later}) == 12

    # Gradients: two groups of two of the parent's errors; negative rows are wrong here.
    gradients, edits = asked(world, "gradient"), asked(world, "edit")
    assert [len(gradients), len(edits)] == [2 + 4, 2 + 4]
    for nth, text in enumerate(gradients):
        group = shown_rows(text)
        assert len(set(group)) == 2
        assert set(group) <= {row for row in (batch if nth < 2 else later) if row % 2 == 0}

    # Each edit is told one reason, and shown the group that the reason was found with.
    assert [shown_rows(text) for text in edits] == [shown_rows(text) for text in gradients]
    assert [current(text) for text in edits] == [current(text) for text in gradients]
    draws = [draw for draw, (purpose, _) in enumerate(world.asked, start=1) if purpose == "APO gradient"]
    for gradient, draw, edit in zip(gradients, draws, edits, strict=True):
        assert reason(gradient, draw) in edit

    # Paraphrases: of each edited instruction, then of the parents' own.
    paraphrased = [current(text) for text in asked(world, "paraphrase")]
    assert paraphrased[:3] == ["Do 40.", "Do 50.", "Classify the review."]
    assert purposes(world)[:7] == ["gradient"] * 2 + ["edit"] * 2 + ["paraphrase"] * 3

    # Three of the five successors stay; all of them and the parent are tried on the same 16 rows of dev.
    successors = numbers(rounds[0].proposed)
    assert len(successors) == 3
    assert set(successors) < {40, 50, 45, 60, 55}
    arms, places = pulls[0]
    assert numbers(arms) == [0, *successors]
    assert len(set(places)) == 64 // 4
    assert not any(place in {f"row {row}" for row in range(20)} for place in places)

    # The two best are the beam, and the first of them is scored on all of dev.
    beam = numbers(rounds[1].proposed)
    assert beam == sorted(successors)[:0:-1]
    assert numbers(found.candidate for found, *_ in world.recorded)[:2] == [0, beam[0]]
    assert len(world.recorded[1][0].values) == 20

    # The second round builds on both of them.
    assert [current(text) for text in gradients[2:]] == [f"Do {n}." for n in beam for _ in range(2)]
    assert paraphrased[3:] == ["Do 70.", "Do 71.", "Do 72.", "Do 73.", *(f"Do {n}." for n in beam)]
    children = numbers(rounds[2].proposed)
    assert len(children) == 6
    assert set(children) < set(range(70, 80))
    assert numbers(pulls[1][0]) == [*beam, *children]
    halved = {*sorted(children)[-4:]}
    assert [set(numbers(arms)) for arms, _ in pulls[2:]] == [halved]
    assert [len(places) for _, places in pulls[1:]] == [4, 8]
    assert not set(pulls[1][1]) & set(pulls[2][1])

    last = sorted(children)[:-3:-1]
    assert numbers(rounds[3].proposed) == last
    assert numbers(rounds[4].proposed) == last[1:]  # the first was scored in its round
    assert {number(found.candidate) for found, *_ in world.recorded} == {0, beam[0], *last}
    assert number(rounds[-1].best.candidate) == last[0]
    assert [done.name for done in rounds] == [
        "self: round 1, 3 successors",
        "self: round 1, 2 of 4 stay",
        "self: round 2, 6 successors",
        "self: round 2, 2 of 8 stay",
        "self: the beam scored on all rows",
    ]


def test_a_record_says_by_which_move_and_for_which_reason_a_candidate_was_made(bench):
    world = bench(score, dev=4, reply_of=writing(90, 10))
    list(APO(rounds=1, beam=1, expansion=Expansion(6, 1, 2, paraphrases=1, successors=3)).search(world))
    found, origin, parents = world.recorded[1]
    assert (number(found.candidate), origin.teleprompter, origin.move) == (90, "APO", "edit")
    assert origin.detail == {"predictor": "self", "reason": reason(asked(world, "gradient")[0], 1)}
    assert parents == (world.student,)
    world = bench(score, dev=4, reply_of=writing(10, 90))
    list(APO(rounds=1, beam=1, expansion=Expansion(6, 1, 2, paraphrases=1, successors=3)).search(world))
    assert [origin.move for found, origin, _ in world.recorded if number(found.candidate) == 90] == ["paraphrase"]


def test_predictors_are_taken_in_turn_and_errors_show_every_step_with_a_mark_at_the_one_in_question(
    bench, make_student, step
):
    given = make_student(find=(("review",), ("quote",)), judge=(("quote",), ("label",)))

    def trace(candidate, example):
        quote = f"quote of {example.values['review']}"
        return (
            step("find", example.input_values, {"quote": quote}, "r"),
            step("judge", {"quote": quote}, {"label": "positive"}, "r"),
        )

    world = bench(
        lambda candidate, example: (quality(candidate, "find") + quality(candidate, "judge")) / 2,
        dev=4,
        given=given,
        reply_of=writing(40, 30, 20, 60, 50, 10),
        trace_of=trace,
    )
    expansion = Expansion(minibatch=6, groups=1, errors=2, paraphrases=1, successors=3)
    best = list(APO(rounds=1, beam=1, expansion=expansion).search(world))[-1].best.candidate
    assert [best.prompt(path).instruction for path in ("find", "judge")] == ["Do 40.", "Do 60."]
    first, later = asked(world, "gradient")
    mark = " (the predictor whose instruction is to be improved)"
    for text, marks in ((first, (mark, "")), (later, ("", mark))):
        assert f"Call 1, by predictor find{marks[0]}\n  Read: review" in text
        assert f"Call 2, by predictor judge{marks[1]}\n  Read: quote of review" in text
    while_judging = [c for c, _ in world.executed if c.prompt("judge").instruction.startswith("Do")]
    assert {candidate.prompt("find").instruction for candidate in while_judging} == {"Do 40."}
    assert [origin.detail["predictor"] for _, origin, _ in world.recorded[1:]] == ["find"] * 3 + ["judge"] * 3


def test_what_was_tried_and_why_is_kept_for_people_to_read_after_every_round(bench):
    world = bench(score, dev=4, reply_of=writing())
    list(APO(rounds=2, beam=1, expansion=SMALL).search(world))
    first, second = world.kept["apo_rounds"]
    assert first["expanded"] == [world.student.prompt("self").instruction]
    assert {one["move"] for one in first["successors"]} == {"edit", "paraphrase"}
    assert all(one["reason"] for one in first["successors"] if one["move"] == "edit")
    assert first["beam"] == second["expanded"]


# beside others


def test_it_starts_from_the_best_that_is_known_and_other_wordings_are_the_first_beam(bench, make_student):
    world = bench(score, dev=4, reply_of=writing(60, 61, 70, 71, 72, 73))
    found = [make_student(f"Do {n}.") for n in (40, 50, 30)]
    world.score(found, origin=Origin("Other", "move"))
    list(APO(rounds=1, beam=3, expansion=replace(SMALL, groups=1)).search(world))
    assert [current(text) for text in asked(world, "gradient")] == ["Do 50.", "Do 40.", "Do 30."]
    assert [current(text) for text in asked(world, "paraphrase")][3:] == ["Do 50.", "Do 40.", "Do 30."]
    reexecuted = [candidate for candidate, example in world.executed[16:] if not on_pool(example)]
    assert not set(reexecuted) & {world.student, *found}


class LatestFirst(Standings):
    """Of equals the latest is ranked first."""

    @property
    def ranking(self):
        return sorted(range(len(self.counts)), key=lambda arm: (-self.mean(arm), -arm))


class LatestOfEquals:
    """Shows all arms the same four rows and prefers the latest of equals."""

    def rounds(self, contest, pull, rng):
        arms = range(contest.arms)
        yield LatestFirst.of(contest.arms).after(arms, pull(arms, range(4)))


def test_what_others_find_between_two_rounds_is_the_next_beam_where_it_is_the_best(bench, make_student):
    world = bench(score, dev=20, reply_of=writing())
    search = APO(rounds=2, beam=2, expansion=SMALL, predictions=80).search(world)
    next(search), next(search)
    found = make_student("Do 90.")
    world.score([found], origin=Origin("Other", "move"))
    executed = len(world.executed)
    next(search)
    assert next(search).proposed[0] == found
    ran = [candidate for candidate, _ in world.executed[executed:]]
    assert found not in ran  # it was scored before, so it costs nothing
    assert list(search)[-1].best.candidate == found


@pytest.mark.parametrize("at", ["before its successors", "after its successors"])
def test_what_others_find_is_as_good_as_a_parent_among_equals_and_successors_are_not(bench, make_student, at):
    world = bench(lambda candidate, example: 0.5, dev=20, reply_of=writing())
    search = APO(rounds=2, beam=1, expansion=SMALL, selector=LatestOfEquals()).search(world)
    next(search)
    assert next(search).proposed == (world.student,)  # the parent, not the latest of its successors
    found = make_student("Do 90.")
    if at == "before its successors":
        world.score([found], origin=Origin("Other", "move"))
    next(search)
    if at == "after its successors":
        world.score([found], origin=Origin("Other", "move"))
    assert next(search).proposed == (found,)  # later than the parent, and no worse


def test_it_can_be_closed_after_every_round(bench):
    for stop in (1, 2, 3, 4):
        world = bench(score, dev=10, reply_of=writing())
        search = APO(rounds=3, beam=2, expansion=SMALL).search(world)
        for _ in range(stop):
            done = next(search)
        calls = len(world.asked) + len(world.executed)
        search.close()
        assert len(world.asked) + len(world.executed) == calls
        assert done.best == world.known[0]


# conformance


def answering(prompt, draw):
    return f"<reason>{reason(prompt, draw)}</reason>" if "<reason>" in prompt else instruct(prompt, draw)


@pytest.mark.slow
@pytest.mark.parametrize(
    "agent",
    [
        APO(),
        APO(
            beam=2,
            expansion=Expansion(6, 1, 2, paraphrases=1, successors=2, reject_on_errors=True, curriculum=True),
            selector=SuccessiveRejects(),
        ),
        APO(expansion=Expansion(4, 1, 2, paraphrases=1, successors=2, curriculum=SuccessRate(2), pacing=Linear())),
    ],
    ids=("as it comes", "small", "by difficulty"),
)
def test_it_passes_the_conformance_suite_at_many_cut_offs(agent):
    limits = (1, 7, 20, 33, 47, 61, 75, 90, 110, 130, 150, 180, 210)
    check_teleprompter(agent, writer=answering, limits=limits)
