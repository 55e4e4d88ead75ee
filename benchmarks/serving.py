"""What `burnish serve` costs around the model: throughput, latency and memory, beside the model's own server.

    python benchmarks/serving.py [--requests 20000] [--latency 0.05]

Three processes: a stub that speaks the OpenAI protocol and answers at once (or after --latency seconds), `burnish
serve` in front of it, and a load generator with 64 connections that asks one after the other on each. The stub is asked
the very requests that the server sends it. Both are measured in turns, so that a machine that is busy with other
things slows both; trust the ratios, not the times. Memory, threads and open files are those of the server's process,
after a warm-up and at the end. Exit code 1 where any request failed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

CONNECTIONS = 64
ROUNDS = 5
WARM_UP = 1000
REPLY = "[[ ## label ## ]]\npositive\n\n[[ ## completed ## ]]"
REVIEW = "The plot is thin but the music carries every single scene to the end. " * 8


@dataclass(frozen=True)
class Load:
    """What a load generator measured: requests a second, latencies in seconds, and how many failed."""

    per_second: float
    seconds: list[float]
    errors: int

    def quantile(self, share: float) -> float:
        return sorted(self.seconds)[min(len(self.seconds) - 1, int(share * len(self.seconds)))]


def load(url: str, body: bytes, expected: bytes, requests: int) -> Load:
    """Sends a POST so many times over 64 connections, from a process of its own. expected: stands in a good answer."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_load, (url, body, expected, requests))


def _load(url: str, body: bytes, expected: bytes, requests: int) -> Load:
    return asyncio.run(_generate(url, body, expected, requests))


async def _generate(url: str, body: bytes, expected: bytes, requests: int) -> Load:
    place = urlsplit(url)
    head = f"POST {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Type: application/json\r\n"
    message = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    seconds: list[float] = []
    errors = 0
    left = iter(range(requests))

    async def connection() -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        for _ in left:
            begin = time.perf_counter()
            try:
                writer.write(message)
                answered = await reader.readuntil(b"\r\n\r\n")
                length = int(answered.lower().partition(b"content-length:")[2].partition(b"\r")[0])
                content = await reader.readexactly(length)
                errors += not (answered.startswith(b"HTTP/1.1 200 ") and expected in content)
            except (OSError, ValueError, asyncio.IncompleteReadError):
                errors += 1
                writer.close()
                reader, writer = await asyncio.open_connection(place.hostname, place.port)
            seconds.append(time.perf_counter() - begin)
        writer.close()

    begin = time.perf_counter()
    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    return Load(requests / (time.perf_counter() - begin), seconds, errors)


@contextmanager
def stub(latency: float) -> Iterator[str]:
    """The base URL of a model's server in a process of its own."""
    command = [sys.executable, "-m", "burnish.testing.servers", "--latency", str(latency), "--reply", REPLY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


@contextmanager
def server(file: Path, base_url: str) -> Iterator[tuple[str, int]]:
    """The URL and the process id of `burnish serve` in front of a model's server."""
    options = ["--port", "0", "--lm", "stub", "--base-url", base_url]
    log = (file.parent / "log").open("w+", encoding="utf-8")
    with log, subprocess.Popen([sys.executable, "-m", "burnish", "serve", str(file), *options], stderr=log) as process:
        try:
            yield listening(Path(log.name), process), process.pid
        finally:
            process.terminate()


def listening(log: Path, process: subprocess.Popen[bytes]) -> str:
    """The URL that the server's log tells, as soon as it does."""
    while process.poll() is None:
        for line in log.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n") and json.loads(line)["event"] == "listening":
                return str(json.loads(line)["url"])
        time.sleep(0.05)
    raise SystemExit(log.read_text(encoding="utf-8"))


def cpu_seconds(pid: int) -> float:
    """What a process has had of the CPU, in user and system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def held(pid: int) -> dict[str, float]:
    """What a process holds now: memory in MB, threads, open files."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {
        "resident MB": int(status["VmRSS"].split()[0]) / 1024,
        "threads": int(status["Threads"]),
        "open files": len(os.listdir(f"/proc/{pid}/fd")),
    }


def frozen(folder: Path) -> Path:
    """A frozen sentiment classifier with four demonstrations, in dspy's chat format, verdict and all."""
    import burnish as b
    from burnish.testing import ScriptedLM

    signature = b.Signature("review -> label: Literal['positive', 'negative']", "Classify the movie review.")
    rows = [{"review": f"Review {n}: {REVIEW}", "label": ("positive", "negative")[n % 3 == 0]} for n in range(80)]
    compiled = b.compile(
        b.Predict(signature),
        trainset=b.load_examples(rows, inputs=["review"]),
        metric=b.exact_match("label"),
        lm=ScriptedLM({"": REPLY}),
        teleprompter=b.RandomDemos(),
        budget=b.Budget(calls=200),
        run_dir=folder / "run",
        progress=False,
    )
    return Path(compiled.save(folder / "program.json"))


def print_row(name: str, values: Iterable[float], digits: int = 1) -> None:
    print(f"{name:24}" + "".join(f"{value:10.{digits}f}" for value in values))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000, help="to the server in all, and as many to the stub")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that the stub takes for a reply")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, stub(given.latency) as base_url:
        file = frozen(Path(name))
        import burnish

        asked = {"model": "stub", "messages": burnish.load(file).to_messages(review=REVIEW), "max_tokens": 1000}
        sides = {}
        with server(file, base_url) as (url, pid):
            sides["stub"] = f"{base_url}/chat/completions", json.dumps(asked).encode(), b"positive"
            sides["server"] = f"{url}/run", json.dumps({"review": REVIEW}).encode(), b'{"label":"positive"}'
            for asking in sides.values():
                load(*asking, WARM_UP)
            before = held(pid)
            measured: dict[str, list[Load]] = {side: [] for side in sides}
            cpu = cpu_seconds(pid)
            for _ in range(ROUNDS):
                for side, asking in sides.items():
                    measured[side].append(load(*asking, given.requests // ROUNDS))
            after, cpu = held(pid), cpu_seconds(pid) - cpu
    errors = {side: sum(one.errors for one in loads) for side, loads in measured.items()}
    print(f"{given.requests} requests, {CONNECTIONS} connections, the stub answers after {given.latency:g} s\n")
    print(f"{'':24}{'stub':>10}{'server':>10}")
    quantiles = {f"p{share}, ms": share / 100 for share in (50, 99)}
    print_row("requests a second", [statistics.median(one.per_second for one in loads) for loads in measured.values()])
    for row, share in quantiles.items():
        medians = [statistics.median(one.quantile(share) for one in loads) for loads in measured.values()]
        print_row(row, [1e3 * median for median in medians])
    print_row("errors", errors.values(), digits=0)
    print(f"\nThe server takes {1e3 * cpu / given.requests:.2f} ms of CPU a request.")
    print(f"\n{'the server holds':24}{'before':>10}{'after':>10}")
    for what in before:
        print_row(what, (before[what], after[what]), digits=0)
    return 1 if any(errors.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
