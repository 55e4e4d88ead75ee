from __future__ import annotations

import json
import re

import pytest

from burnish.signatures.errors import BudgetSpent
from burnish.signatures.prompt import Demo, DemoRule
from burnish.teleprompters.abo import ABO, ABOMetaPrompts
from burnish.teleprompters.abo_demonstration import BESIDE, STRICT, flaw_of, instruction_of, place_of, task_of
from burnish.teleprompters.asking import Writing
from burnish.teleprompters.base import Origin, Outcome, Score, Sizes
from burnish.teleprompters.token_cost import TokenCost
from burnish.testing import check_teleprompter

OPEN = {"self": (("review",), ("reasoning", "label"))}  # a predictor that writes free text before its answer
KINDS = {
    "Write the procedure": "steps",
    "Carry out the procedure on this input": "demonstration",
    "Bring the text up to date": "update",
    "Find the first step": "locate",
    "Replace step": "refine",
}


def kind(prompt):
    return next((name for mark, name in KINDS.items() if mark in prompt), "other")


def steps_in(prompt):
    block = re.search(r"<(steps|procedure)>\n(.*?)\n</\1>", prompt, re.DOTALL)
    return re.findall(r"^Step \d+: (.*)$", block[2], re.MULTILINE)


def work(prompt):
    """A demonstration that follows every step of the prompt to the output that it is given."""
    count = len(steps_in(prompt))
    answer = re.search(r"^Output: (?:\w+: )?(.*)$", prompt, re.MULTILINE)[1]
    done = "\n".join(f"Step {n}: done." for n in range(1, count + 1))
    return f"<demonstration>{done} So it is {answer}.</demonstration>"


def broken_down(prompt, draw):
    """The steps of the prompt, the one that fails in two."""
    steps, at = steps_in(prompt), int(re.search(r"Replace step (\d+)", prompt)[1])
    steps[at - 1 : at] = [f"Look closely {draw}.", f"Decide {draw}."]
    return "<steps>\n" + "\n".join(f"{n}. {step}" for n, step in enumerate(steps, start=1)) + "\n</steps>"


def blame(step, reason="It guessed."):
    return json.dumps({"step": step, "reason": reason})


def obliging(prompt, draw):
    """An optimizer LM that does what it is asked: three steps, then always a new reason for the second one."""
    said = {
        "steps": lambda: f"<steps>\n1. Read it {draw}.\n2. Judge it.\n3. Give the label.\n</steps>",
        "demonstration": lambda: work(prompt),
        "update": lambda: work(prompt),
        "locate": lambda: blame(2, " ".join(f"w{draw}-{n}" for n in range(5))),
        "refine": lambda: broken_down(prompt, draw),
    }
    return said.get(kind(prompt), lambda: f"<instruction>Sort in manner {draw}.</instruction>")()


def listed(candidate, path="self"):
    return re.findall(r"^Step \d+: (.*)$", candidate.prompt(path).instruction, re.MULTILINE)


def shown(candidate, path="self"):
    (demo,) = candidate.prompt(path).demos
    return demo


def by_count(**scores):
    """Scores by the number of steps: three=0.4 and so on; nothing for a candidate without steps."""
    names = ("none", "one", "two", "three", "four", "five", "six", "seven")
    return lambda candidate, example: scores.get(names[min(len(listed(candidate)), 7)], 0.0)


@pytest.fixture
def open_world(bench, make_student, step):
    """A bench whose predictor writes a reasoning, and names the first two of its steps in it."""

    def build(score_of, **options):
        def trace(candidate, example):
            outputs = {"reasoning": "Step 1: read. Step 2: judged.", "label": "negative"}
            return (step("self", example.input_values, outputs, "the reply"),)

        given = options.pop("given", None) or make_student(**OPEN)
        return bench(score_of, **{"given": given, "reply_of": obliging, "trace_of": trace, **options})

    return build


# the search


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


def test_steps_that_make_no_error_are_not_refined(open_world):
    world = open_world(by_count(three=1.0))
    rounds = list(ABO(refinements=3, candidates=1, batch=4).search(world))
    assert len(rounds) == 1
    assert "no failures" in [event for event, _ in world.events]
    assert sum(example in world.pool for _, example in world.executed) == 4 * 4  # and three batches more to be sure


