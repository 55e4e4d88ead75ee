"""Eval and recheck warn of rows that the compile has seen, as far as the frozen file tells."""

from __future__ import annotations

import pytest

from burnish.compiler.cli.seen import seen
from burnish.compiler.splits import split
from burnish.compiler.workbench import fingerprint
from burnish.signatures.example import Example


@pytest.fixture(name="made")
def _made(compiled_program, reviews_):
    """The document of a compile that split sixty rows, and the splits."""
    examples = [Example.of(row, ("review",)) for row in reviews_(60)]
    splits = split(examples, seed=3)
    named = {name: getattr(splits, name) for name in ("pool", "dev", "holdout")}
    data = {name: {"rows": len(rows), "digest": fingerprint(rows)} for name, rows in named.items()}
    return compiled_program(provenance={"seed": 3, "data": data}), named


def test_all_rows_that_a_compile_split_are_known_again(made, reviews_):
    compiled, named = made
    used = len(named["pool"]) + len(named["dev"])
    expected = f"{used} of 60 rows were used in the search for the prompts"
    assert seen(compiled.document, reviews_(60)) == expected
    assert seen(compiled.document, reviews_(60)[::-1] + reviews_(2)) == expected  # whatever order, and given twice
    assert seen(compiled.document, reviews_(59)) == ""  # a digest of all rows tells nothing of some of them


def test_the_rows_that_selected_the_prompts_are_told_and_held_out_ones_are_not(made):
    compiled, named = made
    told = {name: seen(compiled.document, [one.values for one in rows]) for name, rows in named.items()}
    assert "(dev)" in told["dev"]
    assert "(pool)" in told["pool"]
    assert told["holdout"] == ""


def test_nothing_selects_the_students_prompts(made):
    compiled, named = made
    document = {**compiled.document, "holds": "student"}
    assert seen(document, [one.values for one in named["dev"]]) == ""


def test_rows_that_stand_in_the_prompt_are_counted(compiled_program, reviews_):
    shown = [{"review": f"Größe {n} <b>", "label": "positive"} for n in range(2)]
    assert seen(compiled_program().document, [*shown, *reviews_(3)]) == (
        "2 of 5 rows stand as demonstrations in the prompts"
    )
    assert seen(compiled_program().document, reviews_(3)) == ""


@pytest.mark.parametrize("provenance", [{}, {"data": 3}, {"data": {"dev": None, "pool": []}, "seed": "x"}])
def test_a_file_that_tells_nothing_or_nonsense_warns_of_nothing(compiled_program, reviews_, provenance):
    document = {**compiled_program().document, "provenance": provenance}
    assert seen(document, reviews_(30)) == ""


@pytest.mark.parametrize("command", ["eval", "recheck"])
def test_the_commands_warn_in_one_line(shell, made, command):
    compiled, named = made
    compiled.save("new.json")
    rows = shell.rows("dev.jsonl", [one.values for one in named["dev"]])
    done = shell(command, "new.json", rows, "--metric", "exact_match:label", model="small")
    assert done.code == 0, done.err
    warning = "dev.jsonl: these are the rows that selected the prompts (dev) of new.json; the score flatters it."
    assert warning in done.err.splitlines()
