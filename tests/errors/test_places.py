"""Every place that raises says what happened and what to do."""

from __future__ import annotations

import re

from .cases import INTERNAL
from .places import sites

# A word of advice, or the list of what there is. "{}": advice of the error that the message passes on.
ADVICE = re.compile(
    r"\b(add|assign|build|calibrate|call|catch|change|check|choose|clean|compile|configure|create|declare|embed|end|"
    r"fetch|fix|free|give|install|keep|known|needs steps|leave|load|lower|make|mend|move|name|pass|put|rename|return|"
    r"run|save|say|set|shorten|sign|start|take|turn|unset|use|wait|write|substitute|it has|it gives|it takes|takes|"
    r"instead|such as|as in|pip install)\b",
    re.IGNORECASE,
)
PASSED_ON = (  # these put a place before, or a promise behind, the message of another error or refusal
    "compiler/lm/cache.py",
    "compiler/runtime/program.py",
    "compiler/task.py",
    "signatures/dspy_program.py",
    "signatures/example_sources.py",
    "signatures/examples.py",
)
NEEDS_NO_ADVICE = {
    "ReplyError",  # read by the LM on a re-ask: what was expected is all it needs
    *INTERNAL,
    "BudgetSpent",
}


def test_no_place_raises_without_words():
    bare = [site for site in sites() if len(site.text) < 12 and not site.passed_on and site.error not in INTERNAL]
    assert [site for site in bare if site.error not in ("BudgetSpent", "ReplyError")] == []


def test_every_place_says_what_to_do():
    silent = [
        site
        for site in sites()
        if site.error not in NEEDS_NO_ADVICE and not site.passed_on and not ADVICE.search(site.text)
    ]
    assert [site for site in silent if not (site.place.startswith(PASSED_ON) and "{}" in site.text)] == []