def test_failures_that_stand_only_in_the_last_batch_that_is_searched_for_them_are_examined(open_world):
    ran = []

    def score(candidate, example):
        if not listed(candidate) or example.place.startswith("row 1000"):
            return 0.0
        if example.place.startswith("row 10") and len(example.place) == len("row 1000"):
            return 0.4
        ran.append(example.place)
        return float(len(ran) <= 3 * 4)  # the pair's own batch, and two more without a failure

    world = open_world(score, pool=16)
    rounds = list(ABO(refinements=1, candidates=1, batch=4, failures=4).search(world))
    examined = [re.search(r"Input: (review \d+)", text)[1] for _, text in world.asked if kind(text) == "locate"]
    assert {f"row {name.split()[1]}" for name in examined} <= set(ran[12:16])
    assert len(examined) >= 3  # the row that is demonstrated may be among them
    assert "no failures" not in [event for event, _ in world.events]
    assert [done.name.split(":")[1].strip() for done in rounds] == ["steps", "refinement 1"]


def test_the_demonstrated_row_is_never_examined(open_world):
    world = open_world(by_count(three=0.4), pool=3)
    list(ABO(refinements=1, candidates=1).search(world))
    worked = re.search(r"Input: (review \d+)", world.asked[1][1])[1]
    examined = [re.search(r"Input: (review \d+)", text)[1] for _, text in world.asked if kind(text) == "locate"]
    assert len(examined) == 2
    assert worked not in examined


def test_reasons_that_repeat_earlier_ones_are_answered_by_other_failures_then_by_no_edit(open_world):
    def reply(prompt, draw):
        return blame(2, "It was not careful enough.") if kind(prompt) == "locate" else obliging(prompt, draw)

    world = open_world(by_count(three=0.4, four=0.3), reply_of=reply)
    rounds = list(ABO(refinements=3, candidates=1, batch=10, failures=3).search(world))
    purposes = [purpose for purpose, _ in world.asked]
    assert purposes.count("refinement") == 1
    assert purposes.count("location, other cases") == 3
    assert [event for event, _ in world.events].count("reflection repeated") == 6
    assert rounds[-1].name == "self: refinement 2: no pair"
    first = {text for purpose, text in world.asked if purpose == "location"}
    assert not first & {text for purpose, text in world.asked if purpose == "location, other cases"}


def test_where_there_are_no_other_failures_the_same_ones_are_asked_about_warmer(open_world):
    warmth = []

    def reply(prompt, draw):
        return blame(2, "It was not careful enough.") if kind(prompt) == "locate" else obliging(prompt, draw)

    world = open_world(by_count(three=0.4, four=0.3), pool=4, reply_of=reply)
    ask = world.ask

    def watched(requests, n=1, *, temperature=1.0, max_tokens=512, purpose):
        warmth.append((purpose, temperature))
        return ask(requests, n, temperature=temperature, max_tokens=max_tokens, purpose=purpose)

    world.ask = watched
    list(ABO(refinements=2, candidates=1, writing=Writing(temperature=0.5)).search(world))
    assert ("location, warmer", pytest.approx(0.8)) in warmth
    assert ("location", 0.5) in warmth


def test_steps_named_equally_often_are_taken_in_turn_by_the_pairs(open_world):
    votes = iter([3, 1, 3, 1] * 9)

    def reply(prompt, draw):
        if kind(prompt) == "locate":
            return blame(next(votes), f"Reason {draw} of its own.")
        return obliging(prompt, draw)

    world = open_world(by_count(three=0.4, four=0.6), reply_of=reply)
    list(ABO(refinements=1, candidates=2, batch=8, failures=4).search(world))
    asked = [re.search(r"Replace step (\d)", text)[1] for _, text in world.asked if kind(text) == "refine"]
    assert asked == ["1", "3"]


def test_replies_that_name_no_step_or_an_unknown_one_are_left_out_and_counted(open_world):
    replies = iter(
        ["", "no idea", blame(7, "Odd."), blame(0, "Odd."), blame(3, "Clear."), "still none", blame(1, "Ah.")]
    )

    def reply(prompt, draw):
        return next(replies) if kind(prompt) == "locate" else obliging(prompt, draw)

    world = open_world(by_count(three=0.4, four=0.6), reply_of=reply)
    list(ABO(refinements=1, candidates=1, batch=8, failures=5).search(world))
    events = [event for event, _ in world.events]
    assert events.count("unknown step") == 2
    assert events.count("reply dropped") == 1
    assert next(text for _, text in world.asked if kind(text) == "refine").count("- ") == 1  # a tie: the earlier step
    assert world.recorded[-1][1].detail["step"] == 1


