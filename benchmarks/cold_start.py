"""Cold start: what a fresh interpreter needs until the first answer, in time and memory, with burnish and with dspy.

    python benchmarks/cold_start.py [--rounds 7]

Each measurement is a process of its own that asks a stub on the loopback once. Time is counted from its first statement
to the answer: CPU time and wall time; memory is the most that the process ever held (VmHWM), the interpreter with it,
whose own is the first line. One program, loaded in the ways that people load it, in turn:

    burnish-runtime   the frozen file, in a clean environment that holds the light distribution and nothing else
    burnish           the frozen file, in this environment
    dspy.load         the same program saved by dspy with save_program=True
    dspy.Predict      the same program built from its signature

A frozen program is to take at most a third of the CPU time of a first call of `dspy.Predict`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import venv
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent

_FROZEN = """
import {package}
program = {package}.load({{path!r}}, lm={package}.LM("small", base_url={{url!r}}))
assert program(review="Nothing about this film works.").label == "positive"
"""
_CONFIGURED = """
import dspy
dspy.configure(lm=dspy.LM("openai/small", api_base={url!r}, api_key="none", cache=False))
"""
SIDES = {
    "Python alone": "",
    "burnish-runtime": _FROZEN.format(package="burnish_runtime"),
    "burnish": _FROZEN.format(package="burnish"),
    "dspy.load": _CONFIGURED
    + """
program = dspy.load({saved!r}, allow_pickle=True)
assert program(review="Nothing about this film works.").label == "positive"
""",
    "dspy.Predict": _CONFIGURED
    + """
signature = dspy.Signature("review -> label: Literal['positive', 'negative']", "Classify the review.")
assert dspy.Predict(signature)(review="Nothing about this film works.").label == "positive"
""",
}
MEASURED = """
import time
cpu, wall = time.process_time(), time.perf_counter()
{statements}
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
import sys
modules = len(sys.modules)
try:
    status = open("/proc/self/status").read()
    kilobytes = int(status.split("VmHWM:")[1].split()[0])
except (OSError, IndexError):
    import resource
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)
print(cpu * 1000, wall * 1000, kilobytes / 1024, modules)
"""


class Measured(NamedTuple):
    cpu: float  # milliseconds
    wall: float  # milliseconds
    memory: float  # MB
    modules: float


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


def save_programs(frozen: Path, saved: Path) -> None:
    """The one program, as burnish freezes it and as dspy saves it."""
    import dspy

    import burnish
    from burnish.compiler.frozen.compiled import freeze
    from burnish.signatures.dspy_bridge import read_program

    signature = dspy.Signature("review -> label: Literal['positive', 'negative']", "Classify the review.")
    program = read_program(burnish.Predict(signature))
    verdict = {"decision": "inconclusive"}
    freeze(program, program.student, lm={"model": "small"}, verdict=verdict, evidence={}, provenance={}).save(frozen)
    dspy.Predict(signature).save(str(saved), save_program=True)


def clean_environment(folder: Path) -> tuple[str, int]:
    """The Python of an environment with the light distribution and nothing else, and the bytes that this takes."""
    spec = importlib.util.spec_from_file_location("runtime_wheel", ROOT / ".ci" / "runtime_wheel.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*install, str(script.build(folder / "wheel"))], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    return str(python), sum(file.stat().st_size for file in site.rglob("*") if file.is_file())


def measure(python: str, statements: str, environment: dict[str, str]) -> Measured:
    program = MEASURED.format(statements=statements)
    done = subprocess.run(
        [python, "-c", program], capture_output=True, text=True, check=True, env=environment, timeout=120
    )
    return Measured(*map(float, done.stdout.splitlines()[-1].split()))


def cold_start(rounds: int) -> tuple[dict[str, Measured], int]:
    """Medians by side, measured in turn; and the bytes that the light distribution takes when it is installed."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    measured: dict[str, list[Measured]] = {side: [] for side in SIDES}
    try:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            path, saved = place / "program.json", place / "saved"
            save_programs(path, saved)
            light, size = clean_environment(place / "clean")
            # Byte code is kept, as in any installed package; the first, uncounted round writes it.
            kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
            environment = {**kept, "PYTHONPYCACHEPREFIX": str(place / "bytecode")}
            alone = {name: value for name, value in environment.items() if name != "PYTHONPATH"}
            url = f"http://127.0.0.1:{server.server_address[1]}/v1"
            for counted in range(-1, rounds):
                for side, statements in SIDES.items():
                    filled = statements.format(path=str(path), url=url, saved=str(saved))
                    is_light = side == "burnish-runtime"
                    found = measure(light if is_light else sys.executable, filled, alone if is_light else environment)
                    if counted >= 0:
                        measured[side].append(found)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    medians = {
        side: Measured(*(statistics.median(column) for column in zip(*found, strict=True)))
        for side, found in measured.items()
    }
    return medians, size


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    medians, size = cold_start(parser.parse_args().rounds)
    whole = medians["dspy.Predict"].cpu
    print(
        f"{'first answer of':<18}{'CPU ms':>8}{'wall ms':>9}{'memory MB':>11}{'modules':>9}{'CPU of dspy.Predict':>21}"
    )
    for side, found in medians.items():
        print(
            f"{side:<18}{found.cpu:>8.0f}{found.wall:>9.0f}{found.memory:>11.0f}{found.modules:>9.0f}"
            f"{found.cpu / whole:>21.2f}"
        )
    print(f"burnish-runtime takes {size / 1e6:.1f} MB when installed, beside Python.")


if __name__ == "__main__":
    main()
