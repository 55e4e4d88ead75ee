from __future__ import annotations

import math
import re

import numpy as np
import pytest

from burnish.signatures.example import Example
from burnish.signatures.prompt import Demo
from burnish.teleprompters.base import Step
from burnish.teleprompters.demonstrations.base import Shot, Supply
from burnish.teleprompters.demonstrations.select.vote_k import Ballot, VoteK
from burnish.teleprompters.demonstrations.vectors import cosines, unit


@pytest.fixture
def supply(bench):
    """20 reviews, each with a number; vectors on an arc, so that neighbours are the numbers beside it."""

    def build(k=4, money=10**6, label=lambda n: ("negative", "positive")[n % 2], angle=lambda n: n / 20, **options):
        def embed(text):
            place = angle(int(re.findall(r"\d+", text)[0]))
            return [math.cos(place), math.sin(place)]

        world = bench(lambda candidate, example: 0.5, embed_of=embed, **options)
        rows = [Example.of({"review": f"review {n}", "label": label(n)}, ("review",)) for n in range(20)]
        shots = tuple(Shot(row, Demo.of(row.values)) for row in rows)
        return Supply(world, world.student, world.student.predictors[-1], shots, k, money)

    return build


def number_of(row):
    return int(row.values["review"].split()[1])


def numbers(chosen):
    return [number_of(shot.row) for shot in chosen.shots]


@pytest.mark.parametrize("seed", range(4))
def test_every_choice_has_the_highest_score_of_the_formula(seed):
    similar = cosines(unit(np.random.default_rng(seed).normal(size=(15, 3))))
    nearest = [set(sorted(set(range(15)) - {v}, key=lambda u: -similar[v, u])[:4]) for v in range(15)]
    ballot, chosen = Ballot(similar, 4), []
    for _ in range(5):

        def score(u, chosen=tuple(chosen)):
            voters = [v for v in range(15) if u in nearest[v] and v not in chosen]
            return sum(10.0 ** -len(nearest[v] & set(chosen)) for v in voters)

        expected = max(score(u) for u in range(15) if u not in chosen)
        taken = ballot.winner(range(15))
        assert score(taken) == pytest.approx(expected)
        assert taken not in chosen
        chosen.append(taken)


def test_a_row_never_votes_for_itself_even_where_another_is_just_like_it():
    ballot = Ballot(cosines(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])), 1)
    assert ballot.voters == [[1, 2], [0], []]


def test_the_fast_form_spreads_over_the_pool_and_runs_nothing(supply):
    given = supply(k=4, angle=lambda n: 1.5 * (n // 5) + n % 5 / 50)  # four groups
    (chosen,) = VoteK(neighbours=4).select(given)
    assert not given.bench.executed
    assert sorted(number // 5 for number in numbers(chosen)) == [0, 1, 2, 3]
    assert all(re.fullmatch(r"voted for by \d+ rows", reason) for reason in chosen.reasons)


def test_in_full_the_surest_tenth_is_left_out_and_slices_of_confidence_are_represented(supply):
    def log_probability(prompt, reply):
        number = int(re.findall(r"review (\d+)", prompt)[-1])
        says_yes = 0.5 + 0.024 * number  # review 0 is a toss-up, the last ones are sure
        return [math.log(says_yes if "positive" in reply else 1 - says_yes)]

    given = supply(k=4, text_logprob_of=log_probability)
    (chosen,) = VoteK(fast=False).select(given)
    first, second = numbers(chosen)[:2], numbers(chosen)[2:]
    assert first == numbers(next(VoteK().select(supply(k=4))))[:2]
    rest = [number for number in range(20) if number not in first]  # by confidence
    kept = rest[:17]
    assert second[0] in kept[:8]
    assert second[1] in kept[8:]
    assert [float(reason.split()[-1]) for reason in chosen.reasons[2:]] == [
        pytest.approx(0.5 + 0.024 * number, abs=0.006) for number in second
    ]
    shown = {number_of(example) for _, example in given.bench.executed}
    assert not shown  # log-probabilities, no executions
    assert 10**6 - given.bench.budget == 18 * 2 + 1  # two classes for each row not shown, one call to the encoder


def test_without_label_probabilities_confidence_is_that_of_samples(supply):
    def outputs(candidate, example):
        seed = dict(candidate.parts)["self"].settings.params["seed"]
        return {"label": "positive" if seed < number_of(example) % 5 else "negative"}

    given = supply(k=4, outputs_of=outputs)
    (chosen,) = VoteK(fast=False, samples=5).select(given)
    assert len(set(numbers(chosen))) == 4
    assert any(detail.get("source") == "samples" for _, detail in given.bench.events)
    assert len(given.bench.executed) == 18 * 5
    shown = {tuple(d.values["review"] for d in candidate.demos) for candidate, _ in given.bench.executed}
    assert shown == {tuple(f"review {number}" for number in numbers(chosen)[:2])}


def test_free_text_is_sure_where_samples_agree(supply):
    def trace(candidate, example):
        seed = dict(candidate.parts)["self"].settings.params["seed"]
        said = f"word {seed}" if number_of(example) % 2 else "the same"
        return (Step("self", {"review": example.values["review"]}, {"label": said}, said),)

    given = supply(k=4, label=lambda n: f"word {n}", trace_of=trace)
    (chosen,) = VoteK(fast=False, samples=4).select(given)
    unsure, sure = chosen.reasons[2:]
    assert unsure.endswith("0.25")
    assert numbers(chosen)[2] % 2 == 1
    assert sure.endswith("1.00") or sure.endswith("0.25")
    assert len(given.bench.executed) == 18 * 4


def test_what_cannot_be_read_makes_a_row_unsure(supply):
    def trace(candidate, example):
        return () if number_of(example) == 7 else (Step("self", {"review": "x"}, {"label": "same"}, "same"),)

    given = supply(k=2, label=lambda n: f"word {n}", trace_of=trace)
    selector = VoteK(fast=False, samples=3)
    shots = list(given.shots)
    assert selector._agreement(given, shots[:1], shots[6:9]) == [1.0, 0.0, 1.0]


def test_inner_predictors_are_judged_by_what_they_said_themselves(supply, make_student):
    program = make_student(think=(("review",), ("label",)), say=(("review",), ("label",)))

    def trace(candidate, example):
        seed = dict(candidate.parts)["say"].settings.params["seed"]
        return (Step("think", {}, {"label": "same"}, ""), Step("say", {}, {"label": f"{seed}"}, ""))

    given = supply(k=2, given=program, trace_of=trace)
    (chosen,) = VoteK(fast=False, samples=4).select(given)
    assert chosen.reasons[1].endswith("0.25")


def test_it_asks_no_more_rows_than_there_is_money_for_and_says_when_it_asks_none(supply):
    given = supply(k=4, money=36)
    list(VoteK(fast=False, samples=5).select(given))
    assert len(given.bench.executed) == 25  # three quarters of the money are 27
    poor = supply(k=4, money=9)
    (chosen,) = VoteK(fast=False, samples=5).select(poor)
    assert not poor.bench.executed
    assert any(event == "vote-k by votes alone" for event, _ in poor.bench.events)
    assert numbers(chosen) == numbers(next(VoteK().select(supply(k=4))))


def test_its_cost_is_an_upper_bound(supply):
    for k in (1, 2, 5):
        given = supply(k=k)
        list(VoteK(fast=False, samples=6).select(given))
        assert len(given.bench.executed) <= VoteK(fast=False, samples=6).cost(20, k, 10)
