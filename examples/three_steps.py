"""Three steps, compiled jointly: sum a review up, name its tone, judge it. Which part of which step brought what?

No column of the data holds what the first two steps say, so their demonstrations are taken from the program's own
correct executions. The joint search, which is the default, tries parts of all three steps at once; in the end it takes
the best program's parts out one by one, and says what each was worth. docs/joint.md shows what it found with the small
model, which takes some twenty minutes.

    python examples/three_steps.py
    python examples/three_steps.py --model gpt-4o-mini --calls 2000
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from options import options

import burnish as b

HERE = Path(__file__).parent
CALLS, MAX_TOKENS = 3000, 40


class SumUp(b.Signature):
    """Sum the review up in one short sentence."""

    review: str = b.InputField()
    gist: str = b.OutputField()


class NameTone(b.Signature):
    """Name the tone of the sentence in one word."""

    gist: str = b.InputField()
    tone: str = b.OutputField()


class Judge(b.Signature):
    """Say whether the review is positive or negative."""

    gist: str = b.InputField()
    tone: str = b.InputField()
    label: Literal["positive", "negative"] = b.OutputField()


# "json" constrains replies to the schema where the server can, so that even a small model keeps to it.
program = b.Pipeline(
    sum_up=b.Predict(SumUp, format="json"),
    name_tone=b.Predict(NameTone, format="json"),
    judge=b.Predict(Judge, format="json"),
)


def improved(lm: b.LM, calls: int, run_dir: str | None = None) -> b.CompiledProgram:
    return b.compile(
        program,
        trainset=b.load_examples(HERE / "data" / "reviews.jsonl", inputs=["review"], limit=300),
        metric=b.exact_match("label"),
        lm=lm,
        budget=b.Budget(calls=calls),
        run_dir=run_dir,
    )


def main() -> None:
    lm, calls = options("Compile a pipeline of three steps.", calls=CALLS, max_tokens=MAX_TOKENS)
    compiled = improved(lm, calls)
    compiled.save("three_steps.json")
    for line in compiled.report_lines:
        print(line)


if __name__ == "__main__":
    main()
