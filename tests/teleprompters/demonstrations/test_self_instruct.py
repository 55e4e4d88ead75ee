from __future__ import annotations

import json
import random
from collections import Counter
from itertools import combinations

import pytest

from burnish.signatures.example import Example
from burnish.teleprompters.base import Step
from burnish.teleprompters.demonstrations.demonstrations import Demonstrations
from burnish.teleprompters.demonstrations.generate.rouge import rouge_l, rouge_words
from burnish.teleprompters.demonstrations.generate.self_instruct import SelfInstruct
from burnish.teleprompters.demonstrations.select.random_sets import Random
from burnish.teleprompters.demonstrations.supply import supply_of
from burnish.testing import check_teleprompter
from burnish.testing.conformance_world import fraction

WORDS = ("apple", "river", "stone", "cloud", "music", "paper", "green", "happy", "silent", "winter", "garden")


def novel(*parts):
    """A sentence of eight words that hardly two others share."""
    return " ".join(
        f"{WORDS[int(fraction(*parts, n) * len(WORDS))]}{int(1000 * fraction(*parts, n, 'x'))}" for n in range(8)
    )


def given_label(prompt):
    return (
        json.loads(prompt.split("beyond doubt:\n\n")[1].splitlines()[0])["label"]
        if "beyond doubt:\n" in prompt
        else None
    )


def writer(prompt, draw):
    """Five new rows, without the label where it was given."""
    label = {} if given_label(prompt) else {"label": "positive"}
    return json.dumps([{"review": novel(prompt, draw, n), **label} for n in range(5)])


@pytest.fixture
def world(bench):
    def build(**options):
        return bench(options.pop("score_of", lambda candidate, row: 1.0), **{"reply_of": writer, **options})

    return build


def supply_in(world, k=4, money=1000):
    return supply_of(world, world.student, "self", k=k, money=money)


def generated(world, selector, money=1000):
    return selector.generate(supply_in(world), money)


def left_out(world):
    return Counter(detail["reason"] for event, detail in world.events if event == "generated row left out")


def test_rows_are_written_for_the_rarest_class_and_kept_when_the_program_agrees(world):
    made = world()
    shots = generated(made, SelfInstruct(rows=20))
    assert len(shots) == 20
    assert Counter(shot.demo.values["label"] for shot in shots) == {"negative": 10, "positive": 10}
    assert all("Write 5 further examples for which this would be the right answer" in text for _, text in made.asked)
    assert len(made.asked) == 4
    assert len({shot.demo.values["review"] for shot in shots}) == 20
    (document,) = made.kept.values()
    assert document[0] == {"row": shots[0].row.values, "demonstration": shots[0].demo.values}


def test_six_seeds_are_shown_and_two_rows_written_before(world):
    made = world()
    generated(made, SelfInstruct(rows=40))
    pool = [row.values["review"] for row in made.pool]
    for number, (_, text) in enumerate(made.asked):
        shown = [json.loads(line) for line in text.splitlines() if line.startswith('{"review"')]
        seeds = [one for one in shown if one["review"] in pool]
        assert (len(seeds), len(shown) - len(seeds)) == (6, 0 if number < 4 else 2)


def test_a_row_whose_answer_the_program_does_not_give_is_left_out(world):
    made = world(score_of=lambda candidate, row: float(row.values["label"] == "positive"))
    shots = generated(made, SelfInstruct(rows=20))
    assert {shot.demo.values["label"] for shot in shots} == {"positive"}
    assert left_out(made)["answer not confirmed"] > 0


def test_what_is_like_a_row_that_there_is_or_malformed_is_left_out_and_counted(world):
    def write(prompt, draw):
        rows = [
            {"review": "review 3"},  # of the pool
            {"review": "review 1003"},  # of dev
            {"review": novel("same")},
            {"review": novel("same") + " more"},
            {"review": ""},
            {"review": "word " * 200},
            {"title": "no review"},
            {"review": {"not": "a text"}},
            {"review": given_label(prompt)},
        ]
        return f"Here they are:\n```json\n{json.dumps(rows)}\n```"

    made = world(reply_of=write)
    shots = generated(made, SelfInstruct(each=9))
    assert [shot.demo.values["review"] for shot in shots] == [novel("same")]
    assert set(left_out(made)) == {
        "like a row that there is",
        "length",
        "a column is missing",
        "a value of another type",
        "answer repeats the input",
    }


def test_free_text_answers_are_written_with_their_inputs(world, make_student):
    def write(prompt, draw):
        assert "right answer, beyond doubt:" not in prompt
        return json.dumps([{"review": novel(prompt, draw), "answer": f"answer {draw}", "label": "positive"}])

    student = make_student(self=(("review",), ("answer",)))
    made = world(given=student, reply_of=write, columns={"answer": lambda n: f"answer {n}"})
    shots = generated(made, SelfInstruct(rows=3))
    assert len(shots) == 3
    assert all(shot.demo.values["answer"].startswith("answer ") for shot in shots)


