"""A real run of `examples/three_steps.py`, replayed: the page of the joint search shows what it printed."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_three_steps_were_improved_together_with_the_small_model_and_the_page_shows_what_it_said():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHONWARN")}
    command = [sys.executable, str(ROOT / "benchmarks" / "three_steps.py")]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert ran.returncode == 0, ran.stderr
    page = (ROOT / "docs" / "joint.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```console\n\$ python benchmarks/three_steps\.py\n(.*?)```", page, re.DOTALL)
    assert ran.stdout == shown
    assert shown.startswith("ship: ")
