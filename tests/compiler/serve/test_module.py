"""A program with control flow of its own: its forward() says what is taken, and its file only holds the prompts."""

from __future__ import annotations

import sys
import time

import pytest

import burnish as b
from burnish.compiler.cli.arguments import named_object
from burnish.compiler.serve.contract import fields_of_function
from burnish.testing import ScriptedLM, ScriptedServer

MODULE = """
from __future__ import annotations

import os
import threading

import dspy


class Twice(dspy.Module):
    def __init__(self):
        super().__init__()
        self.classify = dspy.Predict("review -> label: str")

    def forward(self, review: str, times: int = 2):
        if os.environ.get("HANG"):
            threading.Event().wait()
        answers = [self.classify(review=review).label for _ in range(times)]
        return dspy.Prediction(answers=answers)


program = Twice()
"""


REPLY = "[[ ## label ## ]]\nok\n\n[[ ## completed ## ]]"


@pytest.fixture
def twice(tmp_path):
    """A compiled module and its code: the file that holds it, the object in it."""
    (tmp_path / "twice_app.py").write_text(MODULE, encoding="utf-8")
    name = str(tmp_path / "twice_app.py") + ":program"
    program = named_object(name, "--program")
    rows = [{"review": f"Review {n}.", "label": "ok"} for n in range(40)]

    def metric(example, prediction, trace=None):
        return float(prediction.answers[0] == example.label)

    compiled = b.compile(
        program,
        trainset=b.load_examples(rows, inputs=["review"]),
        metric=b.metric(metric, version="1"),
        lm=ScriptedLM({"": REPLY}),
        teleprompter=b.RandomDemos(),
        budget=b.Budget(calls=300),
        run_dir=tmp_path / "run",
        progress=False,
    )
    yield compiled, name, program
    del sys.modules["twice_app"]


def test_a_module_is_served_by_what_its_forward_takes(twice, client):
    compiled, _, program = twice
    served = client(compiled, ScriptedLM({"": REPLY}), program=program)
    assert served.post("/run", json={"review": "x", "times": 3}).json() == {"answers": ["ok", "ok", "ok"]}
    assert served.post("/run", json={"review": "x", "times": "3"}).json()["error"]["field"] == "times"
    assert served.post("/run", json={"times": 3}).json()["error"]["field"] == "review"
    inputs = served.get("/openapi.json").json()["components"]["schemas"]["Inputs"]
    assert inputs["properties"] == {"review": {"type": "string"}, "times": {"type": "integer"}}
    assert inputs["required"] == ["review"]
    counted = served.get("/metrics").text
    assert 'burnish_model_seconds_count{predictor="classify"} 3.0' in counted


def test_every_line_that_a_server_of_a_module_writes_is_json(twice, serving):
    compiled, name, _ = twice
    with ScriptedServer({"": REPLY}) as server:
        served = serving(compiled, "--program", name, "--lm", "small", "--base-url", server.base_url)
        assert served.ask({"review": "x"})[0] == 200
        assert served.stop() == 0
    assert [line for line in served.lines if "raw" in line or line.get("level") == "warning"] == []


def test_annotations_that_only_type_checkers_can_read_are_taken_as_anything():
    def forward(a: Unknown, b: int = 1, *, c=None, **others):  # noqa: F821
        pass

    inputs, is_open = fields_of_function(forward)
    assert {name: (field.json_schema, field.required) for name, field in inputs.items()} == {
        "a": ({}, True),
        "b": ({}, False),
        "c": ({}, False),
    }
    assert is_open


def test_code_that_never_returns_does_not_keep_the_process(twice, serving):
    compiled, name, _ = twice
    with ScriptedServer({"": REPLY}) as server:
        options = ("--program", name, "--lm", "small", "--base-url", server.base_url, "--timeout", "1", "--grace", "1")
        served = serving(compiled, *options, HANG="1")
        status, told, _ = served.ask({"review": "x"})
        assert (status, told["error"]["kind"]) == (504, "timeout")
        begin = time.monotonic()
        assert served.stop() == 0
        assert time.monotonic() - begin < 30
