"""Worlds that a test can build in one line: rows of reviews, and a language model whose skill depends on its prompt."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Literal

import pytest


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    """Every test has its own reply cache and working folder, and no key of the person who runs it."""
    monkeypatch.setenv("BURNISH_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "BURNISH_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def fraction(*parts: object) -> float:
    """A number from 0 to 1 that depends on the parts alone."""
    return int(hashlib.sha256(repr(parts).encode()).hexdigest()[:12], 16) / 16**12


def reviews(count: int, start: int = 0) -> list[dict[str, str]]:
    """Rows with the columns review and label; the label cannot be guessed from the text."""
    return [
        {"review": f"Review number {n} of a film.", "label": "positive" if fraction("label", n) < 0.5 else "negative"}
        for n in range(start, start + count)
    ]


def review_replies(skill: Callable[[str], float]):
    """Replies to requests about reviews: a label that is right with the probability skill(whole prompt), the same way
    every time, in the format that is asked for (chat or plain); or a new instruction where one is asked for."""

    def respond(messages, body):
        prompt = "\n".join(str(message["content"]) for message in messages)
        asked = str(messages[-1]["content"])
        numbers = re.findall(r"Review number (\d+)", asked)
        if not numbers or "nstruction" in asked:
            return f"Judge the film with care {int(1000 * fraction('proposal', prompt, body.get('seed')))}."
        number = int(numbers[-1])
        right = "positive" if fraction("label", number) < 0.5 else "negative"
        wrong = {"positive": "negative", "negative": "positive"}[right]
        before = "\n".join(str(message["content"]) for message in messages[:-1])
        label = right if fraction("answer", number, before) < skill(prompt) else wrong
        return f"[[ ## label ## ]]\n{label}\n\n[[ ## completed ## ]]" if "[[ ## " in prompt else label

    return respond


def reviewer(skill: Callable[[str], float], **options):
    """A ScriptedLM that answers with `review_replies(skill)`."""
    from burnish.testing import ScriptedLM

    return ScriptedLM(review_replies(skill), **options)


@pytest.fixture(name="review_replies")
def _review_replies():
    return review_replies


@pytest.fixture(name="reviews")
def _reviews():
    return reviews


@pytest.fixture(name="reviewer")
def _reviewer():
    return reviewer


@pytest.fixture
def program():
    """A bare predictor that classifies reviews."""
    import burnish as b

    class Sentiment(b.Signature):
        """Classify the sentiment of a movie review."""

        review: str = b.InputField()
        label: Literal["positive", "negative"] = b.OutputField()

    return b.Predict(Sentiment)
