"""The same prompt in every other format."""

from __future__ import annotations

from collections.abc import Iterator

from ...signatures.errors import SchemaError
from .base import Omitted, PromptPerturbation, Subject, Variant

OTHERS = ("chat", "json", "plain", "xml")  # what any program can be moved to; "bare" takes a single field each


class OtherFormats(PromptPerturbation):
    """The same instruction, demonstrations and fields laid out in another format.

    What a prompt means does not change, and yet scores of one model differ by up to 76 points between formats.
    Source: Sclar et al. 2024, "Quantifying Language Models' Sensitivity to Spurious Features in Prompt Design",
    arXiv 2310.11324.
    """

    family = "format"

    def of(self, subject: Subject, path: str) -> Iterator[Variant | Omitted]:
        for name in OTHERS:
            if name == subject.candidate.prompt(path).format:
                continue
            try:
                yield self.changed(subject, path, name, format=name)
            except SchemaError as error:
                yield self.omitted(path, name, str(error))
