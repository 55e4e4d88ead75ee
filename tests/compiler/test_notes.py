"""What users may rely on: what their rows have that they would not expect is said by the plan and kept in the file."""

from __future__ import annotations

from typing import Literal

import dspy
import pytest

import burnish as b


class Flawed(dspy.Signature):
    """Name the flaw of the film, if any."""

    review: str = dspy.InputField()
    label: Literal["positive", "negative"] | None = dspy.OutputField()


@pytest.fixture
def notes(program, reviewer):
    """The notes of a plan."""

    def of(program=program, **arguments):
        lm = reviewer(lambda prompt: 0.7)
        return b.plan(program, **{"lm": lm, "metric": b.exact_match("label"), **arguments}).notes

    return of


def without_label(rows, count):
    return [{**row, "label": None} if n < count else row for n, row in enumerate(rows)]


def test_rows_that_were_dropped_as_duplicates_are_counted_by_set(notes, reviews):
    rows = reviews(40)
    found = notes(trainset=rows * 3, valset=[*reviews(20, 100), *reviews(5, 100)])
    assert "80 duplicate rows of trainset were dropped." in found
    assert "5 duplicate rows of valset were dropped." in found
    assert not any("duplicate" in note for note in notes(trainset=rows))


def test_rows_without_a_label_that_a_built_in_metric_reads_are_counted_by_set(notes, reviews):
    rows = without_label(reviews(60), 15)
    (note,) = [note for note in notes(trainset=rows) if "no 'label'" in note]
    assert note.startswith("15 rows of trainset have no 'label' and cannot score in exact_match('label')")
    (note,) = [note for note in notes(trainset=reviews(40, 100), holdout=rows) if "no 'label'" in note]
    assert note.startswith("15 rows of holdout ")


def test_labels_of_metrics_that_are_only_reported_are_counted_too_and_the_same_ones_once(notes, reviews):
    rows = [{**row, "other": None} for row in without_label(reviews(60), 15)]
    reported = [b.exact_match("label"), b.exact_match("label", label="other"), lambda example, prediction: 1]
    found = [note for note in notes(trainset=rows, report_metrics=reported) if "cannot score" in note]
    assert [note.split(" and ")[0] for note in found] == [
        "15 rows of trainset have no 'label'",
        "60 rows of trainset have no 'other'",
    ]


def test_a_label_that_is_none_is_no_missing_one_where_the_program_may_answer_none(notes, reviews):
    rows = without_label(reviews(60), 15)
    assert not any("cannot score" in note for note in notes(dspy.Predict(Flawed), trainset=rows))


def test_the_notes_about_rows_are_kept_in_the_file(program, reviews, reviewer):
    rows = without_label(reviews(60), 15)
    compiled = b.compile(
        program,
        trainset=[*rows, *rows],
        metric=b.exact_match("label"),
        lm=reviewer(lambda prompt: 0.7),
        budget=b.Budget(calls=60),
        progress=False,
    )
    first, second = compiled.document["evidence"]["notes"][:2]
    assert first == "60 duplicate rows of trainset were dropped."
    assert second.startswith("15 rows of trainset have no 'label'")


def test_a_size_that_the_budget_does_not_pay_for_is_kept_in_the_file(program, reviews, reviewer):
    compiled = b.compile(
        program,
        trainset=reviews(60),
        metric=b.exact_match("label"),
        lm=reviewer(lambda prompt: 0.7),
        teleprompter=b.OPRO(steps=200, proposals=2, rows=5),
        budget=b.Budget(calls=200),
        progress=False,
    )
    evidence = compiled.document["evidence"]
    assert evidence["events"]["size cut by the budget"] == 1
    (note,) = [note for note in evidence["notes"] if "steps" in note]
    assert note.startswith("OPRO(steps=200), for self: the budget pays for ")


def test_a_program_that_shows_rows_which_it_is_judged_by_is_told_so(notes, reviews):
    rows = reviews(60)
    shows = b.Predict("review -> label")
    assert not any("judged by" in note for note in notes(shows, trainset=rows))
    shows.demos = [dspy.Example(**row) for row in rows]
    (note,) = [note for note in notes(shows, trainset=rows) if "judged by" in note]
    dev, held = (int(word) for word in note.split() if word.isdigit())
    assert dev >= 10
    assert held >= 10
