"""OPRO beside the code that its paper released, on the same scripted instructions, scores and replies.

What that code showed, chose and read was recorded once: peers/opro.json. Where it does what the paper says, ours does
alike; where it does not, the record shows how, and ours does not follow.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from pathlib import Path

import pytest

from burnish.teleprompters import OPRO
from burnish.teleprompters.asking import Writing
from burnish.teleprompters.base import Score
from burnish.teleprompters.opro_trajectory import (
    ExemplarChoice,
    Exemplars,
    Shown,
    Trajectory,
    continued_instruction,
    placed_instruction,
)
from burnish.teleprompters.replies import bracketed

PEER = json.loads((Path(__file__).parent / "peers/opro.json").read_text(encoding="utf-8"))
ERRORS = PEER["exemplars"]
READERS = {"chat": placed_instruction, "brackets": bracketed, "continued": continued_instruction}


@pytest.fixture
def trajectory(make_student):
    """trajectory(scored, ...): texts with their scores and steps, in the order in which they came."""

    def build(scored, **shown):
        built = Trajectory(Shown(**shown), lambda score: score.mean)
        built.extend([Score(make_student(text), (mean,), ("row",)) for text, mean, _ in scored])
        return built

    return build


def pairs(trajectory):
    """Instructions and scores in the order shown."""
    found = re.findall(r"instruction:\n(.*)\nscore:\n(.*)", trajectory.as_pairs("self"))
    return [[text, json.loads(score)] for text, score in found]


# the trajectory


@pytest.mark.parametrize("case", PEER["trajectory"]["shown"], ids=lambda case: str([*case.values()][:3]))
def test_the_same_instructions_are_shown_in_the_same_order_with_the_same_scores(trajectory, case):
    sizes = {"instructions": case["instructions"], "buckets": case["buckets"], "threshold": case["threshold"] or None}
    ours = pairs(trajectory(PEER["trajectory"]["instructions"], **sizes))
    assert ours == case["pairs"]
    if case["buckets"] is not None:
        assert all(isinstance(score, int) for _, score in ours)


def test_of_equal_instructions_the_latest_are_shown_and_stand_last_as_there(trajectory):
    ties = PEER["ties"]
    shown = [text for text, _ in ties["pairs"]]
    assert shown == ["Think of cedar.", "Think of elder.", "Think of daisy."]
    ours = [text for text, _ in pairs(trajectory(ties["instructions"], instructions=ties["most"]))]
    assert ours == shown


def test_a_list_to_be_continued_holds_all_instructions_there_and_the_best_twenty_here(trajectory):
    theirs = PEER["continued"]["pairs"]
    assert len(theirs) == len(PEER["trajectory"]["instructions"]) == 25
    built = trajectory(PEER["trajectory"]["instructions"])
    ours = re.findall(r"Precision: (\d+) <TEXT>(.*)</TEXT>", built.as_list("self"))
    assert [[text, int(score)] for score, text in ours] == theirs[-20:]


# exemplars


@pytest.fixture
def chosen(bench, make_student):
    """chosen(rule, step, ...): row numbers that are shown at a step, when one more instruction was scored at each."""

    def choose(rule, step, *, shown=20, wrong=ERRORS["wrong"], seed=0):
        def right(candidate, example):
            return float(int(example.place.split()[-1]) not in wrong.get(candidate.prompt("self").instruction, ()))

        world = bench(right, pool=ERRORS["rows"])
        tried = [make_student(text) for text in ERRORS["order"][: step + 1]]
        rule = Exemplars(rule, count=ERRORS["count"], rows=ERRORS["rows"])
        choice = ExemplarChoice(world, rule, world.pool, random.Random("rows"))
        choice.count(tried)
        trajectory = Trajectory(Shown(instructions=shown), lambda score: score.mean)
        trajectory.extend([Score(one, tuple(right(one, row) for row in world.pool), ("row",)) for one in tried])
        rows = choice.choose(trajectory, random.Random(f"{seed} {step}"))
        return [int(row.place.split()[-1]) for row in rows]

    return choose


def most_wrong(instructions):
    """The rows that most of the instructions got wrong, where it is clear which; else None."""
    counts = Counter(row for text in instructions for row in ERRORS["wrong"].get(text, ())).most_common()
    count = ERRORS["count"]
    return {row for row, _ in counts[:count]} if counts[count - 1][1] > counts[count][1] else None


def best(instructions, most):
    """The instructions shown, of which no two are equally good."""
    return sorted(instructions, key=lambda text: len(ERRORS["wrong"].get(text, ())), reverse=True)[-most:]


@pytest.mark.parametrize(("recorded", "most"), [("current", 20), ("current_of_three", 3)])
def test_the_same_rows_are_currently_most_often_wrong_where_there_are_no_ties(chosen, recorded, most):
    clear = 0
    for step, theirs in enumerate(ERRORS[recorded]):
        expected = most_wrong(best(ERRORS["order"][: step + 1], most))
        if expected is not None:
            assert set(theirs) == set(chosen("currently_wrong", step, shown=most)) == expected
            clear += 1
    assert clear >= 2


def test_rows_ever_wrong_are_drawn_uniformly_there_and_the_most_often_wrong_are_shown_here(chosen):
    drawn = [set(rows) for rows in ERRORS["accumulative"]]
    times = Counter(row for text in ERRORS["order"] for row in ERRORS["wrong"].get(text, ()))
    missed = 0
    for step, theirs in enumerate(drawn):
        expected = most_wrong(ERRORS["order"][: step + 1])
        if expected is not None:
            assert set(chosen("most_often_wrong", step)) == expected
            missed += theirs != expected
    assert missed >= 3
    assert any(times[row] == 1 for rows in drawn for row in rows)
    assert not any(times.most_common(1)[0][0] in rows for rows in drawn)


def test_where_nothing_is_wrong_no_exemplar_is_shown_there_and_random_ones_here(chosen):
    assert ERRORS["accumulative_nothing_wrong"] == ERRORS["current_nothing_wrong"] == [[]]
    for rule in ("most_often_wrong", "currently_wrong"):
        assert len(set(chosen(rule, 0, wrong={}))) == ERRORS["count"]


def test_random_exemplars_change_with_the_step_and_constant_ones_do_not_there_and_here(chosen):
    steps = range(len(ERRORS["order"]) - 1)
    for theirs, rule in ((ERRORS["random"], "random"), (ERRORS["constant"], "constant")):
        ours = [chosen(rule, step) for step in steps]
        different = 1 if rule == "constant" else len(steps)
        assert len({tuple(rows) for rows in theirs}) == len({tuple(rows) for rows in ours}) == different


# replies


@pytest.mark.parametrize("style", READERS)
def test_a_reply_that_is_read_there_is_read_alike_here_but_for_what_was_not_meant(style):
    alike = {case["reply"]: case["texts"][0] for case in PEER["replies"][style] if any(case["texts"])}
    settled = {
        "<INS>Guess.</INS> Better: <INS>Think of amber.</INS>": "Guess.",  # the first there, the last here
        "As in [1]: [Think of amber.]": "1",  # a reference there
    }
    for reply, theirs in alike.items():
        ours = READERS[style](reply)
        if reply in settled:
            assert (theirs, ours) == (settled[reply], "Think of amber.")
        else:
            assert ours == theirs
    assert "Think of amber." in alike.values()


@pytest.mark.parametrize("style", ["chat", "brackets"])
def test_a_reply_without_an_instruction_is_scored_as_an_empty_one_there_and_never_here(style):
    empty = [case for case in PEER["replies"][style] if case["texts"] == [""]]
    assert len(empty) >= 3
    assert all(case["scored"] == [""] for case in empty)
    for case in empty:
        assert READERS[style](case["reply"]) != ""


def test_brackets_that_are_missing_leave_nothing_there_and_the_whole_reply_here():
    case = next(case for case in PEER["replies"]["brackets"] if case["reply"] == "Think of amber.")
    assert case["texts"] == [""]
    assert bracketed(case["reply"]) == "Think of amber."


# what is scored, and how warm


def test_a_seed_is_proposed_and_scored_again_there_and_not_here(bench):
    again = PEER["again"]
    scored = [text for text, _ in again["scored"]]
    assert scored.count(again["seed"]) == 2
    assert {"Think of amber.", "Think of  amber."} <= set(scored)  # a space more is another instruction there

    replies = iter([text for step in again["replies"] for text in step])
    world = bench(lambda candidate, example: 0.5, reply_of=lambda prompt, draw: f"<instruction>{next(replies)}")
    rounds = list(OPRO(seeds=(again["seed"],), steps=2, proposals=3).search(world))
    proposed = [candidate.prompt("self").instruction for done in rounds[:-1] for candidate in done.proposed]
    assert proposed == [again["seed"], "Think of amber."]


def test_a_rising_temperature_does_not_reach_its_end_there_and_does_here(bench):
    peer = PEER["temperatures"]
    assert max(peer["asked"]) < peer["last"]
    world = bench(lambda candidate, example: 0.5, reply_of=lambda prompt, draw: f"Think {draw} times.")
    ask, temperatures = world.ask, []

    def noted(requests, n=1, *, temperature, **named):
        temperatures.append(temperature)
        return ask(requests, n, temperature=temperature, **named)

    world.ask = noted
    warmer = {"writing": Writing(temperature=peer["first"]), "final_temperature": peer["last"]}
    list(OPRO(steps=peer["steps"], proposals=1, **warmer).search(world))
    assert temperatures == pytest.approx([0.5, 5 / 6, 7 / 6, 1.5])
