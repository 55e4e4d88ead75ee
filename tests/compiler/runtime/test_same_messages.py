"""Messages in production are those that were scored: ten thousand inputs a format, the same on every Python.

`python tests/compiler/runtime/test_same_messages.py` writes the digests; whoever changes what a format renders writes
them anew, and says so in the changelog. Inputs are drawn with `random()` alone, whose numbers no version of Python
changes.
"""

from __future__ import annotations

import datetime
import enum
import hashlib
import json
import random
import tempfile
from pathlib import Path
from typing import Literal

import pytest

import burnish
from burnish.signatures.formats import FORMATS
from burnish.signatures.values import to_json

INPUTS = 10_000
DIGESTS = Path(__file__).with_name("messages_digests.json")

PIECES = (
    *("a", "Z", "0", " ", "\n", "\r\n", "\t", "\x00", "\x1f", '"', "'", "\\", "{", "}", "{{review}}", "%s", "$x", "#"),
    *("é", "ß", "中", "🙂", "\u2028", "\u200b", "e\u0301", "\ufeff", "٣", "I\u0307"),
    *("[[ ## text ## ]]", "[[ ## label ## ]]", "[[ ## completed ## ]]", "</text>", "<label>", "&lt;", "```json", "---"),
    *("<<CUSTOM-TYPE-START-IDENTIFIER>>", "Text:", "Label:", "null", "True", "[1] «", "N/A", "<|im_end|>", "\\u00e9"),
)


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "LARGE one"


class Draw:
    """Random values from `random()` alone."""

    def __init__(self, seed):
        self._random = random.Random(seed).random

    def below(self, n):
        return int(self._random() * n)

    def one(self, items):
        return items[self.below(len(items))]

    def text(self):
        return "".join(self.one(PIECES) for _ in range(self.below(12)))

    def number(self):
        exponent = self.below(40) - 20
        return self.one((0.0, -0.0, 1e16, 1e22, 0.1, 5e-324, self._random() * 10.0**exponent, float(self.below(9))))

    def whole(self):
        return self.one((0, -1, self.below(100), self.below(10**6) * 10**15))

    def items(self, make):
        return [make() for _ in range(self.below(4))]

    def day(self):
        return datetime.date(1 + self.below(9998), 1 + self.below(12), 1 + self.below(28))

    def moment(self):
        zone = self.one((None, datetime.timezone.utc, datetime.timezone(datetime.timedelta(minutes=self.below(1000)))))
        return datetime.datetime(2024, 2, 29, self.below(24), self.below(60), 0, self.below(10**6), tzinfo=zone)

    def row(self, fields):
        row = {name: getattr(self, name)() for name in fields}
        # What may be left out is, at times.
        return {name: value for name, value in row.items() if name not in ("note", "since") or self.below(3)}

    # one method for each input field

    def amount(self):
        return self.one((self.number(), self.below(10)))

    def count(self):
        return self.whole()

    def flag(self):
        return self.below(2) == 0

    def size(self):
        return self.one((Size.SMALL, Size.LARGE, "small"))

    def tags(self):
        return self.one((tuple, list))(self.items(self.text))

    def prices(self):
        return {self.text(): self.number() for _ in range(self.below(4))}

    def since(self):
        return self.one((None, self.day()))

    def at(self):
        return self.moment()

    def note(self):
        return self.one((None, self.text()))


def signature(fields):
    import dspy

    types = {
        **{"text": str, "count": int, "amount": float, "flag": bool, "size": Size, "tags": list[str]},
        **{"prices": dict[str, float], "since": datetime.date | None, "at": datetime.datetime, "note": str | None},
    }
    given = {name: (types[name], dspy.InputField(desc=f"the {name}" if name > "n" else None)) for name in fields}
    label = (Literal["positive", "negative"], dspy.OutputField())
    return dspy.Signature({**given, "label": label}, "Classify.")


def programs(format, folder):
    """(fields, candidate, program, loaded file) of some prompts in a format: with and without demonstrations, fixed
    and picked, with the instruction in either place."""
    from burnish.compiler.frozen.compiled import freeze
    from burnish.signatures.dspy_bridge import read_program
    from burnish.signatures.prompt import Demo, DemoRule

    every = ("text", "count", "amount", "flag", "size", "tags", "prices", "since", "at", "note")
    fields = ("text",) if format == "bare" else every
    program = read_program(burnish.Predict(signature(fields)))
    draw, demos = Draw(format), []
    for number in range(8):
        values = {**draw.row(fields), "label": ("positive", "negative")[number % 2]}
        demos.append(Demo.of(to_json({**values, "text": f"{number} {values['text']}"})))
    for number, changes in enumerate(
        [
            {},
            {"demos": tuple(demos[:2]), "instruction": "Größe: {text}?\n%s"},
            {"demos": tuple(demos), "rule": DemoRule("bm25", 2)},
            {"demos": tuple(demos), "rule": DemoRule("tfidf", 2, "closest_first"), "position": "question_end"},
        ]
    ):
        candidate = program.student.with_prompt("self", format=format, **changes)
        nothing = {"evidence": {}, "provenance": {}}
        compiled = freeze(program, candidate, lm={"model": "small"}, verdict={"decision": "keep"}, **nothing)
        yield fields, candidate, program, burnish.load(compiled.save(folder / f"{format}{number}.json"))


def digest(format, folder):
    """Over the messages of all inputs, in order."""
    made, draw, seen = list(programs(format, folder)), Draw(7), hashlib.sha256()
    for number in range(INPUTS):
        fields, _, _, loaded = made[number % len(made)]
        seen.update(json.dumps(loaded.to_messages(**draw.row(fields)), ensure_ascii=False).encode("utf-8"))
    return seen.hexdigest()


@pytest.mark.parametrize("format", FORMATS)
def test_messages_of_ten_thousand_inputs_are_those_of_every_python(format, tmp_path):
    assert digest(format, tmp_path) == json.loads(DIGESTS.read_text("utf-8"))[format]


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_production_sends_the_messages_that_a_compile_would_score(format, tmp_path):
    """As rows of a training set go, through the checks of examples and the one place where a call is spelled out."""
    from burnish.compiler.execution import predict
    from burnish.signatures.examples import check_examples
    from burnish.testing import ScriptedLM

    made, draw, lm = list(programs(format, tmp_path)), Draw(7), ScriptedLM([], model="small")
    for number in range(INPUTS):
        fields, candidate, program, loaded = made[number % len(made)]
        row = draw.row(fields)
        (example,) = check_examples(burnish.load_examples([row], inputs=list(row)), program, role="trainset")
        scored = next(predict(candidate["self"], lm, example.input_values)).body["messages"]
        assert loaded.to_messages(**row) == scored, row


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        found = {name: digest(name, Path(place)) for name in FORMATS}
    DIGESTS.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
