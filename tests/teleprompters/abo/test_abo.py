"""The search: steps and demonstrations as in the paper, over all predictors, and beside other searches."""

from __future__ import annotations

import json
import re

import pytest

from burnish.teleprompters.abo import ABO
from burnish.teleprompters.abo_demonstration import BESIDE, STRICT, instruction_of
from burnish.teleprompters.base import Origin, Score
from burnish.testing import check_teleprompter

from .world import blame, by_count, kind, listed, obliging, shown


def test_abo_walks_as_in_the_paper_write_demonstrate_run_locate_break_down_update_and_gate_on_dev(open_world):
    blames = iter([2, 2, 3, 1, 4, 4, 1, 4, 9, 9, 9, 9])

    def reply(prompt, draw):
        if kind(prompt) != "locate":
            return obliging(prompt, draw)
        step = next(blames)
        return blame(step, f"Reason {draw} for {step}.")

    world = open_world(by_count(three=0.4, four=0.6, five=0.5), reply_of=reply)
    abo = ABO(refinements=2, candidates=1, batch=6, failures=4, examples=3)
    rounds = list(abo.search(world))
    assert [done.name for done in rounds] == [
        "self: steps: accepted, obeys 67 % of its steps",
        "self: refinement 1: accepted, obeys 50 % of its steps",
        "self: refinement 2: refused, obeys 40 % of its steps",
    ]

    # What was asked, in order: steps and demonstration; then failures, the step they name, and the demonstration anew.
    assert [kind(text) for _, text in world.asked] == [
        *("steps", "demonstration"),
        *(["locate"] * 4 + ["refine", "update"]) * 2,
    ]
    first = world.asked[0][1]
    assert len(re.findall(r"Input: review \d+\nOutput: label: (?:positive|negative)", first)) == 3
    assert "Classify the review." in first
    pool = {row.values["review"] for row in world.pool}
    assert set(re.findall(r"review \d+", "".join(text for _, text in world.asked))) <= pool

    # Which rows were run: six of the pool before dev is, and none that the demonstration shows is examined.
    ran = [example.place for _, example in world.executed[10:]]
    batches = [ran[start : start + 6] for start in (0, 16, 32)]
    assert all(set(batch) <= {row.place for row in world.pool} for batch in batches)
    worked = re.search(r"Input: (review \d+)", world.asked[1][1])[1]
    for start, batch in ((2, batches[0]), (8, batches[1])):
        examined = [re.search(r"Input: (review \d+)", text)[1] for _, text in world.asked[start : start + 4]]
        assert len(set(examined)) == 4
        assert worked not in examined
        assert {f"row {name.split()[1]}" for name in examined} <= set(batch)
    assert "Step 1: read. Step 2: judged." in world.asked[2][1]
    assert "Expected: " in world.asked[2][1]

    # The step named most often is broken down, for the reasons given for it; every other one stays verbatim.
    assert "Replace step 2 by" in world.asked[6][1]
    assert "- Reason 3 for 2.\n- Reason 4 for 2.\n" in world.asked[6][1]
    assert "for 3" not in world.asked[6][1]
    assert "Replace step 4 by" in world.asked[12][1]
    one, two, three = (score.candidate for score, *_ in world.recorded[1:])
    assert listed(one) == ["Read it 1.", "Judge it.", "Give the label."]
    assert listed(two) == ["Read it 1.", "Look closely 7.", "Decide 7.", "Give the label."]
    assert listed(three) == ["Read it 1.", "Look closely 7.", "Decide 7.", "Look closely 13.", "Decide 13."]

    # Prompt and demonstration change together: one demonstration, of the same row, with a label for every step.
    for candidate, count in ((one, 3), (two, 4), (three, 5)):
        assert candidate.prompt("self").instruction.startswith("Classify the review.\n\nStep 1: Read it 1.")
        assert STRICT in candidate.prompt("self").instruction
        transcript = shown(candidate).values["reasoning"]
        assert re.findall(r"Step (\d)", transcript) == [str(n) for n in range(1, count + 1)]
        assert shown(candidate).values["review"] == worked
        assert shown(candidate).values["label"] in transcript
    assert shown(one).values["reasoning"] in world.asked[7][1]

    # The worse pair is refused, and the better one it came from is the state that comes out.
    assert rounds[-1].best.candidate == two
    assert [score.mean for score, *_ in world.recorded] == pytest.approx([0.0, 0.4, 0.6, 0.5])
    _, origin, parents = world.recorded[2]
    assert (origin.teleprompter, origin.move, parents) == ("ABO", "refinement", (one,))
    assert origin.detail["step"] == 2
    assert origin.detail["reasons"] == ["Reason 3 for 2.", "Reason 4 for 2."]
    assert origin.detail["obedience"] == 0.5
    assert world.recorded[3][2] == (two,)

    kept = world.kept["abo"]
    assert json.loads(json.dumps(kept)) == kept
    assert [pair["accepted"] for pair in kept["pairs"]] == [True, True, False]
    assert [len(pair["steps"]) for pair in kept["pairs"]] == [3, 4, 5]
    assert kept["pairs"][2]["step"] == 4
    assert [detail["share"] for event, detail in world.events if event == "obedience"] == [pytest.approx(2 / 3), 0.5]


