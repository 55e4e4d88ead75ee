"""Compiles reviews in a process that a test can kill: compile_child.py ROWS URL RUN OUT CALLS CONCURRENCY."""

import sys
from typing import Literal

import burnish as b


class Sentiment(b.Signature):
    """Classify the sentiment of a movie review."""

    review: str = b.InputField()
    label: Literal["positive", "negative"] = b.OutputField()


if __name__ == "__main__":
    rows, url, run, out, calls, concurrency = sys.argv[1:]
    compiled = b.compile(
        b.Predict(Sentiment),
        trainset=b.load_examples(rows, inputs=["review"]),
        metric=b.exact_match("label"),
        lm=b.LM("scripted", base_url=url, max_tokens=50),
        teleprompter=b.IterativeAPE(),
        budget=b.Budget(calls=int(calls)),
        run_dir=run,
        concurrency=int(concurrency),
        progress=False,
    )
    compiled.save(out)
