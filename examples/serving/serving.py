"""From a program to a server that is gated in CI: compile, verify, serve, query, compare with what is in production.

python examples/serving/serving.py
python examples/serving/serving.py --model gpt-4o-mini --calls 1000

Needs the extra `serve`: pip install 'burnish[serve]'. The files stay in a folder that the script names.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import burnish as b

ROWS = Path(__file__).parent.parent / "data" / "reviews.jsonl"
EMBEDDED = "local/smollm2-135m-instruct"  # runs in the process that asks it; 98 MB are downloaded once
BURNISH = [sys.executable, "-m", "burnish"]  # the command `burnish` of this Python


class Sentiment(b.Signature):
    """Classify the sentiment of a movie review."""

    review: str = b.InputField()
    label: Literal["positive", "negative"] = b.OutputField()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=EMBEDDED, help=f"default: {EMBEDDED}, a small model in this process")
    parser.add_argument("--base-url", help="of a server that speaks the OpenAI protocol")
    parser.add_argument("--calls", type=int, default=300, help="the budget of the compile (default: 300)")
    given = parser.parse_args()
    lm = b.LM(given.model, base_url=given.base_url, timeout=600, max_tokens=40)
    reached = ["--lm", given.model, *(["--base-url", given.base_url] if given.base_url else [])]
    folder = Path(tempfile.mkdtemp(prefix="burnish-serving-"))
    lines = ROWS.read_text(encoding="utf-8").splitlines(keepends=True)
    train, test = folder / "train.jsonl", folder / "test.jsonl"
    train.write_text("".join(lines[:-40]), encoding="utf-8")
    test.write_text("".join(lines[-40:]), encoding="utf-8")

    print(f"1. Compile, in {folder}", flush=True)
    production = compiled(train, lm, calls=40).save(folder / "production.json")  # too little to learn from
    candidate = compiled(train, lm, given.calls).save(folder / "sentiment.json")

    print("\n2. Verify what is about to be shipped", flush=True)
    run("verify", candidate)

    print("\n3. Serve and query it", flush=True)
    with served(candidate, *reached) as url:
        reviews = [json.loads(line)["review"] for line in lines[-8:]]
        with ThreadPoolExecutor(4) as threads:
            for review, answer in zip(reviews, threads.map(lambda review: post(url, review), reviews), strict=True):
                print(f"  {answer['label']:9} {review[:80]}")
        with urllib.request.urlopen(f"{url}/metrics") as metrics:
            counted = metrics.read().decode().splitlines()
        wanted = ("burnish_requests_total", "burnish_tokens_total")
        print(*(f"  {line}" for line in counted if line.startswith(wanted)), sep="\n")

    print("\n4. The gate, as a step of CI: it fails with 4 when the new file is worse than the one in production")
    gate = ["eval", candidate, test, "--against", production, "--fail-if-worse", *reached]
    return run(*gate, may_fail=True)


def compiled(train: Path, lm: b.LM, calls: int) -> b.CompiledProgram:
    """The sentiment program, compiled within so many calls."""
    found = b.compile(
        b.Predict(Sentiment),
        trainset=b.load_examples(train, inputs=["review"]),
        metric=b.exact_match("label"),
        lm=lm,
        budget=b.Budget(calls=calls),
        progress=False,
    )
    print(f"  {calls} calls: {found.verdict}", flush=True)
    return found


def run(*arguments: str | Path, may_fail: bool = False) -> int:
    """Runs a burnish command, as a shell or a step of CI would."""
    words = [str(argument) for argument in arguments]
    print(f"  $ burnish {shlex.join(words)}", flush=True)
    return subprocess.run([*BURNISH, *words], check=not may_fail).returncode


@contextmanager
def served(file: Path, *options: str) -> Iterator[str]:
    """The URL of `burnish serve`, which is stopped at the end as any process is: requests in flight may finish."""
    command = [*BURNISH, "serve", str(file), "--port", "0", "--timeout", "600", *options]
    log = file.with_suffix(".log")
    with log.open("w") as written, subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                written.write(line)
                if line.startswith("{") and json.loads(line).get("event") == "listening":
                    yield json.loads(line)["url"]
                    break
            else:
                raise SystemExit(f"burnish serve did not start: see {log}")
        finally:
            process.terminate()
            written.write(process.stderr.read())
    print(f"  stopped with exit code {process.returncode}; its log is {log}", flush=True)


def post(url: str, review: str) -> dict[str, str]:
    """The outputs of the served program for one review."""
    body = json.dumps({"review": review}).encode()
    request = urllib.request.Request(f"{url}/run", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        answer: dict[str, str] = json.load(response)
        return answer


if __name__ == "__main__":
    raise SystemExit(main())
