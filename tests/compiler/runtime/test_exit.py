"""The end of a process that has asked a model through a transport of the compiler's: at once, and without a word."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import burnish

PROGRAM = """
import burnish
from burnish.compiler.runtime.answering import answering
from burnish.testing import ScriptedLM

lm = ScriptedLM(["positive"], model="small")
who = answering(lm, "small")
print(who.answer(lm.chat([{"role": "user", "content": "x"}])).text)
"""


def test_a_process_that_still_holds_its_program_ends_without_a_complaint():
    environment = {**os.environ, "PYTHONPATH": str(Path(burnish.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, check=True)
    assert (done.stdout, done.stderr) == ("positive\n", "")
