"""What users may rely on: a report says first which program it is of, then the search and the verdict."""

from __future__ import annotations

import re

import dspy

import burnish as b
from burnish.compiler.report.naming import title_of_program
from burnish.signatures.dspy_bridge import read_program


def titles(page) -> tuple[str, str]:
    (title,) = re.findall("<title>(.*?)</title>", page.html)
    (heading,) = re.findall("<h1>(.*?)</h1>", page.html)
    return title, heading


def test_the_title_is_the_program_then_the_search_then_the_verdict(compile_reviews, report_of, tmp_path):
    verdict = compile_reviews(teleprompter=b.RandomDemos()).verdict
    title, heading = titles(report_of(tmp_path / "run"))
    assert heading == "Sentiment: review → label"
    told = f"{verdict.decision} {100 * verdict.gain:+.1f}".replace("-", "\N{MINUS SIGN}")
    assert title == f"Sentiment: review → label · RandomDemos · {told} · Burnish report"


def test_a_file_alone_is_named_by_its_fields(compile_reviews, report_of, tmp_path):
    path = compile_reviews().save(tmp_path / "program.json")
    assert titles(report_of(path))[1] == "review → label"


def test_a_run_without_notes_is_named_by_its_folder(compile_reviews, report_of, tmp_path):
    compile_reviews()
    (tmp_path / "run" / "report" / "run.json").unlink()
    (tmp_path / "run" / "program.json").unlink()
    assert titles(report_of(tmp_path / "run"))[1] == "run"


def test_a_program_is_named_by_its_class_and_its_predictors():
    class Triage(dspy.Module):
        def __init__(self):
            super().__init__()
            self.classify = dspy.Predict("text -> label")
            self.answer = dspy.ChainOfThought("text, label -> reply")

        def forward(self, text):
            return self.answer(text=text, label=self.classify(text=text).label)

    assert title_of_program(read_program(Triage())) == "Triage: classify, answer"
    assert title_of_program(read_program(b.Pipeline(one="a -> x", two="x -> y"))) == "one, two"
    assert title_of_program(read_program(dspy.Predict("a, c -> x"))) == "a, c -> x"
