from __future__ import annotations

import random
from dataclasses import replace

import pytest

from burnish.signatures.candidate import Candidate, Part
from burnish.signatures.example import Example
from burnish.signatures.prompt import Prompt
from burnish.signatures.schema import Field, Schema
from burnish.teleprompters.asking import WARMER, Writing
from burnish.teleprompters.base import Outcome
from burnish.teleprompters.reflection import (
    LONGEST,
    Case,
    Group,
    Reflection,
    Reflections,
    cases,
    errors,
    listed,
    reflect,
    shown,
)


@pytest.fixture
def case(make_rows, step):
    """A case of the one predictor of `make_student()` that answered "positive" on row 4; more about its outcome."""

    def build(outputs=None, reply="positive", **outcome):
        (row,) = make_rows(1, 4)
        outputs = {"label": "positive"} if outputs is None else outputs
        trace = (step("self", row.input_values, outputs, reply),)
        return Case(row, Outcome(**{"score": 0.0, "outputs": outputs, "trace": trace, **outcome}))

    return build


# cases and errors


def test_cases_are_rows_with_what_the_program_made_of_them_and_errors_those_that_failed_or_scored_too_little(
    bench, make_student
):
    world = bench(lambda candidate, example: int(example.place[4:]) / 10)
    found = cases(world, make_student(), world.pool[:10])
    assert [case.example for case in found] == list(world.pool[:10])
    assert [case.outcome.score for case in found] == [n / 10 for n in range(10)]
    assert [case.outcome.score for case in errors(found, 0.3)] == [0.0, 0.1, 0.2]
    failed = replace(found[9], outcome=replace(found[9].outcome, failure="refused"))
    assert errors([*found[:9], failed], 0.1) == [found[0], failed]


# as the optimizer LM sees them


def test_a_case_of_one_predictor_is_its_input_its_answer_what_was_expected_and_the_score(case, make_student):
    assert shown(case(), make_student(), "self") == ("Input: review 4\nAnswer: positive\nExpected: negative\nScore: 0")
    assert shown(case(score=0.25), make_student(), "self").endswith("\nScore: 0.25")


def test_the_words_of_the_metric_stand_at_the_end(case, make_student):
    text = shown(case(feedback=" Irony was missed.\n"), make_student(), "self")
    assert text.endswith("\nScore: 0\nFeedback: Irony was missed.")
    assert "Feedback" not in shown(case(feedback=" \n"), make_student(), "self")


def test_a_failure_is_shown_with_its_reason_and_the_reply_that_could_not_be_used(case, make_student):
    text = shown(case({}, "Hard to say.", failure="unparsed", reason="No field 'label'."), make_student(), "self")
    assert text == (
        "Input: review 4\n"
        "Reply, which could not be used: Hard to say.\n"
        "Failure: unparsed. No field 'label'.\n"
        "Expected: negative\n"
        "Score: 0"
    )


def test_a_failure_before_any_reply_is_shown_without_one(case, make_student):
    text = shown(case(trace=(), failure="overflow", reason="Too long."), make_student(), "self")
    assert text == "Input: review 4\nFailure: overflow. Too long.\nExpected: negative\nScore: 0"


def test_of_several_predictors_every_call_is_shown_with_a_mark_at_the_one_in_question(make_student, make_rows, step):
    given = make_student(find=(("review",), ("quote", "page")), judge=(("quote",), ("label",)))
    (row,) = make_rows(1, 4)
    trace = (
        step("find", row.input_values, {"quote": "so so", "page": "7"}, "r"),
        step("judge", {"quote": "so so"}, {"label": "positive"}, "r"),
    )
    case = Case(row, Outcome(0.0, {"label": "positive"}, trace=trace))
    assert shown(case, given, "judge") == (
        "Input: review 4\n"
        "Call 1, by predictor find\n"
        "  Read: review 4\n"
        "  Answer:\n"
        "    quote: so so\n"
        "    page: 7\n"
        "Call 2, by predictor judge (the predictor whose instruction is to be improved)\n"
        "  Read: so so\n"
        "  Answer: positive\n"
        "Result: positive\n"
        "Expected: negative\n"
        "Score: 0"
    )
    assert "find (the predictor whose instruction" in shown(case, given, "find")


