"""Cold start: the CPU time from a fresh interpreter to the first answer, of a frozen program and of dspy.

    python benchmarks/cold_start.py [--rounds 7]

Each measurement is a process of its own that asks a stub on the loopback once. What is counted is the process's CPU
time from its first statement to the answer; the interpreter's own start is not in it. A frozen program is to take at
most a third of `import dspy` and a first call of `dspy.Predict`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SIDES = {
    "frozen program": """
import burnish
program = burnish.load({path!r}, lm=burnish.LM("small", base_url={url!r}))
assert program(review="Nothing about this film works.").label == "positive"
""",
    "dspy.Predict": """
import dspy
dspy.configure(lm=dspy.LM("openai/small", api_base={url!r}, api_key="none", cache=False))
signature = dspy.Signature("review -> label: Literal['positive', 'negative']", "Classify the review.")
assert dspy.Predict(signature)(review="Nothing about this film works.").label == "positive"
""",
}
MEASURED = """
import time
begin = time.process_time()
{statements}
print((time.process_time() - begin) * 1000)
"""


class Stub(BaseHTTPRequestHandler):
    """Says "positive" in the chat format to everything."""

    protocol_version = "HTTP/1.1"
    message = {"role": "assistant", "content": "[[ ## label ## ]]\npositive\n\n[[ ## completed ## ]]"}  # noqa: RUF012

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        choice = {"index": 0, "message": self.message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        reply = {"id": "1", "object": "chat.completion", "created": 0, "model": "small", "choices": [choice]}
        content = json.dumps({**reply, "usage": usage}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """The table is all that is printed."""


def freeze_program(path: Path) -> None:
    """The program that both sides run, as a frozen file."""
    import dspy

    import burnish
    from burnish.compiler.frozen.compiled import freeze
    from burnish.signatures.dspy_bridge import read_program

    signature = dspy.Signature("review -> label: Literal['positive', 'negative']", "Classify the review.")
    program = read_program(burnish.Predict(signature))
    verdict = {"decision": "inconclusive"}
    freeze(program, program.student, lm={"model": "small"}, verdict=verdict, evidence={}, provenance={}).save(path)


def measure(statements: str, environment: dict[str, str]) -> float:
    """Milliseconds of CPU in a fresh interpreter."""
    program = MEASURED.format(statements=statements)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment, timeout=120
    )
    return float(done.stdout.split()[-1])


def cold_start(rounds: int) -> dict[str, list[float]]:
    """Milliseconds of CPU to the first answer, by side, measured in turn."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    measured: dict[str, list[float]] = {side: [] for side in SIDES}
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "program.json"
            freeze_program(path)
            # Byte code is kept, as in any installed package; the first, uncounted round writes it.
            kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
            environment = {**kept, "PYTHONPYCACHEPREFIX": str(Path(folder) / "bytecode")}
            url = f"http://127.0.0.1:{server.server_address[1]}/v1"
            for counted in range(-1, rounds):
                for side, statements in SIDES.items():
                    milliseconds = measure(statements.format(path=str(path), url=url), environment)
                    if counted >= 0:
                        measured[side].append(milliseconds)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    measured = cold_start(parser.parse_args().rounds)
    whole = statistics.median(measured["dspy.Predict"])
    print(f"{'first answer of':<18}{'CPU ms, median':>16}{'lowest':>10}{'of dspy':>10}")
    for side, times in measured.items():
        print(
            f"{side:<18}{statistics.median(times):>16.0f}{min(times):>10.0f}{statistics.median(times) / whole:>10.2f}"
        )


if __name__ == "__main__":
    main()
