"""What the tests of OPRO share: instructions that state their quality, and what a meta-prompt shows."""

from __future__ import annotations

import re

START = "Classify the review."


def quality(candidate, path="self"):
    """The number in an instruction "Do 42." in hundredths; the student's has none."""
    found = re.search(r"Do (\d+)", candidate.prompt(path).instruction)
    return int(found[1]) / 100 if found else 0.0


def number(candidate):
    return round(100 * quality(candidate))


def score(candidate, example):
    return quality(candidate)


def writing(*qualities):
    """Replies: "Do 42." with the next of these numbers."""
    left = iter(qualities or range(1, 10**6))
    return lambda prompt, draw: f"<instruction>Do {next(left)}.</instruction>"


def requests(world):
    """The meta-prompts, each once, in the order sent."""
    return list(dict.fromkeys(text for _, text in world.asked))


def shown(request):
    """Instructions and scores in a meta-prompt, as they stand."""
    return re.findall(r"instruction:\n(.*)\nscore:\n(.*)", request)


def exemplars(request):
    """Numbers of the pool rows in a meta-prompt, in the order shown."""
    return [int(n) for n in re.findall(r"Input: review (\d+)", request)]


def on_dev(world):
    return [(number(candidate), example.place) for candidate, example in world.executed if example in world.dev]


def numbers(candidates):
    return [number(candidate) for candidate in candidates]
