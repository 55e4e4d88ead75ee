from __future__ import annotations

import random

import pytest

from burnish.signatures.candidate import Candidate, Part
from burnish.signatures.example import Example
from burnish.signatures.prompt import Demo, Prompt
from burnish.signatures.schema import Field, Schema
from burnish.teleprompters.base import Step
from burnish.teleprompters.demonstrations.base import Shot, Supply
from burnish.teleprompters.demonstrations.demonstrations import Demonstrations
from burnish.teleprompters.demonstrations.generate.contrastive import Contrastive
from burnish.teleprompters.demonstrations.generate.objects import objects_in, shuffled_objects
from burnish.teleprompters.demonstrations.order.simple import Reversed
from burnish.teleprompters.demonstrations.select.bm25 import BM25
from burnish.teleprompters.demonstrations.select.random_sets import Random
from burnish.teleprompters.demonstrations.supply import supply_of
from burnish.testing import check_teleprompter

OTHER = {"positive": "negative", "negative": "positive"}


@pytest.fixture
def world(bench):
    """wrong_on: numbers of the rows on which the program gives the other label."""

    def build(wrong_on=(), **options):
        def is_wrong(row):
            return int(row.place.split()[-1]) in wrong_on

        def trace(candidate, row):
            label = row.values["label"]
            return (Step("self", row.input_values, {"label": OTHER[label] if is_wrong(row) else label}, ""),)

        return bench(lambda candidate, row: float(not is_wrong(row)), trace_of=trace, **options)

    return build


def supply_in(world, k=4, money=1000):
    return supply_of(world, world.student, "self", k=k, money=money)


def chosen(world, selector, k=4, money=1000):
    return next(selector.select(supply_in(world, k, money)))


def test_a_row_that_the_program_got_wrong_is_contrasted_with_what_it_said(world):
    made = world(range(20))
    found = chosen(made, Contrastive())
    assert len(found.shots) == 4
    for shot in found.shots:
        assert shot.contrast.kind == "contrastive"
        assert shot.contrast.values == {**shot.demo.values, "label": OTHER[shot.demo.values["label"]]}
        assert f"{shot.demo.values['label']} would be right" in shot.contrast.note
    assert set(found.reasons) == {"drawn at random; contrasted with what the program said"}


def test_other_rows_are_contrasted_with_what_is_most_often_mistaken_for_their_answer(world):
    made = world([3])  # a positive row that is taken for negative; nothing is known of the negative ones
    found = chosen(made, Contrastive(), k=20)
    for shot in found.shots:
        if shot.demo.values["label"] == "positive":
            assert shot.contrast.values["label"] == "negative"
        else:
            assert shot.contrast is None
    assert found.reasons.count("drawn at random; contrasted with what is most often mistaken for it") == 9
    assert found.reasons.count("drawn at random; contrasted with what the program said") == 1


def test_each_wrong_answer_stands_before_its_demonstration_and_a_right_one_stands_last(world):
    made = world(range(20))
    for place, kinds in (
        ("before", ["contrastive", "worked"] * 4),
        ("after", ["worked", "contrastive"] * 3 + ["contrastive", "worked"]),
    ):
        supply = supply_in(made)
        found = next(Contrastive(place=place).select(supply))
        demos = supply.shown(found).prompt("self").demos
        assert [demo.kind for demo in demos] == kinds
        assert all(a.values["review"] == b.values["review"] for a, b in zip(demos[::2], demos[1::2], strict=True))
        turned = next(iter(Reversed().arrange(supply, found)))
        assert supply.shown(turned).prompt("self").demos[-1].kind == "worked"
        assert supply.shown(found.without_last()).prompt("self").demos[-1].kind == "worked"


def test_the_wrong_answer_and_what_is_wrong_with_it_are_in_the_prompt(world):
    made = world(range(20))
    supply = supply_in(made, k=1)
    (shot,) = (found := next(Contrastive(note="Not {{wrong}} but {{right}}!").select(supply))).shots
    messages = supply.shown(found).prompt("self").template.render({"review": "new"})
    right, wrong = shot.demo.values["label"], shot.contrast.values["label"]
    assert f"Not {wrong} but {right}!" in messages[1]["content"]
    assert [wrong in messages[2]["content"], right in messages[4]["content"]] == [True, True]


def test_where_the_program_is_never_wrong_nothing_is_contrasted(world):
    found = chosen(world(), Contrastive())
    assert [shot.contrast for shot in found.shots] == [None] * 4


def test_executions_keep_to_the_number_of_rows_and_to_half_of_the_money(world):
    for rows, money, executed in ((6, 1000, 6), (64, 10, 5), (64, 1000, 20)):
        made = world()
        chosen(made, Contrastive(rows=rows), money=money)
        assert len(made.executed) == executed
    assert Contrastive(rows=6).cost(20, 4, 10) == 6
    assert Contrastive(negatives="shuffled").cost(20, 4, 10) == 0


def test_a_rule_and_rows_without_labels_are_left_alone(world, bench, make_student):
    made = world(range(20))
    found = chosen(made, Contrastive(by=BM25()))
    assert found.rule is not None
    assert all(shot.contrast is None for shot in found.shots)
    assert ("no contrast: a rule picks per query", {"predictor": "self"}) in made.events

    student = make_student(first=(("review",), ("note",)), second=(("note",), ("label",)))
    steps = (Step("first", {"review": "x"}, {"note": "n"}, ""),)
    made = bench(lambda candidate, row: 1.0, given=student, trace_of=lambda candidate, row: steps)
    supply = supply_of(made, made.student, "first", k=2, money=100)
    found = next(Contrastive().select(supply))
    assert all(shot.contrast is None for shot in found.shots)
    assert ("no contrast: the right answers are not known", {"predictor": "first"}) in made.events


