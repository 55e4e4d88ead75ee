"""Facts before the answer: state one fact after the other, each with demonstrations of its own, then answer.

At every step a rule picks the demonstrations that are nearest to the question and the facts so far (BM25); they are the
steps of the program's own right executions. An analogue of the iterative context-aware prompter (Wang et al. 2022,
arXiv 2203.08383) for models that only generate.

    python examples/facts_step_by_step.py
    python examples/facts_step_by_step.py --model gpt-4o-mini --calls 2000
"""

from __future__ import annotations

from pathlib import Path

from options import options

import burnish as b
from burnish.teleprompters.demonstrations import BM25

HERE = Path(__file__).parent
STEPS = 3  # facts at most, so a question takes at most four calls


class Solve(b.Signature):
    """Solve the word problem."""

    question: str = b.InputField()
    answer: str = b.OutputField(desc="the number alone")


def program() -> b.FactsStepByStep:
    return b.FactsStepByStep(Solve, steps=STEPS, format="plain", max_tokens=60)


def main() -> None:
    lm, calls = options("Compile a program that gathers facts before it answers.", calls=800, max_tokens=60)
    compiled = b.compile(
        program(),
        trainset=b.load_examples(HERE / "data" / "gsm8k.jsonl", inputs=["question"], limit=120),
        metric=b.numeric_match("answer"),
        lm=lm,
        teleprompter=b.Demonstrations(select=BM25(), k=3, source="bootstrapped"),
        budget=b.Budget(calls=calls, calls_per_example=STEPS + 1),
    )
    compiled.save("facts_step_by_step.json")
    print(compiled.verdict)

    solve = b.load("facts_step_by_step.json", lm=lm, program=program())
    print(solve(question="Ann has 3 boxes of 12 eggs and uses 7 of them. How many are left?"))


if __name__ == "__main__":
    main()
