"""Runs to make reports of, and what reads the pages."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import burnish as b

sys.path.insert(0, str(Path(__file__).resolve().parent))  # where report_*.py lie, which several tests use


@pytest.fixture
def compile_reviews(program, reviews, reviewer, tmp_path):
    """compile() on 120 reviews with a model that is better with demonstrations, in the run folder tmp_path / "run"."""

    def run(**changes):
        lm = changes.pop("lm", None) or reviewer(lambda prompt: 0.9 if prompt.count("Review number") > 2 else 0.6)
        arguments = {"trainset": reviews(120), "metric": b.exact_match("label"), "lm": lm, "progress": False}
        arguments |= {"budget": b.Budget(calls=400), "run_dir": tmp_path / "run", "teleprompter": b.APE()}
        return b.compile(changes.pop("program", program), **{**arguments, **changes})

    return run


@pytest.fixture
def report_of(tmp_path):
    """The page of a run folder or file."""
    from report_pages import Page

    from burnish.compiler.report.page import page
    from burnish.compiler.report.run_folder import read_material

    return lambda named: Page(page(read_material(named)))
