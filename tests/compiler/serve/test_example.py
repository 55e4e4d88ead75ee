"""examples/serving/serving.py runs from end to end; here in front of a scripted model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import burnish
from burnish.testing import ScriptedServer

SCRIPT = Path(__file__).resolve().parents[3] / "examples" / "serving" / "serving.py"


@pytest.mark.slow
def test_the_example_compiles_verifies_serves_queries_and_passes_the_gate():
    pytest.importorskip("uvicorn")
    if not SCRIPT.is_file():
        pytest.skip("needs the examples of a checkout")
    with ScriptedServer({"": "[[ ## label ## ]]\npositive\n\n[[ ## completed ## ]]"}) as server:
        command = [sys.executable, str(SCRIPT), "--model", "scripted", "--base-url", server.base_url, "--calls", "100"]
        environment = {**os.environ, "PYTHONPATH": str(Path(burnish.__file__).parents[1])}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 golden ones are, byte for byte, those that were scored" in done.stdout
    assert 'burnish_requests_total{status="200"} 8.0' in done.stdout
    assert "stopped with exit code 0" in done.stdout
    assert "65.0 -> 65.0 on 40 examples" in done.stdout
