"""Production stays light: what a frozen program never needs is never imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import burnish

HEAVY = ("dspy", "optuna", "openai", "aiohttp", "numpy", "diskcache", "litellm", "pandas")

PROGRAM = """
import sys
{statements}
print(*sorted(name for name in {heavy!r} if name in sys.modules))
"""


def imported_after(statements: str, *watched: str) -> list[str]:
    """Which of the heavy modules a fresh Python holds after some statements."""
    program = PROGRAM.format(statements=statements, heavy=(*HEAVY, *watched))
    environment = {**os.environ, "PYTHONPATH": str(Path(burnish.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    return done.stdout.split()


def test_importing_burnish_imports_nothing_heavy():
    assert imported_after("import burnish") == []


def test_naming_what_production_needs_imports_nothing_heavy():
    assert imported_after("from burnish import load, LM, CompiledProgram, FrozenError, Budget") == []


def test_loading_and_calling_a_frozen_program_imports_nothing_heavy(compiled_program, tmp_path):
    path = compiled_program(format="plain").save(tmp_path / "sentiment.json")
    statements = f"""
import burnish
classify = burnish.load({str(path)!r}, lm=lambda messages, parameters: "positive")
assert classify(review="Fine.").label == "positive"
"""
    assert imported_after(statements, "pydantic", "asyncio", "ssl") == []


def test_calling_over_http_imports_nothing_heavy(compiled_program, tmp_path):
    path = compiled_program(format="plain").save(tmp_path / "sentiment.json")
    statements = f"""
import burnish
try:
    burnish.load({str(path)!r}, lm=burnish.LM("small", base_url="http://127.0.0.1:9/v1"))(review="Fine.")
except burnish.LMError as error:
    assert "cannot be reached" in str(error)
"""
    assert (
        imported_after("import burnish.compiler.runtime.answering as answering\nanswering.WAITS = (0, 0)" + statements)
        == []
    )
