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


def test_show_counts_one_thing_as_one(compiled_program):
    document = compiled_program().document
    document["evidence"]["spent"] = {"final": {"calls": 1}, "search": {"calls": 2}}
    document["evidence"]["events"] = {"rejected: too long": 1, "reply dropped": 1, "reflection repeated": 1}
    text = show(document)
    assert "spent: final 1 call, search 2 calls\n" in text
    assert "passed over: 1 instruction (too long), 1 reply with nothing in it, 1 repeated reflection\n" in text
    document["evidence"]["events"] = dict.fromkeys(("rejected: too long", "reply dropped", "reflection repeated"), 2)
    said = "passed over: 2 instructions (too long), 2 replies with nothing in them, 2 repeated reflections\n"
    assert said in show(document)


def test_show_names_the_models_of_a_role_only_where_it_is_not_the_tasks_own(compiled_program):
    document = compiled_program().document
    task = {"model": "small", "params": {"temperature": 0}}
    document["provenance"]["models"] = {"judge": task, "optimizer": {**task, "model": "writer"}, "task": task}
    text = show(document)
    assert "models.task.model: " in text
    assert "models.optimizer.model: writer" in text
    assert "models.judge" not in text
    for odd in ([], {"models": 3}):
        document["provenance"] = odd
        assert "provenance:" in show(document)
