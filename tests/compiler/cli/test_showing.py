"""What `burnish show` tells of how a program came about, and `burnish plan` of searches that are not affordable."""

from __future__ import annotations

from burnish import RandomDemos
from burnish.compiler.show import show
from burnish.teleprompters.base import Sizes


def test_show_prints_every_note_of_the_compile_once(compiled_program):
    document = compiled_program().document
    document["evidence"]["notes"] = [
        "3 duplicate rows of trainset were dropped.",
        "dev is cut from 60 rows to 20: the budget affords no more.",
        "The finalist answers 'positive' on 19 of 20 rows.",
    ]
    text = show(document)
    assert "\nnotes:\n  3 duplicate rows of trainset were dropped.\n  dev is cut from 60 rows" in text
    assert text.count("The finalist answers") == 1
    assert "notes:" not in show(compiled_program().document)


def test_a_plan_never_expects_0_sets():
    summary = RandomDemos().forecast(Sizes(pool=30, dev=60, predictors=1, executions=40)).summary
    assert summary.startswith("RandomDemos: less than 1 set of 4 demonstrations")
    summary = RandomDemos().forecast(Sizes(pool=30, dev=20, predictors=1, executions=200)).summary
    assert summary.startswith("RandomDemos: about ")
