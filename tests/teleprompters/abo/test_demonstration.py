"""The demonstration beside the steps, and whether the program follows them."""

from __future__ import annotations

import re

import pytest

from burnish.signatures.prompt import Demo, DemoRule
from burnish.teleprompters.abo import ABO
from burnish.teleprompters.abo_demonstration import BESIDE, flaw_of, instruction_of, place_of, task_of

from .world import OPEN, by_count, kind, listed, obliging, shown


def test_a_demonstration_that_is_no_good_is_written_anew_told_why_three_times_in_all(open_world):
    tries = iter(
        [
            *(
                "<demonstration>Step 1: x. Step 3: y.</demonstration>",
                "Step 1 Step 2 Step 3: it is neither of them",
                "",
            ),
            *[""] * 6,  # of two more starts
        ]
    )

    def reply(prompt, draw):
        return next(tries) if kind(prompt) == "demonstration" else obliging(prompt, draw)

    world = open_world(by_count(three=0.4), reply_of=reply)
    rounds = list(ABO(candidates=1).search(world))
    asked = [(purpose, text) for purpose, text in world.asked if kind(text) == "demonstration"]
    assert [purpose for purpose, _ in asked] == 3 * ["demonstration", *["demonstration, once more"] * 2]
    assert "could not be used: Step 2 is not named." in asked[1][1]
    assert re.search(r"could not be used: it does not end in '(positive|negative)'\.", asked[2][1])
    assert ("demonstration dropped", {"predictor": "self", "reason": "it was empty"}) in world.events
    assert [done.name for done in rounds] == ["self: steps: no pair"] * 3
    assert len(world.executed) == 10


def test_steps_are_written_anew_when_none_of_their_demonstrations_shows_them_followed(open_world):
    tries = iter(["No."] * 3)

    def reply(prompt, draw):
        return (
            next(tries, None) or obliging(prompt, draw) if kind(prompt) == "demonstration" else obliging(prompt, draw)
        )

    world = open_world(by_count(three=0.4), reply_of=reply)
    rounds = list(ABO(refinements=0, candidates=1).search(world))
    assert [done.name.split(",")[0] for done in rounds] == ["self: steps: no pair", "self: steps: accepted"]


def test_a_refined_pair_without_a_demonstration_is_not_run(open_world):
    def reply(prompt, draw):
        return "No." if kind(prompt) == "update" else obliging(prompt, draw)

    world = open_world(by_count(three=0.4, four=0.9), reply_of=reply)
    rounds = list(ABO(refinements=1, candidates=1).search(world))
    assert [purpose for purpose, _ in world.asked][-3:] == ["demonstration", *["demonstration, once more"] * 2]
    assert len(listed(rounds[-1].best.candidate)) == 3
    assert all(len(candidate.prompt("self").demos) == bool(listed(candidate)) for candidate, _ in world.executed)


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("Step 1: a. Step 2: so it is positive.", ""),
        ("**Step 1** a\n**Step 2:** b\n\nAnswer: Positive!", ""),
        ("Step 1: a. It is positive.", "Step 2 is not named"),
        ("Step 2: a. Step 1: positive.", "the steps are not named in their order"),
        ("Step 1: positive at first. Step 2: " + "word " * 30, "it does not end in 'positive'"),
        ("", "it was empty"),
        ("Step 1: Step 2: " + "x" * 200 + " positive", "it has 225 characters, at most 200 can be shown"),
    ],
)
def test_what_makes_a_demonstration_unusable(text, flaw):
    assert flaw_of(text, 2, ["positive"], 200) == flaw


def test_a_long_answer_need_not_stand_at_the_end_of_its_demonstration():
    assert flaw_of("Step 1: written.", 1, ["a b c d e f g h i"], 200) == ""
    assert flaw_of("Step 1: written.", 1, ["a b c d e f g h"], 200) == "it does not end in 'a b c d e f g h'"


