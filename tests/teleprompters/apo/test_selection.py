"""Which successors become the beam."""

from __future__ import annotations

from dataclasses import replace

import pytest

from burnish.teleprompters.apo import APO
from burnish.teleprompters.apo_expand import Expansion
from burnish.teleprompters.asking import Writing
from burnish.teleprompters.bandits import UCB, UCBE, Filtering, SuccessiveHalving, SuccessiveRejects, Uniform
from burnish.teleprompters.token_cost import TokenCost

from .world import (
    SMALL,
    asked,
    number,
    numbers,
    on_pool,
    quality,
    reason,
    score,
    watched,
    writing,
    writing_many,
)

SELECTORS = (
    Uniform(),
    UCB(),
    UCBE(),
    SuccessiveRejects(),
    SuccessiveHalving(),
    Filtering(subset=3),
)


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda selector: type(selector).__name__)
def test_any_selector_finds_the_best_within_its_share(bench, selector):
    world = bench(score, dev=40, reply_of=writing(40, 50, 45, 60, 55, *range(61, 90)))
    pulls = watched(world)
    agent = APO(rounds=2, beam=2, expansion=replace(SMALL, successors=5), selector=selector, predictions=110)
    best, made = set(), set()
    for done in agent.search(world):
        if "successors" in done.name:
            best, made = {*numbers(done.proposed), *best}, {number(candidate) for candidate in done.proposed}
        elif "stay" in done.name:
            assert 0 < sum(len(arms) * len(places) for arms, places in pulls) <= 110
            assert len(done.proposed) == 2
            assert number(done.proposed[0]) == max(made)
            pulls.clear()
    assert number(world.known[0].candidate) == max(best)


def test_what_the_selection_may_spend_is_an_equal_part_of_what_is_left_after_full_scores(bench):
    world = bench(score, dev=40, reply_of=writing(), budget=40 + 300)
    pulls = watched(world)
    search = APO(rounds=2, beam=1, expansion=replace(SMALL, groups=1), selector=Uniform()).search(world)
    next(search)
    left = world.budget
    next(search)
    share = (left - 40) // 2
    assert sum(len(arms) * len(places) for arms, places in pulls) == share // 4 * 4


def test_the_best_of_all_rounds_comes_back_even_when_the_beam_has_lost_it(bench):
    lucky = set()

    def flattering(candidate, example):
        """Whatever comes after 70 does well on the first rows that it is tried on, and on no other."""
        if on_pool(example) or number(candidate) <= 70:
            return quality(candidate)
        lucky.add((number(candidate), example.place))
        return float(sum(one == number(candidate) for one, _ in lucky) <= 3)

    world = bench(flattering, dev=20, reply_of=writing(70, 10, 20, 71, 72, 73))
    agent = APO(rounds=2, beam=1, expansion=replace(SMALL, groups=1, successors=3), predictions=12, selector=Uniform())
    rounds = list(agent.search(world))
    assert numbers(rounds[1].proposed) == [70]
    assert numbers(rounds[3].proposed) == [71]
    assert number(rounds[-1].best.candidate) == 70
    assert rounds[-1].best.mean == pytest.approx(0.7)


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda selector: type(selector).__name__)
def test_of_equals_the_parents_stay_with_every_selector(bench, selector):
    world = bench(lambda candidate, example: 0.5, dev=20, reply_of=writing())
    agent = APO(rounds=3, beam=1, expansion=SMALL, selector=selector, predictions=40)
    beams = [done.proposed for done in agent.search(world) if "stay" in done.name]
    assert beams == [(world.student,)] * 3


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda selector: type(selector).__name__)
def test_with_equal_scores_a_beam_once_full_stays_as_it_is_and_the_student_is_in_it(bench, selector):
    world = bench(lambda candidate, example: 0.5, dev=20, reply_of=writing_many())
    rounds = list(APO(rounds=3, beam=2, expansion=SMALL, selector=selector, predictions=60).search(world))
    first, *later = [done.proposed for done in rounds if "stay" in done.name]
    assert first[0] == world.student
    assert [set(beam) for beam in later] == [set(first)] * 2
    assert rounds[-1].best.candidate == world.student