def test_a_refinement_that_changes_other_steps_is_asked_for_once_more_and_never_run(open_world):
    def reply(prompt, draw):
        if kind(prompt) == "refine":
            return "<steps>\n1. Quite another beginning.\n2. Judge.\n3. Something else entirely.\n</steps>"
        return obliging(prompt, draw)

    world = open_world(by_count(three=0.4, four=0.6), reply_of=reply)
    rounds = list(ABO(refinements=1, candidates=1, batch=6).search(world))
    assert [purpose for purpose, _ in world.asked][-2:] == ["refinement", "refinement, once more"]
    assert rounds[-1].name == "self: refinement 1: no pair"
    assert len(world.recorded) == 2


def test_steps_that_were_reworded_on_the_side_get_their_old_text_back(open_world):
    def reply(prompt, draw):
        if kind(prompt) == "refine":
            return "1. Read it 1 now.\n2. List the words that judge.\n3. Weigh them.\n4. Then give the label."
        return obliging(prompt, draw)

    world = open_world(by_count(three=0.4, four=0.6), reply_of=reply)
    best = list(ABO(refinements=1, candidates=1, batch=6).search(world))[-1].best
    assert listed(best.candidate) == ["Read it 1.", "List the words that judge.", "Weigh them.", "Give the label."]
    assert ("steps put back", {"predictor": "self", "steps": 2}) in world.events


def test_steps_that_cannot_be_read_are_asked_for_once_more_and_then_dropped(bench):
    world = bench(lambda candidate, example: 0.5, reply_of=lambda prompt, draw: "Think.")
    rounds = list(ABO(candidates=2).search(world))
    # Three starts, and then it gives up.
    assert [purpose for purpose, _ in world.asked] == 3 * (["steps"] * 2 + ["steps, once more"] * 2)
    assert [event for event, _ in world.events] == ["reply dropped"] * 6
    assert [done.name for done in rounds] == ["self: steps: no pair"] * 3
    assert rounds[-1].best.candidate == world.student


# demonstrations


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


def test_what_the_metric_says_of_a_failure_is_shown_where_it_is_located(open_world):
    world = open_world(by_count(three=0.4))
    world.predict = lambda candidate, examples: [
        Outcome(0.0, feedback="Too harsh by half.", trace=world.trace_of(candidate, row)) for row in examples
    ]
    list(ABO(refinements=1, candidates=1).search(world))
    located = [text for _, text in world.asked if kind(text) == "locate"]
    assert located
    assert all("Feedback: Too harsh by half." in text for text in located)


def test_from_the_threshold_on_an_execution_is_no_failure(open_world):
    world = open_world(by_count(three=0.4))
    rounds = list(ABO(refinements=2, candidates=1, threshold=0.4).search(world))
    assert len(rounds) == 1


# budgets


@pytest.mark.parametrize("budget", [1, 5, 12, 20, 25, 40, 60, 100, 150, 300])
def test_a_cut_leaves_the_best_pair_that_was_scored_in_full(open_world, budget):
    world = open_world(by_count(three=0.4, four=0.6, five=0.8), budget=budget)
    try:
        list(ABO().search(world))
    except BudgetSpent:
        assert world.budget == 0
    assert len(world.recorded) == (0 if budget < 10 else 1) or budget >= 10 + 12
    if budget >= 10 + 12:
        assert max(score.mean for score, *_ in world.recorded) > 0.39
    if budget >= 100:
        assert max(score.mean for score, *_ in world.recorded) > 0.79


def test_money_that_buys_no_whole_pair_is_not_begun_with(open_world):
    world = open_world(by_count(three=0.4), budget=10 + 11)
    assert list(ABO().search(world)) == []
    assert (len(world.asked), world.budget) == (0, 11)
    forecast = ABO().forecast(Sizes(pool=20, dev=10, predictors=1, executions=11))
    assert (forecast.asks, forecast.executions) == (0, 0)
    assert "at least 12 calls" in forecast.summary


@pytest.mark.parametrize("budget", [40, 100, 300, 1000, 10_000])
@pytest.mark.parametrize("settings", [{}, {"candidates": 1, "refinements": 2}, {"batch": 7, "failures": 3}])
def test_the_forecast_is_what_the_search_does(open_world, budget, settings):
    growing = by_count(three=0.3, four=0.4, five=0.5, six=0.6, seven=0.7)
    # From seven steps on no refinement gains anything; patience outlasts that.
    world = open_world(growing, pool=60, dev=20, budget=budget + 20)
    abo = ABO(**settings, patience=99)
    forecast = abo.forecast(Sizes(pool=60, dev=20, predictors=1, executions=budget))
    list(abo.search(world))
    assert world.budget >= 0
    assert len(world.asked) == forecast.asks
    assert len(world.executed) - 20 == forecast.executions
    assert forecast.asks + forecast.executions <= budget


