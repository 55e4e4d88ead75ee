"""The prompt without its demonstrations."""

from __future__ import annotations

from collections.abc import Iterator

from .base import Omitted, PromptPerturbation, Subject, Variant


class NoDemonstrations(PromptPerturbation):
    """The instruction alone: what the demonstrations bring, before asking what in them brings it."""

    family = "demonstrations"

    def of(self, subject: Subject, path: str) -> Iterator[Variant | Omitted]:
        if subject.candidate.prompt(path).demos:
            yield self.changed(subject, path, "none", demos=(), rule=None)
        else:
            yield self.omitted(path, "none", "the prompt has no demonstrations")
