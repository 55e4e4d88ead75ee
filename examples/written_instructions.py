"""Instructions that a larger model writes for a smaller one, out of its errors and the words of the metric.

python examples/written_instructions.py
python examples/written_instructions.py --model gpt-4o-mini --writer gpt-4o --calls 1000
"""

from __future__ import annotations

from pathlib import Path

from options import two_models

import burnish as b
from burnish.teleprompters import Writing

HERE = Path(__file__).parent


class Plural(b.Signature):
    """Answer."""

    singular: str = b.InputField()
    plural: str = b.OutputField()


@b.metric
def right_plural(example, prediction):
    """Right or not, and in words what is wrong: the writer gets to read them."""
    said, wanted = prediction.plural.strip(), example.plural
    if said == wanted:
        return {"score": 1.0}
    if wanted in said:
        return {"score": 0.0, "feedback": "The plural is there, among other words: it must stand alone."}
    if said == example.singular:
        return {"score": 0.0, "feedback": "That is the singular again."}
    return {"score": 0.0, "feedback": f"The plural of {example.singular!r} is {wanted!r}."}


def main() -> None:
    lm, writer, calls = two_models("Compile a prompt that one model writes for another.", calls=300, max_tokens=16)
    compiled = b.compile(
        b.Predict(Plural, format="plain"),
        trainset=b.load_examples(HERE / "data" / "singular_to_plural.jsonl", inputs=["singular"]),
        metric=right_plural,
        lm=lm,
        optimizer_lm=writer,
        teleprompter=b.APO(writing=Writing(max_tokens=200)),
        budget=b.Budget(calls=calls),
    )
    compiled.save("plural.json")
    print(compiled.show())


if __name__ == "__main__":
    main()