def test_free_text_answers_are_contrasted_only_where_the_program_was_wrong(bench, make_student):
    def trace(candidate, row):
        return (Step("self", row.input_values, {"answer": "a wrong answer"}, ""),)

    def score(candidate, row):
        return float(row.values["review"] != "review 3")

    student = make_student(self=(("review",), ("answer",)))
    made = bench(score, given=student, trace_of=trace, columns={"answer": lambda n: f"answer {n}"})
    found = chosen(made, Contrastive(), k=20)
    contrasted = {shot.demo.values["review"]: shot.contrast for shot in found.shots if shot.contrast}
    assert {review: demo.values["answer"] for review, demo in contrasted.items()} == {"review 3": "a wrong answer"}


# reasoning


def reasoned(bench, make_student, chain, label="positive", wrong=()):
    """Three shots with that chain; wrong: numbers of the rows on which the program says something else."""

    def trace(candidate, row):
        return (Step("self", row.input_values, {"reasoning": "A bad chain.", "label": "negative"}, ""),)

    student = make_student(self=(("review",), ("reasoning", "label")))
    made = bench(lambda candidate, row: float(int(row.place.split()[-1]) not in wrong), given=student, trace_of=trace)
    rows = [Example.of({"review": f"review {n}", "label": label}, ("review",), f"row {n}") for n in range(4)]
    other = Example.of({"review": "other", "label": OTHER[label]}, ("review",), "row 9")
    shots = [Shot(row, Demo.of({**row.input_values, "reasoning": chain, "label": row.values["label"]})) for row in rows]
    shots += [Shot(other, Demo.of({"review": "other", "reasoning": "None.", "label": OTHER[label]}))]
    return Supply(made, made.student, "self", tuple(shots), 5, 100, (*rows, other))


def test_reasoning_is_contrasted_with_the_wrong_chain_of_that_row_or_its_own_with_objects_exchanged(
    bench, make_student
):
    supply = reasoned(bench, make_student, "It says 3 of 7 things, so it is good.", wrong=[1])
    found = next(Contrastive().select(supply))
    by_review = {shot.demo.values["review"]: shot for shot in found.shots}
    assert by_review["review 1"].contrast.values["reasoning"] == "A bad chain."
    assert by_review["review 0"].contrast.values["reasoning"] == "It says 7 of 3 things, so it is good."
    assert by_review["review 0"].contrast.values["label"] == "negative"
    assert by_review["other"].contrast is None  # it has no objects to exchange


def test_shuffled_alone_executes_nothing(bench, make_student):
    supply = reasoned(bench, make_student, "It says 3 of 7 things, so it is good.", wrong=[1])
    found = next(Contrastive(negatives="shuffled").select(supply))
    assert supply.bench.executed == []
    assert sum(shot.contrast is not None for shot in found.shots) == 4


def test_a_number_that_is_the_answer_is_replaced_by_what_stands_in_its_place(bench, make_student):
    number = Field("answer", '{"type":"integer"}', type_name="int")
    student = Candidate.of({"self": Part(Prompt(Schema((Field("q"),), (Field("reasoning"), number)), "Add."))})
    made = bench(lambda candidate, row: 1.0, given=student)
    rows = [Example.of({"q": f"{n} and 5", "answer": n + 5}, ("q",), f"row {n}") for n in (30, 40, 50)]
    chain = "{n} and 5 make {m}."
    shots = tuple(
        Shot(r, Demo.of({"q": r.values["q"], "reasoning": chain.format(n=n, m=n + 5), "answer": n + 5}))
        for r, n in zip(rows, (30, 40, 50), strict=True)
    )
    supply = Supply(made, made.student, "self", shots, 3, 100, tuple(rows))
    for shot in next(Contrastive(negatives="shuffled").select(supply)).shots:
        wrong = shot.contrast.values
        assert wrong["answer"] != shot.demo.values["answer"]
        assert wrong["reasoning"].endswith(f"make {wrong['answer']}.")


def test_objects_are_numbers_dates_and_names_each_in_the_place_of_another_of_its_kind():
    chain = "On 3 May 1999 and 4 June 2001, Anna Bell gave Otto 1,200 of 3.5 pounds."
    texts = [(chain[start:end], kind) for start, end, kind in objects_in(chain)]
    assert texts == [
        ("3 May 1999", "date"),
        ("4 June 2001", "date"),
        ("Anna Bell", "name"),
        ("Otto", "name"),
        ("1,200", "number"),
        ("3.5", "number"),
    ]
    wrong, instead = shuffled_objects(chain, random.Random(0))
    assert wrong == "On 4 June 2001 and 3 May 1999, Otto gave Anna Bell 3.5 of 1,200 pounds."
    assert instead["1,200"] == "3.5"
    assert shuffled_objects("It is 5. Yes, 5.", random.Random(0)) is None
    assert shuffled_objects("", random.Random(0)) is None


def test_no_object_stays_where_it_was():
    chain = "4 and 5 make 9, less 2 is 7, and 7 is the answer."
    for seed in range(20):
        wrong, instead = shuffled_objects(chain, random.Random(seed))
        assert all(old != new for old, new in instead.items())
        assert wrong.count(instead["7"]) == 2


def test_settings_that_make_no_sense_are_refused(make_student):
    for wrong in ({"rows": 0}, {"negatives": "made up"}, {"place": "beside"}, {"note": "This is wrong."}):
        with pytest.raises(ValueError, match=next(iter(wrong)) if "note" not in wrong else "right"):
            Contrastive(**wrong)


def test_contrastive_sets_conform():
    check_teleprompter(Demonstrations(select=Contrastive(by=Random(sets=3), rows=8), k=2), limits=(1, 30, 70))
