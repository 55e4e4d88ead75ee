"""`burnish eval` of one file: the mean, and how far the rows tell it."""

from __future__ import annotations

import json
import sys

import pytest

STARS = """
import burnish as b

@b.metric(range=(0, 10), version="1")
def stars(example, prediction, trace=None):
    return 10.0 * (example.label == prediction.label)
"""


@pytest.fixture(name="score")
def _score(shell, compiled_program, reviews_):
    """Scores a file that is right on every other row."""
    compiled_program().save(shell.folder / "out.json")

    def run(rows, *more):
        ended = shell("eval", "out.json", shell.rows("rows.jsonl", reviews_(rows)), *more, "--quiet", model="small")
        assert ended.code == 0, ended.err
        return ended.out

    return run


def test_the_mean_stands_with_its_95_percent_interval(score):
    assert score(20, "--metric", "exact_match:label") == "out.json: 50.0 on 20 examples (95 % 27.2..72.8)\n"


def test_one_row_tells_no_interval(score):
    assert score(1, "--metric", "exact_match:label") == "out.json: 100.0 on 1 examples\n"
    assert json.loads(score(1, "--metric", "exact_match:label", "--json"))["files"]["out.json"]["interval"] is None


def test_people_read_points_of_the_metrics_range_and_machines_its_units(score, shell):
    (shell.folder / "stars.py").write_text(STARS)
    try:
        assert score(20, "--metric", "stars.py:stars") == "out.json: 50.0 on 20 examples (95 % 27.2..72.8)\n"
        found = json.loads(score(20, "--metric", "stars.py:stars", "--json"))["files"]["out.json"]
    finally:
        sys.modules.pop("stars", None)
        sys.path[:] = [entry for entry in sys.path if entry != str(shell.folder)]
    assert found["mean"] == 5.0
    assert found["interval"] == pytest.approx([2.72, 7.28], abs=0.01)
