"""Export: what other tools take a compiled program as. Each target is one file; this is the list of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ...signatures.canonical import JSON
from ...signatures.errors import FrozenError
from .curl import to_curl
from .dspy import to_dspy_state
from .langchain import to_langchain
from .markdown import to_markdown
from .openai import to_openai
from .outline import check_left_out
from .promptfoo import to_promptfoo

# (checked document, paths of predictors, inputs to leave out) -> the text of the export
Writer: TypeAlias = Callable[[Mapping[str, JSON], Sequence[str], Sequence[str]], str]


@dataclass(frozen=True)
class Target:
    """suffix: of the file. whole: whether one export holds all predictors; else there is one for each."""

    write: Writer
    suffix: str
    whole: bool = False


TARGETS: Mapping[str, Target] = {
    "openai": Target(to_openai, ".json"),
    "markdown": Target(to_markdown, ".md", whole=True),
    "promptfoo": Target(to_promptfoo, ".yaml"),
    "dspy": Target(to_dspy_state, ".json", whole=True),
    "langchain": Target(to_langchain, ".json"),
    "curl": Target(to_curl, ".sh"),
}


def export(document: Mapping[str, JSON], to: str, predictor: str | None = None, leave_out: Sequence[str] = ()) -> str:
    """The text of a checked document's export; see `CompiledProgram.export`."""
    if to not in TARGETS:
        raise FrozenError(f"There is no export to {to!r}. Known: {', '.join(TARGETS)}.")
    paths = tuple(document["predictors"])
    known = ", ".join(map(repr, paths))
    if predictor is not None and predictor not in paths:
        raise FrozenError(f"This program has no predictor {predictor!r}. It has {known}.")
    chosen = paths if predictor is None else (predictor,)
    if len(chosen) > 1 and not TARGETS[to].whole:
        raise FrozenError(
            f"An export to {to} holds one predictor, and this program has {known}. Name one, predictor=...; on the "
            "command line --predictor PATH, or -o FOLDER/ for all of them."
        )
    check_left_out(document, chosen, leave_out)
    return TARGETS[to].write(document, chosen, leave_out)
