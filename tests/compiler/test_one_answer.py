"""A program that gives one answer to everything may be better than a broken one; the file says so."""

from __future__ import annotations

import burnish as b
from burnish.testing import ScriptedLM


def told(program, reviews, tmp_path, answer):
    lm = ScriptedLM(lambda messages, body: answer(messages), model="task")
    compiled = b.compile(
        program,
        trainset=reviews(160),
        metric=b.exact_match("label"),
        lm=lm,
        teleprompter=b.RandomDemos(),
        budget=b.Budget(calls=400),
        run_dir=tmp_path / "run",
        progress=False,
    )
    assert compiled.verdict.decision == "ship"
    return [note for note in compiled.evidence.get("notes", []) if "hardly looks" in note], compiled


def test_a_shipped_program_that_gives_one_answer_to_everything_says_so(program, reviews, tmp_path):
    def constant(messages):
        return "negative" if len(messages) > 2 or "[[ ##" not in str(messages) else "no format at all"

    notes, compiled = told(program, reviews, tmp_path, constant)
    assert len(notes) == 1
    assert 'label="negative" on ' in notes[0]
    assert notes[0] in compiled.show()


def test_a_program_that_tells_rows_apart_is_told_nothing(program, reviews, tmp_path):
    labels = {row["review"]: row["label"] for row in map(dict, reviews(160))}

    def able(messages):
        if "[[ ##" in str(messages):
            return "no format at all"
        return next(label for review, label in labels.items() if review in messages[-1]["content"].split("Review:")[-1])

    notes, _ = told(program, reviews, tmp_path, able)
    assert notes == []