def test_without_labels_most_samples_of_the_program_must_agree(world, make_student):
    """The program is of one mind on inputs that begin with an even number."""

    def sample(candidate):
        return candidate["self"].settings.params.get("seed")

    def trace(candidate, row):
        number = sample(candidate)
        sure = row.values["review"].startswith("0") or number is None
        return (Step("self", row.input_values, {"answer": "sure" if sure else f"answer {number}"}, ""),)

    def write(prompt, draw):
        return json.dumps([{"review": f"{n % 2} {novel(prompt, draw, n)}"} for n in range(4)])

    student = make_student(self=(("review",), ("answer",)))
    made = world(given=student, reply_of=write, trace_of=trace)
    made.pool = tuple(Example.of({"review": novel("pool", n)}, ("review",)) for n in range(8))
    shots = generated(made, SelfInstruct(rows=5, votes=3))
    assert len(shots) == 5
    assert {shot.demo.values["answer"] for shot in shots} == {"sure"}
    assert set(left_out(made)) == {"answers differ"}


def test_a_predictor_that_is_not_labelled_is_shown_what_it_did_on_the_generated_rows(world, make_student):
    student = make_student(first=(("review",), ("note",)), second=(("note",), ("label",)))

    def trace(candidate, row):
        return (Step("first", row.input_values, {"note": f"note on {row.values['review']}"}, ""),)

    made = world(given=student, trace_of=trace)
    supply = supply_of(made, made.student, "first", k=2, money=100)
    shots = SelfInstruct(rows=5).generate(supply, 100)
    assert len(shots) == 5
    assert all(shot.demo.values["note"] == f"note on {shot.row.values['review']}" for shot in shots)


def test_the_other_selector_chooses_from_all_or_from_the_generated_alone(world):
    found = next(SelfInstruct(by=Random(), rows=10).select(supply_in(world(), k=28)))
    assert len(found.shots) == 20  # k is cut to the rows of the pool
    found = next(SelfInstruct(by=Random(), rows=10, k=28).select(supply_in(world())))
    assert len(found.shots) == 28
    assert sum(reason == "drawn at random; generated" for reason in found.reasons) >= 8
    found = next(SelfInstruct(rows=10, only_generated=True).select(supply_in(world())))
    assert set(found.reasons) == {"drawn at random; generated"}


def test_money_is_kept_to_and_fruitless_asking_ends(world):
    made = world()
    next(SelfInstruct(rows=1000).select(supply_in(made, money=60)))
    assert len(made.asked) + len(made.executed) <= 30
    made = world(reply_of=lambda prompt, draw: "I would rather not.")
    supply = supply_in(made)
    found = next(SelfInstruct().select(supply))
    assert len(found.shots) == 4  # of the pool's own
    assert len(made.asked) == 2 * 3 * 4  # three rounds of four, each reply asked for once more
    assert ("nothing generated", {"predictor": "self"}) in made.events


def test_rows_of_the_pool_and_their_labels_alone_are_shown_to_the_optimizer(world):
    made = world()
    generated(made, SelfInstruct(rows=20))
    assert not any(row.values["review"] in text for row in made.dev for _, text in made.asked)


def test_settings_that_make_no_sense_are_refused():
    for wrong in ({"rows": 0}, {"similar": 1.5}, {"votes": 0}, {"temperature": -1.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            SelfInstruct(**wrong)
    with pytest.raises(ValueError, match=r"\{\{answer\}\}"):
        SelfInstruct(output_first="{{examples}} {{count}}")


# ROUGE-L


def longest_common(one, other):
    """By definition: the longest list of words that is in both, in order."""
    for size in range(min(len(one), len(other)), 0, -1):
        if {tuple(part) for part in combinations(one, size)} & {tuple(part) for part in combinations(other, size)}:
            return size
    return 0


def test_rouge_l_is_the_f1_of_the_longest_common_subsequence():
    assert rouge_l(rouge_words("The police killed the gunman."), rouge_words("police kill the gunman")) == 2 * 3 / 9
    assert rouge_l((), ("a",)) == 0
    assert rouge_l(("a", "b"), ("a", "b")) == 1
    rng = random.Random(0)
    for _ in range(100):
        one, other = ([rng.choice("abcd") for _ in range(rng.randrange(1, 8))] for _ in range(2))
        exact = 2 * longest_common(one, other) / (len(one) + len(other))
        assert rouge_l(one, other) == exact
        assert (rouge_l(one, other, 0.7) > 0.7) == (exact > 0.7)


def test_a_search_with_generated_rows_conforms():
    def write(prompt, draw):
        return json.dumps([{"ticket": f"Ticket {draw} {novel(prompt, draw, n)}", "urgent": "yes"} for n in range(3)])

    selector = SelfInstruct(by=Random(sets=2), rows=6, each=3)
    check_teleprompter(Demonstrations(select=selector, k=2), writer=write, limits=(1, 30, 70))


def test_money_is_kept_to_where_every_request_is_sent_twice(world):
    for money in (12, 26, 60):
        made = world(reply_of=lambda prompt, draw: "" if draw % 2 else writer(prompt, draw))
        supply = supply_in(made)
        SelfInstruct(rows=1000, each=1).generate(supply, money)
        assert 0 < 10**6 - made.budget <= money
