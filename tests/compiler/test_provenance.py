"""What a compiled file says of the parts of its finalist."""

from __future__ import annotations

from burnish.compiler.provenance import parts_of
from burnish.compiler.records import Record
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