def test_of_one_predictor_that_is_called_several_times_every_call_is_shown_and_the_result(
    make_student, make_rows, step
):
    (row,) = make_rows(1, 4)
    trace = tuple(step("self", row.input_values, {"label": label}, label) for label in ("negative", "positive"))
    trace += (step("self", row.input_values, {}, "Neither."),)
    case = Case(row, Outcome(0.0, {"label": "positive"}, trace=trace))
    mark = "by predictor self (the predictor whose instruction is to be improved)"
    assert shown(case, make_student(), "self") == (
        "Input: review 4\n"
        f"Call 1, {mark}\n  Read: review 4\n  Answer: negative\n"
        f"Call 2, {mark}\n  Read: review 4\n  Answer: positive\n"
        f"Call 3, {mark}\n  Read: review 4\n  Reply, which could not be used: Neither.\n"
        "Result: positive\n"
        "Expected: negative\n"
        "Score: 0"
    )


def test_of_several_predictors_one_whose_reply_could_not_be_used_can_be_told_from_the_others(
    make_student, make_rows, step
):
    given = make_student(find=(("review",), ("quote",)), judge=(("quote",), ("label",)))
    (row,) = make_rows(1, 4)
    trace = (
        step("find", row.input_values, {"quote": "so so"}, "r"),
        step("judge", {"quote": "so so"}, {}, "Neither."),
    )
    case = Case(row, Outcome(0.0, trace=trace, failure="unparsed", reason="No label."))
    text = shown(case, given, "find")
    assert "by predictor judge\n  Read: so so\n  Reply, which could not be used: Neither.\nFailure: unparsed." in text
    assert "Result" not in text


def test_long_values_are_cut_in_the_middle_so_that_both_ends_show(case, make_student):
    long = "start " + "x" * 5000 + " end"
    text = shown(case({"label": long}, long), make_student(), "self")
    answer = text.split("\n")[1]
    assert answer.startswith("Answer: start xxx")
    assert answer.endswith("xxx end")
    assert " [...] " in answer
    assert len(answer) == len("Answer: ") + LONGEST + len(" [...] ")
    exact = "y" * LONGEST
    assert exact in shown(case({"label": exact}, exact), make_student(), "self")
    assert len(shown(case(reason=long, feedback=long, failure="refused"), make_student(), "self")) < 3 * LONGEST


def test_labels_of_any_kind_are_shown_and_those_that_are_missing_are_not(make_student):
    def expected(**labels):
        row = Example.of({"review": "Fine.", **labels}, ("review",), "row 1")
        return shown(Case(row, Outcome(0.0)), make_student(), "self")

    assert expected(tags=["a", "é"]) == 'Input: Fine.\nExpected: ["a", "é"]\nScore: 0'
    assert expected(label="positive", stars=4) == "Input: Fine.\nExpected:\n  label: positive\n  stars: 4\nScore: 0"
    assert expected(label="positive", stars=None) == "Input: Fine.\nExpected: positive\nScore: 0"
    assert expected() == "Input: Fine.\nScore: 0"


def test_only_what_the_predictor_was_to_answer_is_shown_in_the_order_of_its_fields(make_rows, step):
    fields = Schema((Field("review"),), (Field("why"), Field("label")))
    given = Candidate.of({"self": Part(Prompt(fields, "Judge."))})
    (row,) = make_rows(1, 4)
    trace = (step("self", row.input_values, {"label": "positive", "extra": 1, "why": "so"}, "r"),)
    text = shown(Case(row, Outcome(0.0, trace=trace)), given, "self")
    assert "Answer:\n  why: so\n  label: positive\nExpected" in text


