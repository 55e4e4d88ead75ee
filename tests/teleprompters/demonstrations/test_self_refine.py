from __future__ import annotations

import re

import pytest

from burnish.signatures.example import Example
from burnish.signatures.prompt import Demo
from burnish.signatures.schema import Field
from burnish.teleprompters.base import Step
from burnish.teleprompters.demonstrations.base import Shot
from burnish.teleprompters.demonstrations.generate.self_refine import SelfRefine, agrees
from burnish.teleprompters.demonstrations.select.bm25 import BM25
from burnish.teleprompters.demonstrations.select.random_sets import Random
from burnish.teleprompters.demonstrations.supply import supply_of


def is_review(prompt):
    return "Judge it by" in prompt


def version(prompt):
    """How often the reasoning that is judged, or that was tried last, has been written anew."""
    return max([int(number) for number in re.findall(r"Version (\d)", prompt)], default=0)


def improving(prompt, draw, answer="positive"):
    """Each version gets two points more than the one before, beginning with 4."""
    if is_review(prompt):
        return f"<feedback>Say more.</feedback>\n<score>{4 + 2 * version(prompt)}</score>"
    return f"<reasoning>Version {version(prompt) + 1}.</reasoning><answer>{answer}</answer>"


@pytest.fixture
def supply(bench, make_student):
    """Shots whose reasoning is "First try." and whose answer is "positive"."""

    def build(reply_of=improving, k=2, money=1000, fields=("reasoning", "label")):
        def trace(candidate, row):
            said = {name: "positive" if name == "label" else "First try." for name in fields}
            return (Step("self", row.input_values, said, ""),)

        student = make_student(self=(("review",), fields))
        world = bench(lambda candidate, row: 1.0, given=student, trace_of=trace, reply_of=reply_of)
        return supply_of(world, student, "self", k=k, money=money)

    return build


def reasonings(chosen):
    return [shot.demo.values["reasoning"] for shot in chosen.shots]


def test_reasoning_is_reviewed_and_written_anew_and_the_attempt_with_most_points_is_shown(supply):
    made = supply()
    found = next(SelfRefine().select(made))
    assert reasonings(found) == ["Version 2."] * 2
    assert found.reasons[0] == "drawn at random; reasoning polished, from 4 to 8 points"
    assert all(shot.demo.values["label"] == "positive" for shot in found.shots)
    assert len(made.bench.asked) == 2 * 5  # two demonstrations, a review and twice a rewrite with its review
    assert SelfRefine().cost(100, 2, 10) == SelfRefine().asks(100, 2, 10) == 20  # each may be sent once more


def test_the_whole_history_and_not_the_right_answer_is_shown_to_who_writes_anew(supply):
    made = supply()
    next(SelfRefine().select(made))
    rewrites = [text for _, text in made.bench.asked if not is_review(text)]
    assert "Attempt 1:\nFirst try.\nReview: Say more.\n\nAttempt 2:\nVersion 1." in rewrites[-1]
    assert not any("positive" in text.replace("'negative', 'positive'", "") for _, text in made.bench.asked)


def test_a_rewrite_that_ends_in_another_answer_is_left_out(supply):
    made = supply(lambda prompt, draw: improving(prompt, draw, answer="negative"))
    found = next(SelfRefine().select(made))
    assert reasonings(found) == ["First try."] * 2
    assert [event for event, _ in made.bench.events].count("rewrite left out: another answer") == 2
    assert found.reasons == ("drawn at random",) * 2


def test_the_best_attempt_is_kept_not_the_last(supply):
    def worsening(prompt, draw):
        if is_review(prompt):
            return f"<feedback>Worse.</feedback><score>{(6, 7, 2)[version(prompt)]}</score>"
        return improving(prompt, draw)

    assert reasonings(next(SelfRefine().select(supply(worsening)))) == ["Version 1."] * 2

    def worse_at_once(prompt, draw):
        if is_review(prompt):
            return f"<feedback>Worse.</feedback><score>{6 - version(prompt)}</score>"
        return improving(prompt, draw)

    found = next(SelfRefine().select(supply(worse_at_once)))
    assert reasonings(found) == ["First try."] * 2
    assert found.reasons[0].endswith("its own reasoning stays, best of 3 attempts")


