"""What the tests of ABO share: an optimizer LM that does what it is asked, and what stands in prompts."""

from __future__ import annotations

import json
import re

OPEN = {"self": (("review",), ("reasoning", "label"))}  # a predictor that writes free text before its answer
KINDS = {
    "Write the procedure": "steps",
    "Carry out the procedure on this input": "demonstration",
    "Bring the text up to date": "update",
    "Find the first step": "locate",
    "Replace step": "refine",
}


def kind(prompt):
    return next((name for mark, name in KINDS.items() if mark in prompt), "other")


def steps_in(prompt):
    block = re.search(r"<(steps|procedure)>\n(.*?)\n</\1>", prompt, re.DOTALL)
    return re.findall(r"^Step \d+: (.*)$", block[2], re.MULTILINE)


def work(prompt):
    """A demonstration that follows every step of the prompt to the output that it is given."""
    count = len(steps_in(prompt))
    answer = re.search(r"^Output: (?:\w+: )?(.*)$", prompt, re.MULTILINE)[1]
    done = "\n".join(f"Step {n}: done." for n in range(1, count + 1))
    return f"<demonstration>{done} So it is {answer}.</demonstration>"


def broken_down(prompt, draw):
    """The steps of the prompt, the one that fails in two."""
    steps, at = steps_in(prompt), int(re.search(r"Replace step (\d+)", prompt)[1])
    steps[at - 1 : at] = [f"Look closely {draw}.", f"Decide {draw}."]
    return "<steps>\n" + "\n".join(f"{n}. {step}" for n, step in enumerate(steps, start=1)) + "\n</steps>"


def blame(step, reason="It guessed."):
    return json.dumps({"step": step, "reason": reason})


def obliging(prompt, draw):
    """An optimizer LM that does what it is asked: three steps, then always a new reason for the second one."""
    said = {
        "steps": lambda: f"<steps>\n1. Read it {draw}.\n2. Judge it.\n3. Give the label.\n</steps>",
        "demonstration": lambda: work(prompt),
        "update": lambda: work(prompt),
        "locate": lambda: blame(2, " ".join(f"w{draw}-{n}" for n in range(5))),
        "refine": lambda: broken_down(prompt, draw),
    }
    return said.get(kind(prompt), lambda: f"<instruction>Sort in manner {draw}.</instruction>")()


def listed(candidate, path="self"):
    return re.findall(r"^Step \d+: (.*)$", candidate.prompt(path).instruction, re.MULTILINE)


def shown(candidate, path="self"):
    (demo,) = candidate.prompt(path).demos
    return demo


def by_count(**scores):
    """Scores by the number of steps: three=0.4 and so on; nothing for a candidate without steps."""
    names = ("none", "one", "two", "three", "four", "five", "six", "seven")
    return lambda candidate, example: scores.get(names[min(len(listed(candidate)), 7)], 0.0)
