"""What the tests of APO share: instructions that state their quality, and an optimizer LM that writes them."""

from __future__ import annotations

import re
from dataclasses import replace

from burnish.teleprompters.apo_expand import Expansion
from burnish.testing.conformance_world import fraction

WORDS = ("order", "tone", "date", "amount", "sender", "clue", "rule", "label", "wording", "tie", "case", "form")
SMALL = Expansion(minibatch=6, groups=2, errors=2, paraphrases=1, successors=3)


def quality(candidate, path="self"):
    """The number in an instruction "Do 42." in hundredths; the student's has none."""
    found = re.search(r"Do (\d+)", candidate.prompt(path).instruction)
    return int(found[1]) / 100 if found else 0.0


def number(candidate):
    return round(100 * quality(candidate))


def numbers(candidates):
    return [number(candidate) for candidate in candidates]


def score(candidate, example):
    return quality(candidate)


def on_pool(example):
    return "row 1" not in example.place or len(example.place) < len("row 1000")  # dev starts at 1000


def number_of(example):
    return int(example.values["review"].split()[1])


def reason(prompt, draw):
    """Something else every time."""
    return f"Reason {draw}: " + " ".join(WORDS[int(fraction(prompt, draw, n) * len(WORDS))] for n in range(20))


def writing(*qualities):
    """Replies: a reason when asked for one, and "Do 42." with the next of these numbers for every instruction."""
    left = iter(qualities or range(1, 99))

    def reply(prompt, draw):
        if "<reason>" in prompt:
            return f"<reason>{reason(prompt, draw)}</reason>"
        return f"<instruction>Do {next(left, 99)}.</instruction>"

    return reply


def asked(world, purpose):
    return [text for what, text in world.asked if what == f"APO {purpose}"]


def purposes(world):
    return [purpose.removeprefix("APO ") for purpose, _ in world.asked]


def shown_rows(text):
    return [int(n) for n in re.findall(r"Input: review (\d+)", text)]


def current(text):
    return re.search(r"<(?:current|original)>\n(.*)\n</(?:current|original)>", text)[1]


def watched(world):
    """What is scored on a part of dev, call by call: the candidates and the rows. These are the selector's pulls."""
    seen, plain = [], world.score

    def scored(candidates, examples=None, **options):
        if examples is not None:
            seen.append((list(candidates), [example.place for example in examples]))
        return plain(candidates, examples, **options)

    world.score = scored
    return seen


def told(world, more):
    """The world with more in each outcome: `more` of the candidate and the row."""
    plain = world.predict

    def predict(candidate, examples):
        found = zip(examples, plain(candidate, examples), strict=True)
        return [replace(outcome, **more(candidate, example)) for example, outcome in found]

    world.predict = predict
    return world


def writing_many():
    """Any number of instructions, all different."""

    def reply(prompt, draw):
        if "<reason>" in prompt:
            return f"<reason>{reason(prompt, draw)}</reason>"
        return f"<instruction>Do it in manner {draw}.</instruction>"

    return reply
