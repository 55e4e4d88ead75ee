"""What users may rely on: every part of a report counts the same rows, and says which of them were used."""

from __future__ import annotations

import re

import burnish as b
from burnish.compiler.report.material import Used
from burnish.compiler.report.run_folder import read_run


def test_all_parts_of_a_report_count_the_same_rows_where_the_budget_cuts_dev(
    compile_reviews, reviews, report_of, tmp_path
):
    rows = reviews(160)
    splits = {"trainset": rows[:40], "valset": rows[40:80], "holdout": rows[80:]}
    compiled = compile_reviews(**splits, budget=b.Budget(calls=300), teleprompter=b.RandomDemos())
    used = read_run(tmp_path / "run").rows_used
    found = report_of(tmp_path / "run")
    dev, pairs = used["dev"], compiled.verdict.pairs
    assert dev.used == compiled.evidence["rows"]["dev"] < dev.given == 40
    assert pairs > 0
    assert f"{dev.used} of 40 to select on, {used['holdout']} held out" in found.text
    assert f"rows, dev 40, the first {dev.used} used" in found.text
    assert f"candidates on {dev.used} rows of dev, student and finalist on {pairs} held-out rows" in found.text
    index = found.data("index")
    splits = [index["strings"][number] for number in index["rows"]["split"]]
    assert (splits.count("dev"), splits.count("holdout")) == (dev.used, pairs)


def test_the_wins_and_losses_of_the_verdict_are_those_of_the_rows(compile_reviews, report_of, tmp_path):
    verdict = compile_reviews(teleprompter=b.RandomDemos()).verdict
    found = report_of(tmp_path / "run")
    better, worse = map(int, re.search(r"better on (\d+), worse on (\d+)", found.text).groups())
    assert round((better - worse) / verdict.pairs, 4) == round(verdict.gain, 4)
    index = found.data("index")
    held = [row for row, split in enumerate(index["rows"]["split"]) if index["strings"][split] == "holdout"]
    old, new = (index["scores"][index[who]] for who in ("student", "finalist"))
    assert better == sum(new[row] > old[row] for row in held) > 0


def test_held_out_rows_that_were_not_compared_on_are_said_to_be_so(compile_reviews, report_of, tmp_path):
    class Nothing(b.APE):
        def search(self, bench):
            yield from ()

    compiled = compile_reviews(teleprompter=Nothing())
    assert compiled.verdict.pairs == 0
    assert "48 held out, not compared on" in report_of(tmp_path / "run").text


def test_a_part_is_said_as_a_part():
    assert [str(one) for one in (Used(20, 20), Used(20, 36))] == ["20", "20 of 36"]
