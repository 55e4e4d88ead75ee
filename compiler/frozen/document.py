"""The document that a compiled file holds: to text and back. Nothing in it is executed or unpickled.

A file may come from anywhere: what does not read as a checked document gives one FrozenError that says why.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...signatures.candidate import Candidate, Part, Settings
from ...signatures.canonical import JSON, canonical, digest
from ...signatures.errors import FrozenError
from ...signatures.prompt import Demo, Prompt, Template
from .checks import MALFORMED, Refused, check_structure, shown
from .goldens import check_goldens

if TYPE_CHECKING:
    from ..evidence import Verdict

FORMAT = "burnish/1"
MAX_BYTES = 64 * 2**20
MAX_DEPTH = 64
MAX_VALUES = 4_000_000  # an empty list of two bytes takes fifty in memory
MAX_DIGITS = 64  # of a number: beyond it, reading or printing a whole number takes quadratic time


def document_text(document: Mapping[str, JSON]) -> str:
    """The text of the file: one value a line, in the order in which the document was built, so that diffs read well."""
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def document_digest(document: Mapping[str, JSON]) -> str:
    """sha256 over the canonical JSON of everything but the digest itself."""
    return digest({name: value for name, value in document.items() if name != "digest"})


def read_document(path: str | os.PathLike[str]) -> dict[str, JSON]:
    """The checked document in a file. Raises FrozenError on anything else, naming the file and what to do."""
    place = Path(path)
    try:
        with place.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise FrozenError(
            f"{place} cannot be read: {error.strerror}. Give the path that compiled.save(path) wrote."
        ) from None
    return parse_document(content, str(place))


def parse_document(content: bytes, name: str) -> dict[str, JSON]:
    """The checked document in the bytes of a file called `name`. Raises FrozenError on anything else."""
    try:
        return _parse(content)
    except Refused as refused:
        raise FrozenError(
            f"{name} cannot be loaded: {refused}\n"
            "Take the file again from where it was compiled, or compile again: it cannot be mended by hand."
        ) from None


def _parse(content: bytes) -> dict[str, JSON]:
    if len(content) > MAX_BYTES:
        raise Refused(f"it is larger than {MAX_BYTES} bytes.")
    # Counted before they are made; those inside of texts count too, which are few.
    if sum(map(content.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise Refused(f"it holds more than {MAX_VALUES} values.")
    try:
        # A checkout may have written CRLF; inside of JSON strings a raw line end cannot stand.
        text = content.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise Refused(f"it is not UTF-8 (byte {error.start}).") from None
    try:
        document = json.loads(
            text,
            object_pairs_hook=_no_duplicates,
            parse_constant=_no_constant,
            parse_int=_bounded_int,
            parse_float=_finite_float,
        )
    except json.JSONDecodeError as error:
        raise Refused(f"it is not JSON (line {error.lineno}, column {error.colno}: {error.msg}).") from None
    except RecursionError:
        raise Refused(f"it is nested more than {MAX_DEPTH} levels deep.") from None
    _check_depth(document)
    if not isinstance(document, dict) or not isinstance(document.get("format"), str):
        raise Refused("it is not a compiled program: it has no 'format'.")
    if document["format"] != FORMAT:
        raise Refused(
            f"its format is {shown(document['format'])}, and this version reads {FORMAT!r}. "
            "Load it with the version of burnish that wrote it."
        )
    if document.get("digest") != document_digest(document) or document_text(document) != text:
        raise Refused("it was changed after it was written: its content does not match its digest.")
    check_structure(document)
    for program in (document, document["finalist"]):
        if program is not None:
            lm = program.get("lm") or document["lm"]
            check_goldens(candidate_of(program["predictors"]), lm["model"], program["goldens"])
    return document


def _no_duplicates(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise Refused(f"the key {shown(twice)} stands twice in one object.")
    return found


def _no_constant(word: str) -> JSON:
    raise Refused(f"it holds the number {word}.")


def _bounded_int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise Refused(f"it holds a number of {len(digits)} digits.")
    return int(digits)


def _finite_float(digits: str) -> float:
    number = float(digits)
    if len(digits) > MAX_DIGITS or number in (float("inf"), float("-inf")):
        raise Refused(f"it holds the number {shown(digits)}.")
    return number


def _check_depth(document: JSON) -> None:
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [item for value in level for item in _items(value)]
        if not level:
            return
    raise Refused(f"it is nested more than {MAX_DEPTH} levels deep.")


def _items(value: JSON) -> Iterator[JSON]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def verdict_of(document: Mapping[str, JSON]) -> Verdict:
    """The file's verdict. Raises FrozenError when it is not as this version writes it."""
    from ..evidence import Verdict

    try:
        verdict = Verdict.from_json(document["verdict"])
        str(verdict)
    except MALFORMED as error:
        raise FrozenError(
            f"The verdict of the file is not as this version of burnish writes it: {error}. Load it with the version "
            "that wrote it."
        ) from None
    return verdict


def candidate_of(predictors: Mapping[str, JSON]) -> Candidate:
    """The candidate that the file's predictors describe. Its templates are those of the file, not rendered anew."""
    parts: dict[str, Part] = {}
    for path, data in predictors.items():
        template, source = Template.from_json(data["template"]), data["source"]
        demos = [Demo.from_json(demo) for demo in source["demos"]]
        prompt = Prompt(
            schema=template.schema,
            instruction=source["instruction"],
            demos=tuple(_with_vectors(demos, template)),
            format=template.format,
            position=source["position"],
            rule=template.rule,
        )
        # `Prompt.template` is a cached property: filling its place makes the file's own text the one that is rendered.
        prompt.__dict__["template"] = template
        parts[path] = Part(prompt, Settings.from_json(data["settings"]))
    return Candidate.of(parts)


def _with_vectors(demos: Sequence[Demo], template: Template) -> Iterator[Demo]:
    """The demonstrations with the vectors that the template has for their inputs, so that one can go on from them."""
    known = dict(zip(template.demo_inputs, template.demo_vectors, strict=False))
    for demo in demos:
        inputs = {f.name: demo.values[f.name] for f in template.schema.inputs if f.name in demo.values}
        yield replace(demo, vector=known.get(canonical(inputs))) if known else demo