def test_an_instruction_that_is_in_the_beam_already_is_not_tried_twice(bench):
    def reply(prompt, draw):
        if "<reason>" in prompt:
            return f"<reason>{reason(prompt, draw)}</reason>"
        return "<instruction>Classify the review.</instruction>" if "Do 1." in prompt else "Do 1."

    world = bench(score, dev=4, reply_of=reply)
    rounds = list(APO(rounds=2, beam=2, expansion=replace(SMALL, paraphrases=0)).search(world))
    assert numbers(rounds[2].proposed) == [0]  # the student's own wording, which is still in the beam
    assert [done.name for done in rounds if "stay" in done.name] == [
        "self: round 1, 2 of 2 stay",
        "self: round 2, 2 of 2 stay",
    ]
    assert all(len(set(done.proposed)) == len(done.proposed) for done in rounds)


def test_a_penalty_for_length_counts_in_the_selection_and_only_the_edit_is_told_the_price(bench):
    cost = TokenCost(usd_per_million=0.5, penalty=0.1)
    long = "Do 50. " + "Mind every word of it. " * 20

    def reply(prompt, draw):
        if "<reason>" in prompt:
            return f"<reason>{reason(prompt, draw)}</reason>"
        return f"<instruction>{long if '<original>' in prompt else 'Do 45.'}</instruction>"

    expansion = Expansion(minibatch=6, groups=1, errors=2, paraphrases=1, successors=3)
    for settings, first in (({}, 50), ({"writing": Writing(token_cost=cost)}, 45)):
        world = bench(score, dev=20, reply_of=reply)
        rounds = list(APO(rounds=1, beam=1, expansion=expansion, predictions=30, **settings).search(world))
        assert numbers(rounds[1].proposed) == [first]
    assert "a prompt token costs $0.00000050" in asked(world, "edit")[0]
    assert not any("a prompt token costs" in text for text in asked(world, "gradient") + asked(world, "paraphrase"))


def test_the_best_by_preference_is_the_best_that_rounds_name(bench):
    long = "Do 50. " + "Mind every word of it. " * 20

    def reply(prompt, draw):
        if "<reason>" in prompt:
            return f"<reason>{reason(prompt, draw)}</reason>"
        return f"<instruction>{long if '<original>' in prompt else 'Do 45.'}</instruction>"

    expansion = Expansion(minibatch=6, groups=1, errors=2, paraphrases=1, successors=3)
    cost = TokenCost(usd_per_million=0.5, penalty=0.1)
    agent = APO(rounds=1, beam=2, expansion=expansion, predictions=30, writing=Writing(token_cost=cost))
    world = bench(score, dev=20, reply_of=reply, preference=agent.preference)
    rounds = list(agent.search(world))
    assert [number(done.best.candidate) for done in rounds] == [0, 45, 45]
    assert number(world.known[0].candidate) == 45
    assert max(score.mean for score in world.known) == pytest.approx(0.5)


def test_a_penalty_for_length_counts_where_successors_are_rejected(bench):
    def reply(prompt, draw):
        if "<reason>" in prompt:
            return f"<reason>{reason(prompt, draw)}</reason>"
        return f"<instruction>Do {50 + draw}. {'Mind every word of it. ' * 20 * (draw % 2)}</instruction>"

    expansion = Expansion(minibatch=6, groups=2, errors=2, paraphrases=1, successors=2, reject_on_errors=True)
    cost = TokenCost(usd_per_million=0.5, penalty=0.5)
    world = bench(score, dev=20, reply_of=reply)
    agent = APO(rounds=1, beam=1, expansion=expansion, writing=Writing(token_cost=cost))
    assert sorted(numbers(next(iter(agent.search(world))).proposed)) == [54, 56]  # 53, 55 and 57 are long
