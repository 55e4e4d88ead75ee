"""What Burnish costs around a call, side by side with dspy: import, a cached evaluation, uncached calls at full pace.

    python benchmarks/overhead.py [--calls 640] [--rounds 3]

Both sides evaluate one `Predict` with four demonstrations, in dspy's chat format, against a server in a process of its
own that answers after 50 ms, 64 calls in flight. Burnish runs with ledger, reply cache and single flight; dspy with
its default LM and engine, uncached, or with its own cache for the cached rows. Rounds alternate between the sides, so
that a machine that is busy with other things slows both; medians are shown. Trust the ratios, not the times.
`benchmarks/cold_start.py` measures the first answer of a frozen program.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from burnish.compiler.lm import Reply

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # dspy would look for a newer price list on the network

IN_FLIGHT = 64
REPLY = "[[ ## label ## ]]\npositive\n\n[[ ## completed ## ]]"
REVIEW = "Review {}: " + "the plot is thin but the music carries every single scene to the end. " * 8


@contextmanager
def server() -> Iterator[str]:
    """The address of a server that answers after 50 ms."""
    command = [sys.executable, "-m", "burnish.testing.servers", "--latency", "0.05", "--reply", REPLY]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait()


def program() -> Any:
    """A `Predict` with four demonstrations."""
    import dspy

    signature = dspy.Signature("review -> label: Literal['positive', 'negative']", "Classify the movie review.")
    predict = dspy.Predict(signature)
    predict.demos = [
        dspy.Example(review=REVIEW.format(-number), label="positive").with_inputs("review") for number in range(1, 5)
    ]
    return predict


class Dspy:
    """Evaluations by dspy: a pool of threads over `dspy.Predict`."""

    name = "dspy"

    def __init__(self, url: str, folder: Path) -> None:
        import dspy

        dspy.configure_cache(disk_cache_dir=str(folder / "dspy"))
        self._predict = program()
        self._context = dspy.context
        self._lm = dspy.LM("openai/scripted", api_base=url, api_key="none", cache=False)
        self._cached = dspy.LM("openai/scripted", api_base=url, api_key="none")

    def uncached(self, reviews: list[str]) -> None:
        with ThreadPoolExecutor(IN_FLIGHT) as threads:
            assert len(list(threads.map(lambda review: self._one(self._lm, review), reviews))) == len(reviews)

    def cached(self, reviews: list[str]) -> None:
        for review in reviews:
            self._one(self._cached, review)

    def _one(self, lm: Any, review: str) -> None:
        with self._context(lm=lm):
            assert self._predict(review=review).label == "positive"


class Burnish:
    """Evaluations by Burnish: the template of the same program, the client, the parser."""

    name = "burnish"

    def __init__(self, url: str, folder: Path) -> None:
        from burnish.compiler.budget import Budget, Ledger
        from burnish.compiler.lm import LM, Client, ReplyCache
        from burnish.signatures.dspy_bridge import read_program

        ((_, part),) = read_program(program()).student.parts
        self._template = part.prompt.template
        self._lm = LM("scripted", base_url=url)
        self._client = Client(ReplyCache(folder / "burnish"), Ledger(Budget(calls=1_000_000)), concurrency=IN_FLIGHT)

    def uncached(self, reviews: list[str]) -> None:
        jobs = [(self._lm, self._lm.chat(self._template.render({"review": review}))) for review in reviews]
        for reply in self._client.send_many(jobs):
            assert isinstance(reply, Reply)
            assert self._template.parse(reply.text)["label"] == "positive"

    cached = uncached

    def close(self) -> None:
        self._client.close()


def measured(work: Callable[[list[str]], None], reviews: list[str]) -> tuple[float, float]:
    """Seconds of wall and of CPU an evaluation."""
    wall, cpu = time.perf_counter(), time.process_time()
    work(reviews)
    return (time.perf_counter() - wall) / len(reviews), (time.process_time() - cpu) / len(reviews)


def import_seconds(statement: str) -> float:
    """CPU seconds of an import in a fresh interpreter."""
    code = f"import time; begin = time.process_time(); {statement}; print(time.process_time() - begin)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def reviews(kind: str, count: int) -> list[str]:
    return [REVIEW.format(f"{kind} {number}") for number in range(count)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=640)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    rows: dict[str, dict[str, list[float]]] = {}

    def note(row: str, side: str, value: float) -> None:
        rows.setdefault(row, {}).setdefault(side, []).append(value)

    for _ in range(given.rounds):
        for package in ("burnish", "dspy"):
            note("import, CPU ms", package, import_seconds(f"import {package}") * 1e3)
    with server() as url, tempfile.TemporaryDirectory() as folder:
        sides: tuple[Burnish, Dspy] = (Burnish(url, Path(folder)), Dspy(url, Path(folder)))
        for side in sides:
            side.uncached(reviews("warm up", 2 * IN_FLIGHT))
            side.cached(reviews("kept", 200))
        for number in range(given.rounds):
            for side in sides:
                wall, cpu = measured(side.uncached, reviews(f"round {number}", given.calls))
                note("uncached, calls a second", side.name, 1 / wall)
                note("uncached, CPU ms a call", side.name, cpu * 1e3)
                wall, cpu = measured(side.cached, reviews("kept", 200))
                note("cached evaluation, ms", side.name, wall * 1e3)
        sides[0].close()
    print(f"{'':28}{'burnish':>10}{'dspy':>10}{'ratio':>10}")
    for row, values in rows.items():
        ours, theirs = statistics.median(values["burnish"]), statistics.median(values["dspy"])
        better = ours / theirs if "second" in row else theirs / ours
        print(f"{row:28}{ours:10.2f}{theirs:10.2f}{better:9.1f}x")


if __name__ == "__main__":
    main()
