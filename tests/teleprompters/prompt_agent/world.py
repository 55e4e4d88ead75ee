"""What the tests of PromptAgent share: instructions that state their quality, and an optimizer LM that writes them."""

from __future__ import annotations

import re

from burnish.testing.conformance_world import fraction

WORDS = ("order", "tone", "date", "amount", "sender", "clue", "rule", "label", "wording", "tie", "case", "form")


def quality(candidate, path="self"):
    """The number in an instruction "Do 42." in hundredths; the student's has none."""
    found = re.search(r"Do (\d+)", candidate.prompt(path).instruction)
    return int(found[1]) / 100 if found else 0.0


def number(candidate):
    return round(100 * quality(candidate))


def study(prompt, draw):
    """A reflection that says something else every time."""
    return f"Study {draw}: " + " ".join(WORDS[int(fraction(prompt, draw, n) * len(WORDS))] for n in range(20))


def writing(*qualities):
    """Replies: a study when asked for one, and "Do 42." with the next of these numbers for every rewrite."""
    left = iter(qualities or range(1, 100))

    def reply(prompt, draw):
        return f"<instruction>Do {next(left)}.</instruction>" if "<instruction>" in prompt else study(prompt, draw)

    return reply


def score(candidate, example):
    return quality(candidate)


def asked(world, purpose):
    return [text for what, text in world.asked if what == purpose]


def tree_of(world):
    return world.kept["prompt_agent_tree"]
