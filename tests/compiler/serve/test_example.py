"""examples/serving/serving.py runs from end to end; here in front of a scripted model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import burnish
from burnish.testing import ScriptedServer

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
SCRIPT, REVIEWS = EXAMPLES / "serving" / "serving.py", EXAMPLES / "data" / "reviews.jsonl"


def shown_how(messages, body):
    """Right where demonstrations came before the review; positive else."""
    labels = {row["review"]: row["label"] for row in map(json.loads, REVIEWS.read_text("utf-8").splitlines())}
    asked = next(label for review, label in labels.items() if review in messages[-1]["content"])
    label = asked if any(message["role"] == "assistant" for message in messages) else "positive"
    return f"[[ ## label ## ]]\n{label}\n\n[[ ## completed ## ]]"


@pytest.mark.slow
def test_the_example_compiles_verifies_serves_queries_and_passes_the_gate():
    pytest.importorskip("uvicorn")
    if not SCRIPT.is_file():
        pytest.skip("needs the examples of a checkout")
    with ScriptedServer(shown_how) as server:
        command = [sys.executable, str(SCRIPT), "--model", "scripted", "--base-url", server.base_url, "--calls", "300"]
        environment = {**os.environ, "PYTHONPATH": str(Path(burnish.__file__).parents[1])}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 golden ones are, byte for byte, those that were scored" in done.stdout
    assert 'burnish_requests_total{status="200"} 8.0' in done.stdout
    assert "stopped with exit code 0" in done.stdout
    assert "65.0 -> 100.0 on 40 examples" in done.stdout
    assert "pass: " in done.stdout
