"""What is read in a reply, and what may be proposed."""

from __future__ import annotations

import pytest

from burnish.teleprompters import OPRO
from burnish.teleprompters.asking import Writing

from .world import START, number, numbers, requests, shown, writing


@pytest.mark.parametrize(
    ("style", "reply", "expected"),
    [
        ("chat", "Sure.\n<instruction>Name the mood.</instruction>", "Name the mood."),
        ("chat", "<instruction><INS>Name the mood.</INS></instruction>", "Name the mood."),
        ("chat", "<INS>Name the mood.</INS>", "Name the mood."),
        ("chat", "<INS> Name the mood.", "Name the mood."),
        ("chat", "Name the mood.", "Name the mood."),
        ("chat", "<instruction></instruction>", None),
        ("chat", "<instruction><INS></INS></instruction>", None),
        ("instruction_tuned", "[Name the mood.]", "Name the mood."),
        ("instruction_tuned", "See [1]: here it is: [Name the mood.] [2]", "Name the mood."),
        ("instruction_tuned", "Name the mood.", "Name the mood."),
        ("instruction_tuned", "As in [1], name the mood.", "As in [1], name the mood."),
        ("instruction_tuned", "[Name the\nmood.]", "Name the\nmood."),
        ("instruction_tuned", "", None),
        ("pretrained", "Name the mood.</TEXT>", "Name the mood."),
        ("pretrained", "Name the mood.</TEXT>\nPrecision: 100 <TEXT>Guess.</TEXT>\nPrec", "Name the mood."),
        ("pretrained", "Name the mood.</text>\nPrecision: 100 <TEXT>Guess and", "Name the mood."),
        ("pretrained", "Precision: 99 <TEXT>Name the mood.</TEXT>", "Name the mood."),
        ("pretrained", "Name the mood.", "Name the mood."),
        ("pretrained", "</TEXT>\nPrecision: 100 <TEXT>Guess.</TEXT>", None),
    ],
)
def test_each_style_reads_its_own_kind_of_reply(bench, style, reply, expected):
    world = bench(dev=2, reply_of=lambda prompt, draw: reply)
    rounds = list(OPRO(steps=1, proposals=1, style=style).search(world))
    found = [candidate.prompt("self").instruction for candidate in rounds[1].proposed]
    assert found == ([] if expected is None else [expected])
    assert all(candidate.prompt("self").instruction for candidate, _ in world.executed)


@pytest.mark.parametrize("style", ["chat", "instruction_tuned", "pretrained"])
def test_an_unreadable_reply_is_asked_for_once_more_and_then_dropped_and_counted(bench, style):
    good = {"chat": "<instruction>{}</instruction>", "instruction_tuned": "[{}]", "pretrained": "{}</TEXT>"}[style]
    world = bench(dev=2, reply_of=lambda prompt, draw: good.format(f"Do {draw}.") if draw in (2, 5) else " ")
    rounds = list(OPRO(steps=1, proposals=3, style=style).search(world))
    assert [purpose for purpose, _ in world.asked] == ["OPRO step"] * 3 + ["OPRO step, once more"] * 2
    assert numbers(rounds[1].proposed) == [2, 5]
    assert [event for event, _ in world.events] == ["reply dropped"]
    assert world.events[0][1]["purpose"] == "OPRO step"


def test_the_style_for_pretrained_models_ends_where_the_next_instruction_begins(bench):
    world = bench(dev=2, reply_of=lambda prompt, draw: f"Do {40 + draw}.</TEXT>")
    list(OPRO(steps=2, proposals=2, style="pretrained").search(world))
    assert requests(world)[1].endswith(
        f"Precision: 0 <TEXT>{START}</TEXT>\nPrecision: 41 <TEXT>Do 41.</TEXT>\nPrecision: 42 <TEXT>Do 42.</TEXT>\n\n"
        "Precision: 100 <TEXT>"
    )


def test_proposals_that_differ_in_white_space_alone_are_one_and_are_not_proposed_again(bench):
    same = ["Do 40.", " Do  40.", "Do\n40.", "Do 50.", "Do 40.", "Classify  the review."]
    world = bench(dev=2, reply_of=lambda prompt, draw: f"<instruction>{same[draw - 1]}</instruction>")
    rounds = list(OPRO(steps=2, proposals=3).search(world))
    assert [numbers(done.proposed) for done in rounds[1:3]] == [[40], [50]]
    assert [event for event, *_ in world.events].count("rejected") == 4
    assert {code for event, code in world.events} == {"duplicate"}


def test_seeds_are_scored_shown_and_never_proposed_again(bench):
    world = bench(dev=4, reply_of=writing(30, 40))
    rounds = list(OPRO(seeds=("Do 30.", "Do 20."), steps=1, proposals=2).search(world))
    assert numbers(rounds[0].proposed) == [30, 20]
    assert shown(requests(world)[0]) == [(START, "0"), ("Do 20.", "20"), ("Do 30.", "30")]
    assert numbers(rounds[1].proposed) == [40]
    assert world.events == [("rejected", "duplicate")]
    moves = {number(found.candidate): origin.move for found, origin, _ in world.recorded[1:]}
    assert moves == {40: "step 1", 30: "seed", 20: "seed"}


def test_a_seed_can_be_what_comes_out(bench):
    world = bench(dev=30, reply_of=writing(30, 40))
    rounds = list(OPRO(seeds=("Do 80.",), steps=1, proposals=2, rows=5, finalists=1).search(world))
    assert number(rounds[-1].best.candidate) == 80


def test_an_instruction_that_is_too_long_is_rejected(bench):
    world = bench(dev=2, reply_of=writing(7, 1234, 8))
    rounds = list(OPRO(steps=1, proposals=3, writing=Writing(max_length=5)).search(world))
    assert numbers(rounds[1].proposed) == [7, 8]
    assert world.events == [("rejected", "too long")]
