from __future__ import annotations

import json

import pytest

from burnish.teleprompters.abo_steps import Blame, amended, followed, numbered, read_blame, read_steps, unfollowed


def blame(step, reason):
    return json.dumps({"step": step, "reason": reason})


@pytest.mark.parametrize(
    ("reply", "steps"),
    [
        ("<steps>\n1. Read.\n2. Say.\n</steps>", ["Read.", "Say."]),
        ("Here you are:\n\n**Step 1:** Read.\n**Step 2:** Say.\n\nGood luck!", ["Read.", "Say."]),
        ("### Step 1: Read\n\nAll of it.\n\n### Step 2 - Say\n\nLoudly.", ["Read\nAll of it.", "Say\nLoudly."]),
        ("1. Read.\n   1. the title\n   2. the text\n2. Say.", ["Read.\n1. the title\n2. the text", "Say."]),
        ("1. Read.\n   - the title\n1. Say.", ["Read.\n- the title", "Say."]),
        ("1) Read 1.5 lines.\n2) Say.\n   It is 3. Or so.", ["Read 1.5 lines.", "Say.\nIt is 3. Or so."]),
        ("**1. Read the text**: all.\n**2. Say**: it.", ["Read the text: all.", "Say: it."]),
        ("<steps>  1. Read.\n  2. Say.\n</steps>", ["Read.", "Say."]),
        ("```\n1. Read.\n2. Say.\n```", ["Read.", "Say."]),
        ("Read.\n\nSay.", ["Read.", "Say."]),
        ("The steps are:\n- Read.\n- Say.", ["Read.", "Say."]),
        ("3. Read.\n7. Say.", ["Read.", "Say."]),
        ("1. Read.", None),
        ("Read.", None),
        ("<steps></steps>", None),
        ("", None),
    ],
)
def test_steps_are_read_with_and_without_numbers_nested_and_in_markdown(reply, steps):
    found = read_steps(reply)
    assert (None if found is None else list(found)) == steps
    if found:
        assert read_steps(numbered(found)) == found


def test_only_the_step_in_question_changes_and_numbers_move_with_the_steps():
    old = ("Read it.", "Count the apples.", "Add the number of step 2 to that of steps 1 and 2.")
    whole = amended(
        old, ("Read it.", "List the apples.", "Count them.", "Add the number of step 3 to that of step 1."), 2
    )
    assert whole is not None
    assert whole.steps[:3] == ("Read it.", "List the apples.", "Count them.")
    assert whole.steps[3] == "Add the number of step 3 to that of steps 1 and 3."
    same_length = amended(old, (old[0], "Count the red apples.", old[2]), 2)
    assert (same_length.steps[1], same_length.put_back) == ("Count the red apples.", 0)


@pytest.mark.parametrize(
    "new",
    [
        ("A first.", "B second.", "C third."),  # nothing changed
        ("A first.", "B other."),  # one is gone
        ("Wholly new.", "B other.", "C third."),  # a step that was to stay is another one
        ("A first.", "B second.", "Not this one.", "Nor this."),  # the wrong one was broken down
    ],
)
def test_a_list_whose_change_cannot_be_told_is_refused(new):
    assert amended(("A first.", "B second.", "C third."), new, 2) is None


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (blame(2, "It guessed."), Blame(2, "It guessed.")),
        ('```json\n{"Step": "Step 3", "reason": "Left out."}\n```', Blame(3, "Left out.")),
        ("Let me see. {'step': 2.0, 'reason': 'Wrong.'} So.", Blame(2, "Wrong.")),
        ('<json>[{"step": 1, "reason": "Vague."}]</json>', Blame(1, "Vague.")),
        ('<think>{"step": 1, "reason": "no"}</think>{"step": 9, "reason": "Yes."}', Blame(9, "Yes.")),
        ("Step 4 was never carried out.", Blame(4, "Step 4 was never carried out.")),
        ('{"step": null, "reason": "All but step 3 failed."}', None),
        ('{"step": 2}', None),
        ("It is hopeless.", None),
        ("", None),
    ],
)
def test_the_failing_step_is_read_in_json_or_prose(reply, found):
    assert read_blame(reply) == found


def test_obedience_is_the_share_of_steps_named_in_their_order():
    assert followed("Step 1: a. **Step 2**: b. step 3", 3) == 1
    assert followed("Step 1: a. Step 3: b.", 3) == pytest.approx(2 / 3)
    assert followed("As Step 3 will show. Step 1: a. Step 2: b.", 3) == pytest.approx(2 / 3)
    assert followed("Step 3. Step 2. Step 1.", 3) == pytest.approx(1 / 3)
    assert followed("Steps are overrated. Step 12.", 3) == 0
    assert unfollowed("Step 1 and Step 2", 2) == ""
