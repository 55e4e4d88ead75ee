"""The same instruction in other words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ...teleprompters.guards import check
from ...teleprompters.metaprompts import load
from ...teleprompters.replies import instruction
from .base import Omitted, PromptPerturbation, Subject, Variant

if TYPE_CHECKING:
    from ..lm import LM, Client

ATTEMPTS = 2  # calls to the writer for each wording, at most
TEMPERATURE, MAX_TOKENS = 1.0, 512


class OtherWordings(PromptPerturbation):
    """Paraphrases of the instruction, written by a model when the run has begun (`write`)."""

    family = "wording"

    def of(self, subject: Subject, path: str) -> Iterator[Variant | Omitted]:
        if not subject.candidate.prompt(path).instruction.strip():
            yield self.omitted(path, "paraphrased", "the prompt has no instruction")
            return
        for number in range(1, subject.draws + 1):
            name = f"paraphrase {number}"
            yield Variant(self.family, name, path, subject.candidate, subject.inputs, is_unwritten=True)


def write(unwritten: Sequence[Variant], client: Client, writer: LM) -> list[Variant | Omitted]:
    """Variants of one predictor with their instructions written, ATTEMPTS calls for each at most.

    A text that is empty, too long, one that came before, or that a format would read as its own markers is not taken;
    where there are too few others the last variants are omitted. Draws are samples of one request, kept in the reply
    cache: the same writer writes the same again. Raises what `Client.send_many` raises.
    """
    candidate, path = unwritten[0].candidate, unwritten[0].predictor
    assert path is not None
    asked = load("ape_resample").fill(instruction=candidate.prompt(path).instruction)
    request = writer.chat([{"role": "user", "content": asked}], temperature=TEMPERATURE, max_tokens=MAX_TOKENS)
    texts: list[str] = []
    seen: set[str] = set()
    refused = ""
    for attempt in range(ATTEMPTS):
        wanted = len(unwritten) - len(texts)
        first = attempt * len(unwritten)
        for reply in client.send_many([(writer, request.at(first + number)) for number in range(wanted)]):
            text = "" if isinstance(reply, Exception) else instruction(reply.text) or ""
            rejection = check(text, candidate=candidate, predictor=path, pool=(), seen=seen)
            if rejection is None:
                texts.append(text)
            else:
                refused = rejection.sentence
    written: list[Variant | Omitted] = [
        replace(variant, candidate=candidate.with_prompt(path, instruction=text), is_unwritten=False)
        for variant, text in zip(unwritten, texts, strict=False)
    ]
    reason = f"the writer gave no other usable wording: {refused}"
    left = unwritten[len(texts) :]
    return written + [Omitted(variant.family, variant.name, variant.predictor, reason) for variant in left]
