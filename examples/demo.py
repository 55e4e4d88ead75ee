"""What `make demo` runs: compile, compare, freeze, load, call. Run it twice: the second time nothing is paid for.

A model of 135 million parameters runs in this process. In dspy's chat format it never gives a reply that can be read;
the search finds a format and demonstrations with which it does. The file holds exactly the prompts that were scored.
"""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path

from options import options
from sentiment import HERE, program

import burnish as b

FILE = Path("sentiment.json")
REVIEWS = ("Nothing about this movie works.", "A warm, funny film that stays with you.")


def main() -> int:
    started = time.monotonic()
    lm, calls = options("The demo: a sentiment classifier on a small model.", calls=400, max_tokens=40)
    arguments = {
        "trainset": b.load_examples(HERE / "data" / "reviews.jsonl", inputs=["review"]),
        "metric": b.exact_match("label"),
        "lm": lm,
        "teleprompter": b.RandomDemos(),
        "budget": b.Budget(calls=calls),
    }
    print(b.plan(program, **arguments), "\n")

    compiled = b.compile(program, **arguments)  # says at its end how many calls it paid for
    print(f"\n{compiled.show()}")
    compiled.save(FILE)
    digest = hashlib.sha256(FILE.read_bytes()).hexdigest()
    print(f"saved: {FILE}, sha256 {digest}")

    classify = b.load(FILE, lm=lm)
    for review in REVIEWS:
        print(f"{review!r} -> {classify(review=review).label}")
    print(f"{time.monotonic() - started:.0f} seconds in all")
    print(f"verdict: {compiled.verdict.decision}")
    return 0 if compiled.verdict.decision == "ship" else 1


if __name__ == "__main__":
    sys.exit(main())
