"""A program with control flow of its own: its forward() says what is taken, and its file only holds the prompts."""

from __future__ import annotations

import burnish as b
from burnish.compiler.cli.arguments import named_object
from burnish.testing import ScriptedLM

MODULE = """
import dspy


class Twice(dspy.Module):
    def __init__(self):
        super().__init__()
        self.classify = dspy.Predict("review -> label: str")

    def forward(self, review: str, times: int = 2):
        answers = [self.classify(review=review).label for _ in range(times)]
        return dspy.Prediction(answers=answers)


program = Twice()
"""


def test_a_module_is_served_by_what_its_forward_takes(tmp_path, client):
    (tmp_path / "twice_app.py").write_text(MODULE, encoding="utf-8")
    program = named_object(str(tmp_path / "twice_app.py") + ":program", "--program")
    rows = [{"review": f"Review {n}.", "label": "ok"} for n in range(40)]
    reply = "[[ ## label ## ]]\nok\n\n[[ ## completed ## ]]"

    def metric(example, prediction, trace=None):
        return float(prediction.answers[0] == example.label)

    compiled = b.compile(
        program,
        trainset=b.load_examples(rows, inputs=["review"]),
        metric=b.metric(metric, version="1"),
        lm=ScriptedLM({"": reply}),
        teleprompter=b.RandomDemos(),
        budget=b.Budget(calls=300),
        run_dir=tmp_path / "run",
        progress=False,
    )
    served = client(compiled, ScriptedLM({"": reply}), program=program)
    assert served.post("/run", json={"review": "x", "times": 3}).json() == {"answers": ["ok", "ok", "ok"]}
    assert served.post("/run", json={"review": "x", "times": "3"}).json()["error"]["field"] == "times"
    assert served.post("/run", json={"times": 3}).json()["error"]["field"] == "review"
    inputs = served.get("/openapi.json").json()["components"]["schemas"]["Inputs"]
    assert inputs["properties"] == {"review": {"type": "string"}, "times": {"type": "integer"}}
    assert inputs["required"] == ["review"]
    counted = served.get("/metrics").text
    assert 'burnish_model_seconds_count{predictor="classify"} 3.0' in counted