def test_a_predictor_that_only_answers_is_shown_the_demonstration_with_the_question_and_not_measured(bench):
    world = bench(by_count(three=0.4, four=0.6), reply_of=obliging)
    rounds = list(ABO(refinements=1, candidates=1, batch=6).search(world))
    assert [done.name for done in rounds] == [
        "self: steps: accepted, obedience cannot be seen",
        "self: refinement 1: accepted, obedience cannot be seen",
    ]
    best = rounds[-1].best.candidate
    demo = shown(best)
    assert demo.kind == "worked"
    assert demo.note.startswith(f"{BESIDE}\nStep 1: done.")
    assert set(demo.values) == {"review", "label"}
    asked, answered = best.prompt("self").template.demos[0]
    assert "Step 4: done." in "".join(asked.parts)
    assert "Step" not in "".join(answered.parts)
    assert "before you answer" in best.prompt("self").instruction
    assert world.recorded[1][1].detail["obedience"] is None


def test_the_demonstration_stands_in_free_text_before_the_answer_that_no_row_has(make_student, make_rows):
    def place(outputs, **columns):
        return place_of(make_student(self=(("review",), outputs)).prompt("self").schema, make_rows(4, **columns))

    assert place(("reasoning", "label")) == "reasoning"
    assert place(("label",)) is None
    assert place(("label", "explanation")) is None  # comes after the answer: nothing is worked out in it
    assert place(("reasoning", "label"), reasoning=lambda n: "because") is None
    assert place(("quote", "reasoning", "label"), quote=lambda n: "its words") == "reasoning"


def test_earlier_demonstrations_stay_where_they_show_answers_alone_and_make_room_in_the_open(bench, make_student):
    earlier = Demo.of({"review": "Fine.", "label": "positive"})
    given = make_student().with_prompt("self", demos=(earlier,))
    world = bench(by_count(three=0.4, four=0.6), given=given, reply_of=obliging)
    best = list(ABO(refinements=1, candidates=1).search(world))[-1].best.candidate
    first, second = best.prompt("self").demos
    assert first == earlier
    assert second.note.startswith(BESIDE)

    worked = Demo.of({"review": "Fine.", "reasoning": "It says so.", "label": "positive"})
    for given in (
        make_student(**OPEN).with_prompt("self", demos=(worked,)),
        make_student().with_prompt("self", demos=(earlier,) * 3, rule=DemoRule(k=1)),
    ):
        world = bench(by_count(three=0.4), given=given, reply_of=obliging)
        best = list(ABO(refinements=0, candidates=1).search(world))[-1].best.candidate
        assert best.prompt("self").rule is None
        assert shown(best).values["review"].startswith("review ")


def test_markers_in_a_demonstration_are_disarmed(open_world):
    def reply(prompt, draw):
        said = obliging(prompt, draw)
        return said.replace("done.", "[[ ## label ## ]]") if kind(prompt) == "demonstration" else said

    world = open_world(by_count(three=0.4), reply_of=reply)
    best = list(ABO(refinements=0, candidates=1).search(world))[-1].best.candidate
    _, answered = best.prompt("self").template.demos[0]
    assert "".join(answered.parts).count("[[ ## label ## ]]") == 1


# obedience


def test_of_a_reply_that_could_not_be_used_obedience_is_read_in_the_reply(open_world, step):
    def trace(candidate, example):
        return (step("self", example.input_values, {}, "Step 1: and then I lost my way"),)

    world = open_world(by_count(three=0.4), trace_of=trace)
    rounds = list(ABO(refinements=0, candidates=1).search(world))
    assert rounds[0].name == "self: steps: accepted, obeys 33 % of its steps"


def test_obedience_is_not_measured_where_no_row_was_run(open_world):
    world = open_world(by_count(three=0.4), budget=10 + 12)
    rounds = list(ABO().search(world))
    assert rounds[0].name == "self: steps: accepted, obedience not measured"


def test_the_task_is_found_again_in_an_instruction_with_steps():
    for place in (None, "reasoning"):
        for task in ("Classify it.", "", "Step by step.\n\nClassify it."):
            assert task_of(instruction_of(task, ("Read.", "Say."), place)) == task
    assert task_of("Do:\n\nStep 1: read.") == "Do:\n\nStep 1: read."
