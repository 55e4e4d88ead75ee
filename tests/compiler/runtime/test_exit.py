"""The end of what has asked a model through a transport of the compiler's: connections closed, and not a word."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from pathlib import Path

import burnish
from burnish.compiler.runtime.answering import Answering
from burnish.compiler.runtime.transport_sender import TransportSender
from burnish.testing import ScriptedLM, ScriptedServer

PROGRAM = """
import burnish
from burnish.compiler.runtime.answering import answering
from burnish.testing import ScriptedLM

lm = ScriptedLM(["positive"], model="small")
who = answering(lm, "small")
print(who.answer(lm.chat([{"role": "user", "content": "x"}])).text)
"""


# A model of this process is asked like this: over HTTP, by the compiler's own transport.
IN_A_FUNCTION = """
import sys
from burnish import LM
from burnish.compiler.runtime.answering import Answering
from burnish.compiler.runtime.transport_sender import TransportSender

def ask():
    lm = LM("small", base_url=sys.argv[1], api_key="key")
    who = Answering(lm, TransportSender(lm.connection))
    print(who.answer(lm.chat([{"role": "user", "content": "x"}])).text)
    return who

kept = [ask() for _ in range(2)]
ask()
"""


def ended(program: str, *arguments: str) -> tuple[str, str]:
    """What a process that runs this says, on both of its ways."""
    environment = {**os.environ, "PYTHONPATH": str(Path(burnish.__file__).parents[1])}
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return done.stdout, done.stderr


def test_a_process_that_still_holds_its_program_ends_without_a_complaint():
    assert ended(PROGRAM) == ("positive\n", "")


def test_a_process_whose_functions_have_left_their_programs_behind_ends_without_a_complaint():
    with ScriptedServer(["positive"] * 3) as server:
        assert ended(IN_A_FUNCTION, server.base_url) == ("positive\n" * 3, "")


def test_connections_are_closed_when_the_program_that_used_them_is_gone():
    closed = threading.Event()

    class Transport:
        async def attempt(self, request):
            return await transport.attempt(request)

        async def close(self):
            closed.set()

    class Connection:
        def open(self):
            return Transport()

    lm = ScriptedLM(["positive"], model="small")
    transport = lm.connection.open()
    who = Answering(lm, TransportSender(Connection()))
    assert who.answer(lm.chat([{"role": "user", "content": "x"}])).text == "positive"
    assert not closed.is_set()
    del who
    gc.collect()
    assert closed.wait(10)