def test_it_stops_after_some_refinements_without_gain(open_world):
    world = open_world(by_count(three=0.4, four=0.3))
    rounds = list(ABO(refinements=5, candidates=1, batch=8, failures=2, patience=2).search(world))
    assert ["refused" in done.name for done in rounds] == [False, True, True]
    assert listed(rounds[-1].best.candidate)[1] == "Judge it."


def test_of_several_pairs_those_that_did_best_on_the_batch_are_scored_first_and_the_best_on_dev_stays(open_world):
    def score(candidate, example):
        found = re.search(r"Read it (\d+)", candidate.prompt("self").instruction)
        if not found:
            return 0.0
        is_pool = int(example.values["review"].split()[1]) < 1000
        return (0.1 if is_pool else 0.2) * int(found[1]) if int(found[1]) < 3 else 0.25

    world = open_world(score)
    best = list(ABO(refinements=0, candidates=3, batch=5).search(world))[-1]
    means = [score.mean for score, *_ in world.recorded[1:]]
    assert means == pytest.approx([0.25, 0.4, 0.2])  # 0.25, 0.2 and 0.1 on the batch
    assert listed(best.best.candidate)[0] == "Read it 2."
    assert len(best.proposed) == 3

    demonstrations = iter(["No."] * 4)

    def reply(prompt, draw):
        return (
            next(demonstrations, None) or obliging(prompt, draw)
            if kind(prompt) == "demonstration"
            else obliging(prompt, draw)
        )

    short = open_world(score, budget=10 + 2 * (3 + 5 + 10), reply_of=reply)
    list(ABO(refinements=0, candidates=2, batch=5).search(short))
    assert [score.mean for score, *_ in short.recorded[1:]] == pytest.approx([0.4])
    assert [event for event, _ in short.events].count("pair not scored") == 1


# where it starts, and with whom


def test_it_starts_from_the_best_that_is_known_and_keeps_only_its_task(open_world):
    world = open_world(by_count(three=0.4))
    other = world.student.with_prompt("self", instruction=instruction_of("Sort the review.", ("Read.", "Say."), None))
    score = Score(other, (0.3,) * 10, tuple(row.digest for row in world.dev))
    world.record(other, score, origin=Origin("someone", "else"))
    best = list(ABO(refinements=0, candidates=1).search(world))[-1].best.candidate
    assert best.prompt("self").instruction.startswith("Sort the review.\n\nStep 1: Read it 1.")
    assert len(listed(best)) == 3
    assert world.recorded[-1][2] == (other,)


def test_predictors_are_taken_in_turn_with_the_others_held_at_their_best(bench, make_student, step):
    given = make_student(find=(("review",), ("quote",)), judge=(("review",), ("reasoning", "label")))

    def trace(candidate, example):
        quote = {"quote": f"quote of {example.values['review']}"}
        answer = {"reasoning": "Step 1: read.", "label": "negative"}
        return (step("find", example.input_values, quote, "r"), step("judge", example.input_values, answer, "r"))

    def score(candidate, example):
        return sum(0.1 * len(listed(candidate, path)) for path in ("find", "judge"))

    world = bench(score, given=given, reply_of=obliging, trace_of=trace)
    rounds = list(ABO(refinements=1, candidates=1, batch=4, failures=2).search(world))
    assert [done.name.split(": accepted")[0] for done in rounds] == [
        *("find: steps", "find: refinement 1"),
        *("judge: steps", "judge: refinement 1"),
    ]
    best = rounds[-1].best.candidate
    assert [len(listed(best, path)) for path in ("find", "judge")] == [4, 4]
    assert shown(best, "find").note.startswith(BESIDE)
    assert "Step 4: done." in shown(best, "judge").values["reasoning"]
    assert "Output: quote of review" in world.asked[0][1]  # no column: shown by what the program did
    located = [text for _, text in world.asked if kind(text) == "locate"]
    assert "by predictor find (the predictor whose instruction is to be improved)" in located[0]
    assert {kept["predictor"] for kept in world.kept.values()} == {"find", "judge"}
    while_judging = [candidate for candidate, _ in world.executed if listed(candidate, "judge")]
    assert {len(listed(candidate, "find")) for candidate in while_judging} == {4}


# conformance


@pytest.mark.slow
@pytest.mark.parametrize(
    ("abo", "options"),
    [
        (ABO(), {"writer": obliging}),
        (ABO.paper(batch=4, failures=2), {"writer": obliging}),
        (ABO(), {}),
        (
            ABO(candidates=2, refinements=2, batch=4),
            {"writer": obliging, "limits": (1, 7, 20, 33, 47, 61, 75, 90, 110, 130, 150, 180, 210)},
        ),
    ],
    ids=["obliging", "paper", "only instructions", "cut-offs"],
)
def test_abo_passes_the_conformance_suite(abo, options):
    check_teleprompter(abo, **options)
