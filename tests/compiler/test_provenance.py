"""What a compiled file says of the parts of its finalist, and of what its search did not come to."""

from __future__ import annotations

import re

import pytest

import burnish as b
from burnish.compiler.provenance import parts_of
from burnish.compiler.records import Record
from burnish.compiler.report.run_folder import read_material
from burnish.compiler.report.text import text
from burnish.signatures.candidate import Candidate, Part
from burnish.signatures.prompt import Prompt
from burnish.signatures.schema import Field, Schema
from burnish.teleprompters.base import Origin, Score, Spend


def recorded(number, candidate, mean):
    score = Score(candidate, (mean,), ("row",), 0)
    return Record(number, score, Origin("test", "made"), (), Spend(), is_whole=True)


def test_parts_of_the_student_that_do_not_go_with_those_of_the_finalist_are_left_out_of_the_table():
    schema = Schema((Field("review"),), (Field("label"),))
    student = Candidate.of({"self": Part(Prompt(schema, "Classify.\nReview: is read\nLabel: is said"))})
    finalist = student.with_prompt("self", format="plain", instruction="Say the label.")
    rows = parts_of([recorded(0, student, 0.5), recorded(1, finalist, 0.75)], finalist)
    assert rows == [{"part": "student", "dev": 0.5}, {"part": "instruction", "dev": 0.75}]


@pytest.fixture
def notes(program, reviews, reviewer):
    """What the file of a compile with random demonstrations says of the run, and which of its candidates have any."""

    def of(calls, **settings):
        compiled = b.compile(
            program,
            trainset=reviews(200),
            metric=b.exact_match("label"),
            lm=reviewer(lambda prompt: 0.7),
            teleprompter=b.RandomDemos(**settings),
            budget=b.Budget(calls=calls),
            run_dir=f"run-{calls}",
            progress=False,
        )
        found = [note for note in compiled.evidence["notes"] if "any set of demonstrations" in note]
        assert all(note in compiled.show() for note in found)
        assert all(note in text(read_material(f"run-{calls}")) for note in found)
        return found, any(best["with"] is not None for best in compiled.evidence["formats"].values())

    return of


def test_a_budget_that_ends_before_a_set_of_demonstrations_is_scored_is_said_with_the_calls_that_score_one(notes):
    (note,), has_scored = notes(100)
    assert not has_scored
    assert note == (
        "The budget ended before any set of demonstrations was scored on all of dev, so none was compared. "
        "About 160 calls score one."
    )
    assert notes(160) == ([], True)


def test_the_calls_that_are_named_score_a_set_in_all_formats(notes):
    formats = ("chat", "plain", "xml", "json")
    (note,), _ = notes(200, formats=formats)
    calls = int(re.search(r"About (\d+) calls", note)[1])
    assert notes(calls, formats=formats) == ([], True)
    (note,), _ = notes(100, formats=formats)  # it ended before all formats were scored
    assert note.endswith("so none was compared.")
