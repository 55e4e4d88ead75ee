"""Material of a run that never was: as many candidates and rows as are wanted, with texts of their own."""

from __future__ import annotations

import random

from burnish.compiler.report.material import Material, Rejection, Row, Scored, Words
from burnish.signatures.prompt import Prompt
from burnish.signatures.schema import Field, Schema
from burnish.teleprompters.base import Outcome, Spend, Step

SCHEMA = Schema((Field("review"),), (Field("label"),))
_DRAW = random.Random(0)
_TEXT = " ".join("".join(_DRAW.choices("abcdefghijklmnopqrstuvwxyz", k=5)) for _ in range(400_000))


def synthetic(candidates: int, rows: int, rejections: int = 0) -> Material:
    """Scores are 0 or 1 and grow with the number of the candidate. Every text differs from every other, and none is
    easier to compress than text is."""
    names = [f"{number:064x}" for number in range(candidates)]
    listed = [_row(number) for number in range(rows)]
    words = {name: {"self": _words(number)} for number, name in enumerate(names)}
    numbers = {name: number for number, name in enumerate(names)}
    order = {row.digest: number for number, row in enumerate(listed)}

    def score(number: int, row: int) -> float:
        return float((number * 7919 + row * 104729) % candidates < number)

    def outcome(candidate: str, row: Row) -> Outcome | None:
        number = numbers[candidate]
        value = score(number, order[row.digest])
        label = "positive" if value else "negative"
        reply = f"{_prose(60, 5, number, order[row.digest])}\nlabel: {label}"
        step = Step("self", row.inputs, {"label": label}, reply)
        return Outcome(value, {"label": label}, "", (step,), spend=Spend(1, 200, 0.0))

    records = []
    for number, name in enumerate(names):
        mean = sum(score(number, row) for row in range(rows)) / rows
        parents = (names[number // 2],) if number else ()
        spent = Spend((number + 1) * rows, (number + 1) * rows * 200)
        records.append(Scored(number, name, mean, rows, 0, "Wide", f"move {number % 7}", {}, parents, spent))
    turned_down = [
        Rejection("duplicate", f"It was proposed before ({n}).", "self", f"Text {n}.") for n in range(rejections)
    ]
    run = {"student": names[0], "range": [0.0, 1.0], "state": "finished"}
    return Material("synthetic", None, run, {}, records, words, listed, rejections=turned_down, outcome=outcome)


def _prose(words: int, *seed: int) -> str:
    """A piece of a text that is far longer than what a compressor looks back on."""
    first = (hash(seed) * 2654435761) % (len(_TEXT) - 6 * words)
    return _TEXT[first : first + 6 * words]


def _row(number: int) -> Row:
    review = f"Review {number}: {_prose(80, 6, number)}"
    return Row("dev", f"row{number}", f"row {number} of reviews.jsonl", {"review": review}, {"label": "positive"})


def _words(number: int) -> Words:
    said = f"Instruction {number}. {_prose(80, 11, number)}"
    settings = {"role": "task", "params": {}, "reply_policy": "none"}
    return Words(said, (), "chat", "system", None, settings, Prompt(SCHEMA, said))