@pytest.mark.parametrize(
    "review", ["<feedback>DONE</feedback><score>5</score>", "<feedback>Fine</feedback><score>9</score>"]
)
def test_what_is_good_enough_is_left_as_it_is(supply, review):
    made = supply(lambda prompt, draw: review)
    assert reasonings(next(SelfRefine().select(made))) == ["First try."] * 2
    assert len(made.bench.asked) == 2


@pytest.mark.parametrize("reply", ["", "No score.", "<score>eleven</score>", "<score>11</score>", "<score>inf</score>"])
def test_a_review_without_points_is_asked_for_once_more_and_then_ends_it(supply, reply):
    made = supply(lambda prompt, draw: reply)
    assert reasonings(next(SelfRefine().select(made))) == ["First try."] * 2
    assert len(made.bench.asked) == 4


def test_a_rewrite_that_gets_no_review_is_not_preferred(supply):
    def silent(prompt, draw):
        return "" if is_review(prompt) and version(prompt) else improving(prompt, draw)

    assert reasonings(next(SelfRefine().select(supply(silent)))) == ["First try."] * 2


def test_a_demonstration_is_polished_once_in_however_many_sets_it_stands(supply):
    made = supply(k=19)
    sets = list(SelfRefine(by=Random(sets=3)).select(made))
    assert len(sets) == 3
    assert len(made.bench.asked) == 20 * 5


def test_no_more_than_half_of_the_money_is_spent(supply):
    made = supply(k=10, money=42)
    found = next(SelfRefine().select(made))
    assert len(made.bench.asked) == 10  # of 21, two demonstrations of 5 calls, each of which could be sent once more
    assert sorted(reasonings(found)) == ["First try."] * 8 + ["Version 2."] * 2


def test_no_more_than_half_of_the_money_is_spent_where_every_reply_takes_two_calls(supply):
    made = supply(lambda prompt, draw: "" if draw % 2 else improving(prompt, draw), k=10, money=42)
    next(SelfRefine(max_tokens=64).select(made))
    assert 0 < len(made.bench.asked) <= 21
    assert SelfRefine(rounds=3).cost(20, 2, 10) == 2 * 14


def test_later_sets_are_polished_with_what_scores_have_left(supply):
    made = supply(k=2, money=100)
    spent = 10**6 - made.bench.budget
    sets = SelfRefine(by=Random(sets=3)).select(made)
    next(sets)
    made.bench.budget = 10**6 - spent - 95  # what else was spent since
    asked = len(made.bench.asked)
    next(sets)
    assert len(made.bench.asked) == asked


def test_rules_and_predictors_without_reasoning_are_left_alone(supply, make_student):
    made = supply()
    assert next(SelfRefine(by=BM25()).select(made)).rule is not None
    made = supply(fields=("label",))
    assert len(next(SelfRefine().select(made)).shots) == 2
    assert made.bench.asked == []
    assert "ChainOfThought" in SelfRefine().refusal(make_student())
    assert SelfRefine().refusal(make_student(self=(("review",), ("reasoning", "label")))) == ""


@pytest.mark.parametrize(
    ("field", "right", "said", "same"),
    [
        (Field("label"), "Positive", " 'positive'. ", True),
        (Field("label"), "positive", "not positive", False),
        (Field("n", '{"type":"integer"}'), 1234, "1234", True),
        (Field("n", '{"type":"integer"}'), 1234, "12345", False),
        (Field("n", '{"type":"integer"}'), 3, "three", False),
        (Field("tags", '{"items":{"type":"string"},"type":"array"}'), ["a"], '["a"]', True),
    ],
)
def test_when_an_answer_is_the_right_one(field, right, said, same):
    shot = Shot(Example.of({"q": "?"}, ("q",)), Demo.of({"q": "?", field.name: right}))
    assert agrees(field, said, shot) == same


def test_settings_that_make_no_sense_are_refused():
    for wrong in ({"rounds": 0}, {"enough": 0}, {"temperature": -1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            SelfRefine(**wrong)
    with pytest.raises(ValueError, match=r"\{\{form\}\}"):
        SelfRefine(rewrite="{{question}} {{attempts}}")
