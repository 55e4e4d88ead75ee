"""Two steps wired by field names: list what a review praises and blames, then give a verdict.

The first step has a nested typed output, which no column of the data holds: its demonstrations are taken from the
program's own correct executions. A Pipeline freezes whole, so the loaded file runs without this module.

    python examples/pipeline.py
    python examples/pipeline.py --model gpt-4o-mini --calls 1000
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pydantic
from options import options

import burnish as b

HERE = Path(__file__).parent


class Point(pydantic.BaseModel):
    """One thing that a review says of a film."""

    about: str
    opinion: Literal["praise", "blame"]


class ListPoints(b.Signature):
    """List at most two things that the review praises or blames."""

    review: str = b.InputField()
    points: list[Point] = b.OutputField()


class Judge(b.Signature):
    """Say whether the review is positive or negative, in view of its points."""

    review: str = b.InputField()
    points: list[Point] = b.InputField()
    label: Literal["positive", "negative"] = b.OutputField()


# "json" constrains replies to the schema where the server can, so that even a small model keeps to it.
program = b.Pipeline(points=b.Predict(ListPoints, format="json"), judge=b.Predict(Judge, format="json"))


def main() -> None:
    lm, calls = options("Compile a pipeline of two steps.", calls=240, max_tokens=80)
    compiled = b.compile(
        program,
        trainset=b.load_examples(HERE / "data" / "reviews.jsonl", inputs=["review"], limit=200),
        metric=b.exact_match("label"),
        lm=lm,
        teleprompter=b.RandomDemos(demos=3, formats=("json",), source="both"),
        budget=b.Budget(calls=calls),
    )
    compiled.save("pipeline.json")
    print(compiled.verdict)

    judge = b.load("pipeline.json", lm=lm)
    print(judge(review="A clumsy plot, but the two leads are a joy to watch."))


if __name__ == "__main__":
    main()
