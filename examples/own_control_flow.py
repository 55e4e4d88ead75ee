"""A module with control flow of its own: long reviews are shortened before they are classified.

Nothing is inferred from `forward`: the file holds the two predictors, and `load` takes the module that runs them.

    python examples/own_control_flow.py
    python examples/own_control_flow.py --model gpt-4o-mini --calls 1000
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from options import options

import burnish as b

HERE = Path(__file__).parent
LONG = 20  # words


class Shorten(b.Signature):
    """Say in a few words what the review thinks of the film."""

    review: str = b.InputField()
    gist: str = b.OutputField()


class Sentiment(b.Signature):
    """Classify the sentiment of a movie review."""

    review: str = b.InputField()
    label: Literal["positive", "negative"] = b.OutputField()


class ShortenThenClassify(b.Module):
    def __init__(self) -> None:
        super().__init__()
        self.shorten = b.Predict(Shorten, format="plain", max_tokens=24)
        self.classify = b.Predict(Sentiment, format="plain")

    def forward(self, review: str):
        if len(review.split()) > LONG:
            review = self.shorten(review=review).gist
        return self.classify(review=review)


def main() -> None:
    lm, calls = options("Compile a module with its own control flow.", calls=400, max_tokens=40)
    compiled = b.compile(
        ShortenThenClassify(),
        trainset=b.load_examples(HERE / "data" / "reviews.jsonl", inputs=["review"], limit=300),
        metric=b.exact_match("label"),
        lm=lm,
        # A short review takes one call, a long one two: the most is declared, so that the budget is hard.
        budget=b.Budget(calls=calls, calls_per_example=2),
    )
    compiled.save("own_control_flow.json")
    print(compiled.verdict)

    classify = b.load("own_control_flow.json", lm=lm, program=ShortenThenClassify())
    print(classify(review="Nothing about this movie works."))


if __name__ == "__main__":
    main()
