"""Whether a compiled file is whole, says what it sends, and comes from whom it should. Needs no search code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...signatures.canonical import JSON
from ...signatures.errors import FrozenError
from .checks import MALFORMED, shown
from .document import candidate_of, read_document
from .signing import Signature, check_signature


@dataclass(frozen=True)
class Verified:
    """What was checked of a file, all of which holds. goldens: requests that were rendered anew and are, byte for byte,
    those that were scored. signature: by the key that was given; None where none was asked for."""

    digest: str
    kind: str
    decision: str
    predictors: tuple[str, ...]
    goldens: int
    signature: Signature | None = None

    def to_json(self) -> dict[str, JSON]:
        signed = None if self.signature is None else self.signature.to_json()
        return {**vars(self), "predictors": list(self.predictors), "signature": signed}

    def __str__(self) -> str:
        several = "" if len(self.predictors) == 1 else "s"
        lines = [
            f"digest     {self.digest}",
            f"content    a {self.kind} with {len(self.predictors)} predictor{several}, verdict {self.decision}",
            "templates  say what the instructions and demonstrations beside them say",
            f"requests   {self.goldens} golden ones are, byte for byte, those that were scored",
            "signature  not asked for" if self.signature is None else f"signature  {self.signature}",
        ]
        return "\n".join(lines)


def verify(
    path: str | os.PathLike[str],
    signature: str | os.PathLike[str] | None = None,
    key: str | os.PathLike[str] | None = None,
) -> Verified:
    """Checks a compiled file: its digest, every part of it, its golden requests, its templates, and its signature.

    signature: a file that `sign` wrote (None, where a key is given: the file's name with ".sig"). key: the public key
    that must have made it, as PEM. Makes no call. Raises FrozenError that says what does not hold.
    """
    document = read_document(path)
    programs = [document, *([document["finalist"]] if document["finalist"] is not None else [])]
    for program in programs:
        _check_templates(program["predictors"], Path(path).name)
    signed = None
    if key is not None:
        signed = check_signature(document, path, signature or f"{os.fspath(path)}.sig", key)
    elif signature is not None:
        raise FrozenError(
            f"{os.fspath(signature)} can be checked only against a public key that you trust: anybody can sign. "
            "Give it with --key."
        )
    return Verified(
        digest=document["digest"],
        kind=document["kind"],
        decision=document["verdict"]["decision"],
        predictors=tuple(document["predictors"]),
        goldens=sum(len(program["goldens"]) for program in programs),
        signature=signed,
    )


def _check_templates(predictors: Mapping[str, JSON], name: str) -> None:
    """What a person reads in a file is its instructions and demonstrations; what is sent is its templates."""
    for path, part in candidate_of(predictors).parts:
        prompt, template = part.prompt, part.prompt.template
        try:
            rendered = prompt.with_().template  # a copy: this one carries the file's own template
        except MALFORMED as error:
            raise FrozenError(
                f"{name}: predictor {shown(path)} cannot be rendered from its source: {error} Compile it again."
            ) from None
        if rendered != template:
            parts = ("head", "demos", "tail", "rule", "demo_inputs", "demo_vectors", "response_schema_json")
            differing = [part for part in parts if getattr(rendered, part) != getattr(template, part)]
            raise FrozenError(
                f"{name}: predictor {shown(path)} sends something else than its instruction and demonstrations say "
                f"({', '.join(differing) or 'schema'} of the template). Do not use it unless you know who wrote it: "
                "`burnish show` prints the instruction, and the template is what is sent. Compile again."
            )