def test_several_cases_are_numbered(case, make_student):
    text = listed([case(), case(score=0.5)], make_student(), "self")
    assert text == (
        f"Case 1\n{shown(case(), make_student(), 'self')}\n\nCase 2\n{shown(case(score=0.5), make_student(), 'self')}"
    )


# what was said before


def test_a_reflection_that_says_the_same_in_other_writing_is_not_new():
    said = Reflections()
    assert said.is_new("The instruction names no rule for ties.")
    assert not said.is_new("  the INSTRUCTION names no rule for ties ")
    assert not said.is_new("**The instruction** names: no rule for 'ties'!")
    assert said.is_new("Cafe\u0301 reviews are left out.")
    assert not said.is_new("CAF\u00c9 reviews are left out")


def test_a_reflection_with_most_word_triples_in_common_is_not_new():
    said, words = Reflections(), [f"word{n}" for n in range(18)]
    assert said.is_new(" ".join(words))
    assert not said.is_new(" ".join(["so", *words, "again"]))
    assert not said.is_new(" ".join(words[:12]))  # 10 of 16 triples
    assert said.is_new(" ".join(words[:11]))  # 9 of 16
    assert said.is_new(" ".join(reversed(words)))


def test_short_texts_are_compared_as_a_whole():
    said = Reflections()
    assert said.is_new("Too short.")
    assert said.is_new("Too long.")
    assert not said.is_new("too SHORT")
    assert said.is_new("...")
    assert not said.is_new("!")  # no word in it either


def test_what_was_not_new_does_not_hide_what_comes_after_it():
    said = Reflections()
    first = " ".join(f"w{n}" for n in range(20))
    drifted = " ".join(f"w{n}" for n in range(3, 23))
    further = " ".join(f"w{n}" for n in range(10, 30))
    assert said.is_new(first)
    assert not said.is_new(drifted)
    assert said.is_new(further)


# asking for reflections


@pytest.fixture
def reflecting(bench, make_student):
    """reflecting(replies, shown, spare): reflects on groups of pool rows of one candidate, spare rows beside them.

    Returns what was found and the world. A request is "about" and the numbers of its rows.
    """

    def run(reply_of, groups, spare=(), temperature=0.5, read=None):
        world = bench(lambda candidate, example: 0.0, reply_of=reply_of)
        student, temperatures, plain = make_student(), [], world.ask
        world.temperatures = temperatures

        def ask(requests, n=1, **options):
            temperatures.extend([options["temperature"]] * len(requests))
            return plain(requests, n, **options)

        world.ask = ask

        def of(numbers):
            return tuple(cases(world, student, [world.pool[n] for n in numbers]))

        given = [Group(student, of(numbers)) for numbers in groups]
        held = [case for group in given for case in group.cases]
        found = reflect(
            world,
            given,
            {student: [*held, *of(spare)]},
            request=lambda group: "about " + " ".join(case.example.place[4:] for case in group.cases),
            read=read or (lambda reply: [text for text in reply.split("|") if text] or None),
            said=Reflections(),
            writing=Writing(temperature),
            rng=random.Random(0),
            purpose="why",
        )
        return found, world

    return run


def texts(found):
    return [reflection.text for reflection in found]


def test_every_group_is_asked_about_and_each_reflection_keeps_its_group(reflecting):
    found, world = reflecting(lambda prompt, draw: f"{prompt} is wrong", [(1, 2), (3, 4)])
    assert texts(found) == ["about 1 2 is wrong", "about 3 4 is wrong"]
    assert [[case.example.place for case in one.about.cases] for one in found] == [
        ["row 1", "row 2"],
        ["row 3", "row 4"],
    ]
    assert isinstance(found[0], Reflection)
    assert world.asked == [("why", "about 1 2"), ("why", "about 3 4")]


