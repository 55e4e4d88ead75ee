"""Compiles a program with code of its own and a judge in its metric: the arguments of compile_child.py.

Writes a line to OUT.executions for every execution of the program.
"""

import re
import sys

import dspy

import burnish as b


class Careful(b.Module):
    """Asks for its doubts, twice on every fifth row, before it says a label."""

    def __init__(self):
        super().__init__()
        self.doubts = b.Predict("review, turn -> doubt")
        self.classify = b.Predict("review, doubt -> label")

    def forward(self, review):
        with open(sys.argv[4] + ".executions", "a") as executions:
            executions.write(review + "\n")
        number = int(re.findall(r"number (\d+)", review)[0])
        for turn in ("first", "second") if number % 5 == 0 else ("first",):
            doubt = self.doubts(review=review, turn=turn).doubt
        return dspy.Prediction(label=self.classify(review=review, doubt=doubt).label)


def judged(example, prediction, trace=None):
    return float("yes" in b.judge(f"Is {prediction.label} right? {example.review}"))


if __name__ == "__main__":
    rows, url, run, out, calls, concurrency = sys.argv[1:]
    compiled = b.compile(
        Careful(),
        trainset=b.load_examples(rows, inputs=["review"]),
        metric=judged,
        lm=b.LM("scripted", base_url=url, max_tokens=50),
        judge_lm=b.LM("judge", base_url=url),
        teleprompter=b.RandomDemos(source="bootstrapped", sets=3),
        budget=b.Budget(calls=int(calls)),
        run_dir=run,
        concurrency=int(concurrency),
        progress=False,
    )
    compiled.save(out)