def test_what_a_budget_buys():
    bought = {
        left: ABO().sizing(left, pool=100, dev=dev) for left, dev in ((40, 12), (150, 20), (500, 50), (6000, 100))
    }
    assert [(size.refinements, size.candidates) for size in bought.values()] == [(0, 1), (3, 1), (3, 1), (6, 3)]
    assert [size.batch for size in bought.values()] == [4, 9, 30, 30]
    asked_too_much = ABO(refinements=5, candidates=3, batch=50).sizing(45, pool=10, dev=12)
    assert (asked_too_much.refinements, asked_too_much.candidates, asked_too_much.batch) == (0, 1, 10)
    saved = ABO(refinements=2, candidates=3).sizing(300, pool=100, dev=50)
    assert (saved.refinements, saved.candidates) == (2, 1)
    assert ABO(refinements=5).sizing(500, pool=100, dev=50).refinements == 4


# settings


def test_the_presets_say_what_was_published():
    paper = ABO.paper()
    assert (paper.refinements, paper.candidates) == (2, 1)
    assert ABO.reference() == paper
    assert ABO.paper(candidates=3).candidates == 3


def test_meta_prompts_of_ones_own_are_texts_or_files_and_part_of_the_settings(open_world, tmp_path):
    path = tmp_path / "mine.md"
    path.write_text("Find the first step. {{steps}} {{case}} {{task}}", encoding="utf-8")
    abo = ABO(refinements=1, candidates=1, metaprompts=ABOMetaPrompts(locate=str(path)))
    assert abo.settings()["metaprompts"][1]["locate"] == "Find the first step. {{steps}} {{case}} {{task}}"
    world = open_world(by_count(three=0.4), reply_of=obliging)
    list(abo.search(world))
    assert any(text.endswith("Classify the review.") for _, text in world.asked if kind(text) == "locate")
    for wrong in ({"steps": "Look: {{examples}}"}, {"update": "no such file.md"}, {"refine": "{{steps}} {{case}}"}):
        with pytest.raises(ValueError, match=r"needs|can be read"):
            ABOMetaPrompts(**wrong)


def test_what_tokens_cost_is_told_to_the_writer_of_steps_and_counts_in_the_gate(open_world):
    writing = Writing(token_cost=TokenCost(usd_per_million=2.5, penalty=1.0))
    world = open_world(by_count(three=0.4, four=0.41))
    rounds = list(ABO(refinements=1, candidates=1, writing=writing).search(world))
    for name in ("steps", "refine"):
        (text,) = (text for _, text in world.asked if kind(text) == name)
        assert "a prompt token costs $0.00000250" in text
    assert ": refused" in rounds[-1].name  # a point more is not worth the longer prompt


def test_the_best_by_preference_is_the_best_that_rounds_name(open_world):
    abo = ABO(refinements=1, candidates=1, writing=Writing(token_cost=TokenCost(usd_per_million=2.5, penalty=1.0)))
    world = open_world(by_count(three=0.4, four=0.41), preference=abo.preference)
    rounds = list(abo.search(world))
    # Steps and demonstration are longer than they are worth: the student stays the best, by preference.
    assert max(score.mean for score in world.known) == pytest.approx(0.41)
    assert [done.best.candidate for done in rounds] == [world.student] * 2
    assert world.known[0].candidate == world.student

    cheap = ABO(refinements=1, candidates=1, writing=Writing(token_cost=TokenCost(usd_per_million=2.5, penalty=0.05)))
    world = open_world(by_count(three=0.4, four=0.401), preference=cheap.preference)
    rounds = list(cheap.search(world))
    assert [len(listed(done.best.candidate)) for done in rounds] == [3, 3]


@pytest.mark.parametrize(
    "wrong",
    [
        {"candidates": 0},
        {"batch": 0},
        {"failures": 0},
        {"patience": 0},
        {"examples": 0},
        {"longest_demonstration": 0},
        {"refinements": -1},
        {"threshold": float("inf")},
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match="ABO"):
        ABO(**wrong)


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
