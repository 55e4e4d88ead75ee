from __future__ import annotations

import pytest

from .world import OPEN, obliging


@pytest.fixture
def open_world(bench, make_student, step):
    """A bench whose predictor writes a reasoning, and names the first two of its steps in it."""

    def build(score_of, **options):
        def trace(candidate, example):
            outputs = {"reasoning": "Step 1: read. Step 2: judged.", "label": "negative"}
            return (step("self", example.input_values, outputs, "the reply"),)

        given = options.pop("given", None) or make_student(**OPEN)
        return bench(score_of, **{"given": given, "reply_of": obliging, "trace_of": trace, **options})

    return build
