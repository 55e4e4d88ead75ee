"""Files to probe, rows, and models whose use of the prompt is known."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import pytest

from burnish.testing import ScriptedLM

LABELS = ("positive", "negative")


def shown_number(text):
    """The number in the inputs of `compiled_program`, of even ones the label is positive; None where it is blank."""
    found = re.findall(r"Größe (\d+)", text)
    return int(found[-1]) if found else None


def in_format(label, messages, body):
    """A reply in the format that is asked for."""
    text = "\n".join(str(message["content"]) for message in messages)
    if "response_format" in body:
        return json.dumps({"label": label})
    if "[[ ## " in text:
        return f"[[ ## label ## ]]\n{label}\n\n[[ ## completed ## ]]"
    return f"<label>\n{label}\n</label>" if "<label>" in text else label


def follows_the_mapping(messages):
    """Answers as the demonstration of the same parity does."""
    asked, said = shown_number(messages[-1]["content"]), "positive"
    for question, answer in pairwise(messages):
        number = shown_number(question["content"])
        if answer["role"] == "assistant" and None not in (asked, number) and number % 2 == asked % 2:
            said = re.findall("positive|negative", answer["content"])[0]
    return said


def knows_the_task(messages):
    number = shown_number(messages[-1]["content"])
    return "positive" if number is None else LABELS[number % 2]


def says_positive(messages):
    return "positive"


@pytest.fixture
def model():
    """A ScriptedLM that answers by one of the ways above in whatever format; asked for other words, it finds some."""

    def make(way, **options):
        def respond(messages, body):
            if "in other words" in str(messages[-1]["content"]):
                return f"<instruction>Say what it is, number {body.get('seed')}.</instruction>"
            return in_format(way(messages), messages, body)

        return ScriptedLM(respond, **options)

    return make


@pytest.fixture
def ways():
    return {one.__name__: one for one in (follows_the_mapping, knows_the_task, says_positive)}


@pytest.fixture
def rows():
    """Labelled rows that no demonstration of `compiled_program` shows."""

    def make(count):
        return [{"review": f"Größe {n} <b>", "label": LABELS[n % 2]} for n in range(100, 100 + count)]

    return make


@pytest.fixture
def probed(compiled_program, tmp_path, rows):
    """The report on a file of four demonstrations."""
    import burnish as b

    def run(lm, count=100, file=None, **options):
        path = tmp_path / "sentiment.json"
        (file or compiled_program(demos=4)).save(path)
        return b.probe(path, rows(count), metric=b.exact_match("label"), lm=lm, progress=False, **options)

    return run
