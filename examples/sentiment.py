"""One predictor: the sentiment of a movie review.

python examples/sentiment.py
python examples/sentiment.py --model gpt-4o-mini --calls 1000
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from options import options

import burnish as b

HERE = Path(__file__).parent


class Sentiment(b.Signature):
    """Classify the sentiment of a movie review."""

    review: str = b.InputField()
    label: Literal["positive", "negative"] = b.OutputField()


program = b.Predict(Sentiment)


def main() -> None:
    lm, calls = options("Compile a sentiment classifier.", calls=400, max_tokens=40)
    compiled = b.compile(
        program,
        trainset=b.load_examples(HERE / "data" / "reviews.jsonl", inputs=["review"]),
        metric=b.exact_match("label"),
        lm=lm,
        budget=b.Budget(calls=calls),
    )
    compiled.save("sentiment.json")
    print(compiled.verdict)

    classify = b.load("sentiment.json", lm=lm)
    print(classify(review="Nothing about this movie works."))


if __name__ == "__main__":
    main()