def test_several_reflections_in_a_reply_are_kept_but_for_those_said_before(reflecting):
    replies = {1: "Too vague.|No example.", 2: "No ties.|too vague|No form."}
    found, world = reflecting(lambda prompt, draw: replies[draw], [(1,), (2,)])
    assert texts(found) == ["Too vague.", "No example.", "No ties.", "No form."]
    assert world.events == [("reflection repeated", {"text": "too vague"})]
    assert len(world.asked) == 2  # something new was said of each


def test_a_group_of_which_nothing_new_is_said_is_asked_about_with_cases_that_no_group_holds(reflecting):
    replies = iter(["Too vague.", "Too vague.", "No ties."])
    found, world = reflecting(lambda prompt, draw: next(replies), [(1, 2), (3, 4)], spare=(7, 8))
    assert [purpose for purpose, _ in world.asked] == ["why", "why", "why, other cases"]
    assert world.asked[2][1] in ("about 7 8", "about 8 7")
    assert world.temperatures == [0.5] * 3
    assert texts(found) == ["Too vague.", "No ties."]
    assert {case.example.place for case in found[1].about.cases} == {"row 7", "row 8"}


def test_where_fewer_other_cases_are_left_than_a_group_has_these_are_taken(reflecting):
    replies = iter(["Too vague.", "Too vague.", "No ties."])
    _, world = reflecting(lambda prompt, draw: next(replies), [(1, 2), (3, 4)], spare=(9,))
    assert world.asked[2] == ("why, other cases", "about 9")


def test_where_there_are_no_other_cases_the_same_ones_are_asked_about_warmer(reflecting):
    replies = iter(["Too vague.", "Too vague.", "No ties."])
    found, world = reflecting(lambda prompt, draw: next(replies), [(1, 2), (3, 4)])
    assert world.asked[2] == ("why, warmer", "about 3 4")
    assert world.temperatures == [0.5, 0.5, 0.5 + WARMER]
    assert texts(found) == ["Too vague.", "No ties."]


def test_what_is_repeated_even_then_is_given_up_and_counted(reflecting):
    found, world = reflecting(lambda prompt, draw: "Too vague.", [(1,), (2,), (3,)])
    assert texts(found) == ["Too vague."]
    assert [purpose for purpose, _ in world.asked] == ["why"] * 3 + ["why, warmer"] * 2
    assert [event for event, _ in world.events] == ["reflection repeated"] * 4


def test_a_reply_that_cannot_be_read_is_asked_for_once_more_then_dropped_and_not_taken_for_a_repetition(reflecting):
    replies = iter(["", "No ties.", ""])
    found, world = reflecting(lambda prompt, draw: next(replies), [(1,), (2,)], spare=(5,))
    assert texts(found) == ["No ties."]
    assert world.asked == [("why", "about 1"), ("why", "about 2"), ("why, once more", "about 1")]
    assert world.events == [("reply dropped", {"purpose": "why", "reply": ""})]


def test_without_groups_nothing_is_asked(reflecting):
    found, world = reflecting(lambda prompt, draw: "Too vague.", [])
    assert (found, world.asked) == ([], [])


def test_cases_of_another_candidate_are_never_taken_instead(bench, make_student):
    world = bench(lambda candidate, example: 0.0, reply_of=lambda prompt, draw: "Too vague.")
    one, other = make_student(), make_student("Do 1.")
    held = {given: cases(world, given, world.pool[:3]) for given in (one, other)}
    groups = [Group(one, tuple(held[one])), Group(other, tuple(held[other][:1]))]
    reflect(
        world,
        groups,
        held,
        request=lambda group: f"{group.candidate.prompt('self').instruction} {len(group.cases)}",
        read=lambda reply: [reply],
        said=Reflections(),
        writing=Writing(),
        rng=random.Random(0),
        purpose="why",
    )
    assert world.asked[2] == ("why, other cases", "Do 1. 1")
