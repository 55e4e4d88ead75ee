"""Programs that may run on one of several LMs: the search chooses, and the file names the one it chose."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import burnish as b
from burnish.teleprompters import Dollars, PromptTokens
from burnish.testing import ScriptedLM

ROWS = b.load_examples([{"q": f"q{n}", "a": "yes" if n % 3 else "no"} for n in range(120)], inputs=["q"])


class Ask(b.Signature):  # type: ignore[misc]
    """Answer."""

    q: str = b.InputField()
    a: str = b.OutputField()


def _in_format(answer: str, messages: Sequence[Mapping[str, Any]]) -> str:
    return f"[[ ## a ## ]]\n{answer}\n\n[[ ## completed ## ]]" if "[[ ##" in str(messages) else answer


def _weak(messages: Sequence[Mapping[str, Any]], body: Mapping[str, Any]) -> str:
    return _in_format("no", messages)


def _able(messages: Sequence[Mapping[str, Any]], body: Mapping[str, Any]) -> str:
    number = int(re.findall(r"q(\d+)", messages[-1]["content"])[-1])
    return _in_format("yes" if number % 3 else "no", messages)


def _compiled(folder: Path, **changes: Any) -> b.CompiledProgram:
    lms = {"weak": ScriptedLM(_weak, model="weak"), "able": ScriptedLM(_able, model="able")}
    given: dict[str, Any] = {
        "trainset": ROWS,
        "metric": b.exact_match("a"),
        "lm": lms,
        "teleprompter": b.Joint(),
        "budget": b.Budget(calls=800),
        "run_dir": folder,
        "progress": False,
    }
    return b.compile(b.Predict(Ask), **{**given, **changes})


def test_the_search_may_choose_another_lm_and_the_file_names_it(tmp_path: Path) -> None:
    compiled = _compiled(tmp_path / "run")
    assert compiled.verdict.decision == "ship"
    assert compiled.document["lm"]["model"] == "able"
    assert [compiled(q=q).a for q in ("q7", "q9")] == ["yes", "no"]
    file = compiled.save(tmp_path / "program.json")
    assert b.load(file, lm=lambda messages, settings: _able(messages, {}))(q="q7").a == "yes"


def test_a_finalist_on_another_lm_that_is_not_shipped_is_kept_with_its_lm(tmp_path: Path) -> None:
    compiled = _compiled(tmp_path / "run", holdout=ROWS[:4], trainset=ROWS[4:])  # too few rows for a verdict
    assert compiled.document["lm"]["model"] == "weak"
    assert compiled.document["finalist"]["lm"]["model"] == "able"
    assert compiled.finalist().document["lm"]["model"] == "able"
    assert compiled.finalist()(q="q7").a == "yes"
    assert b.CompiledProgram.load(compiled.save(tmp_path / "p.json")).finalist().document["lm"]["model"] == "able"


def test_what_the_lm_brought_stands_in_the_findings(tmp_path: Path) -> None:
    parts = _compiled(tmp_path / "run", budget=b.Budget(calls=1200)).evidence["findings"]["joint"]["parts"]
    (lm,) = [part for part in parts if part["kind"] == "lm"]
    assert lm["with"] > lm["without"] + 0.3


def test_several_lms_for_a_search_that_does_not_choose_are_refused_before_any_call(tmp_path: Path) -> None:
    with pytest.raises(b.LMError, match="RandomDemos runs the program on one: able would never be asked"):
        _compiled(tmp_path / "run", teleprompter=b.RandomDemos())


@pytest.mark.parametrize("name", ["optimizer", "judge", "two words", ""])
def test_names_of_lms_are_words_that_mean_nothing_else(tmp_path: Path, name: str) -> None:
    with pytest.raises(b.LMError, match="LMs are named by words of your own"):
        _compiled(tmp_path / "run", lm={"weak": ScriptedLM(_weak), name: ScriptedLM(_able)})


def test_no_lm_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(b.LMError, match="names no LM"):
        _compiled(tmp_path / "run", lm={})


def test_the_plan_reckons_with_the_dearest_of_them() -> None:
    def priced(dear: float) -> float:
        lms = {
            "cheap": ScriptedLM(_weak, model="cheap", price=b.Price(input=0.1, output=0.1)),
            "dear": ScriptedLM(_able, model="dear", price=b.Price(input=dear, output=dear)),
        }
        plan = b.plan(
            b.Predict(Ask), trainset=ROWS, metric=b.exact_match("a"), lm=lms, budget=b.Budget(calls=300),
            teleprompter=b.Joint(),
        )  # fmt: skip
        return plan.total.usd or 0.0

    assert priced(10.0) > 50 * priced(0.1)


def test_equal_runs_write_equal_files(tmp_path: Path) -> None:
    first, second = (_compiled(tmp_path / name, concurrency=n) for name, n in (("one", 1), ("many", 16)))
    assert json.dumps(first.document) == json.dumps(second.document)


def test_dollars_as_an_objective_want_a_price_for_every_lm(tmp_path: Path) -> None:
    lms = {"cheap": ScriptedLM(_weak, price=b.Price(input=1, output=1)), "other": ScriptedLM(_able, model="unpriced")}
    with pytest.raises(b.BudgetError, match="Joint, which counts dollars, needs a price for 'unpriced'"):
        _compiled(tmp_path / "run", lm=lms, teleprompter=b.Joint(objectives=(Dollars(),)))


def test_the_front_has_a_file_for_each_point_that_runs_and_claims_no_comparison(tmp_path: Path) -> None:
    compiled = _compiled(tmp_path / "run", teleprompter=b.Joint(objectives=(PromptTokens(),)))
    points = compiled.evidence["findings"]["joint"]["front"]
    files = {path.stem: path for path in (tmp_path / "run" / "front").glob("*.json")}
    student, finalist = compiled.evidence["front"][0]["candidate"], compiled.evidence["lineage"][-1]["candidate"]
    assert {point["candidate"][:12] for point in points} <= {*files, student[:12], finalist[:12]}
    for path in files.values():
        kept = b.CompiledProgram.load(path)
        assert (kept.verdict.decision, kept.document["holds"]) == ("inconclusive", "finalist")
        assert "findings" not in kept.evidence
