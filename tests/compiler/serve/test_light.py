"""Serving needs what its extra brings, and nothing of the compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import burnish

HEAVY = ("dspy", "optuna", "openai", "aiohttp", "numpy", "diskcache", "litellm", "pandas")
PROGRAM = """
import sys
import burnish
from starlette.testclient import TestClient
app = burnish.asgi(burnish.load({path!r}, lm=lambda messages, parameters: "positive"))
{ask}
print(*sorted(name for name in {heavy!r} if name in sys.modules))
"""


def test_serving_a_program_imports_nothing_of_the_compiler(compiled_program, tmp_path):
    path = str(compiled_program(format="plain").save(tmp_path / "program.json"))
    ask = 'assert TestClient(app).post("/run", json={"review": "Fine."}).json() == {"label": "positive"}'
    environment = {**os.environ, "PYTHONPATH": str(Path(burnish.__file__).parents[1])}
    command = [sys.executable, "-c", PROGRAM.format(path=path, ask=ask, heavy=HEAVY)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == []
