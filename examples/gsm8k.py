"""Chain of thought: word problems of GSM8K, scored on the last number of the answer.

The embedded model cannot do arithmetic, and the verdict says so; with a larger model there is something to gain.

    python examples/gsm8k.py
    python examples/gsm8k.py --model gpt-4o-mini --calls 1000
"""

from __future__ import annotations

from pathlib import Path

from options import options

import burnish as b

HERE = Path(__file__).parent


class Solve(b.Signature):
    """Solve the word problem. The answer is a number."""

    question: str = b.InputField()
    answer: str = b.OutputField(desc="the final number")


program = b.ChainOfThought(Solve)


def main() -> None:
    lm, calls = options("Compile a chain of thought for GSM8K.", calls=100, max_tokens=120)
    compiled = b.compile(
        program,
        trainset=b.load_examples(HERE / "data" / "gsm8k.jsonl", inputs=["question"]),
        metric=b.numeric_match("answer"),
        lm=lm,
        # A reasoning is no column of the data: demonstrations are the program's own correct executions.
        teleprompter=b.RandomDemos(demos=3, source="bootstrapped"),
        budget=b.Budget(calls=calls),
    )
    compiled.save("gsm8k.json")
    print(compiled.verdict)

    solve = b.load("gsm8k.json", lm=lm)
    try:
        print(solve(question="A box holds 12 eggs. How many eggs are in 4 boxes?"))
    except b.ReplyError as error:
        print(f"The model's reply does not hold the fields: {error}")


if __name__ == "__main__":
    main()
