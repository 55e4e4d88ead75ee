"""Chains of reasoning inside demonstrations: which field holds them, how long they are, where they lead."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ....signatures.candidate import Candidate
from ....signatures.canonical import JSON
from ....signatures.schema import Field, Schema
from ...induction import as_text

_STEP = re.compile(r"\n+|(?<=[^\W\d_][.!?])\s+|(?<=\d[.!?])\s+(?=[^\W\d_a-z])")
_NUMBERING = re.compile(r"\A[\s>*#-]*(?:(?:step\s*)?\d+\s*[.):]?|[-*•])?\s*\Z", re.IGNORECASE)
_COMMA = re.compile(r"(?<=\d),(?=\d{3}\b)")
_LAST_WORDS = 10


def reasoning_field(schema: Schema) -> Field | None:
    """The first output, where it is free text and another output follows it: what is thought before the answer."""
    first, *others = schema.outputs
    return first if first.is_text and others else None


def reasoners(candidate: Candidate) -> list[str]:
    """The predictors that write free text before their answer."""
    return [path for path in candidate.predictors if reasoning_field(candidate.prompt(path).schema)]


def steps_in(chain: str) -> int:
    """Sentences and lines that say something: chat models write several steps a line, or number them."""
    return sum(not _NUMBERING.match(piece) for piece in _STEP.split(chain.strip()))


def ends_in(chain: str, answer: JSON) -> bool:
    """Whether the chain's last sentence, or its last ten words, hold the answer.

    Case and thousands commas do not count. An answer that has no text of its own (a list, an object) is not looked for:
    True.
    """
    if isinstance(answer, list | Mapping):
        return True
    sought = _plain(as_text(answer)).strip().rstrip(".")
    last = [piece for piece in _STEP.split(chain.strip()) if piece.strip()][-1:]
    words = chain.split()[-_LAST_WORDS:]
    pattern = re.compile(rf"(?<!\w){re.escape(sought)}(?!\w)")
    return bool(sought) and any(pattern.search(_plain(text)) for text in (*last, " ".join(words)))


def _plain(text: str) -> str:
    return _COMMA.sub("", text).casefold()
