"""Whether a compile has seen the rows that its file is to be scored on, as far as the file tells."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...signatures.canonical import JSON
from ...signatures.errors import BurnishError

if TYPE_CHECKING:
    from ...signatures.example import Example


def warn_of_seen(path: str, document: Mapping[str, JSON], data: str, rows: Sequence[Any]) -> None:
    """One line on stderr where rows of `data` are among those that the frozen file at `path` was made from.

    A file holds one digest for each set of rows, so what it tells of are whole sets, the whole of the rows that a
    compile split by itself, and single rows that its prompts show. Rows typed otherwise here (a CSV) are not known
    again.
    """
    if why := seen(document, rows):
        print(f"{data}: {why} of {path}; the score flatters it.", file=sys.stderr)


def seen(document: Mapping[str, JSON], rows: Sequence[Any]) -> str:
    """What rows these are to the file, as a phrase that "of FILE" goes on from; "" where nothing tells."""
    examples = _examples(document, rows)
    if document["holds"] == "finalist" and (which := _split_of(document["provenance"], examples)):
        return which
    shown = _shown(document)
    count = sum(any(_agree(one.input_values, values) for values in shown) for one in examples)
    return f"{count} of {len(rows)} rows stand as demonstrations in the prompts" if count else ""


def _examples(document: Mapping[str, JSON], rows: Sequence[Any]) -> list[Example]:
    """The rows as a compile takes them, equal ones once; none where nobody says which columns are the inputs."""
    from ...signatures.example import Example
    from ...signatures.values import to_json
    from ..frozen.scoring import inputs_of

    steps = [] if document["kind"] == "module" else list(document["predictors"].values())
    schemas = [predictor["template"]["schema"] for predictor in steps]
    given = {field["name"] for schema in schemas for field in schema["outputs"]}
    names = [field["name"] for schema in schemas for field in schema["inputs"] if field["name"] not in given]
    with suppress(BurnishError):
        made = [Example.of(to_json(dict(row)), tuple(inputs_of(row, tuple(dict.fromkeys(names))))) for row in rows]
        return list({one.digest: one for one in made}.values())
    return []


def _split_of(provenance: JSON, examples: Sequence[Example]) -> str:
    """That the prompts come from these rows or were selected on them; held-out rows choose none.

    provenance: anything, in a file that others have written.
    """
    from ..splits import split
    from ..workbench import fingerprint

    data = provenance.get("data") if isinstance(provenance, dict) else None
    if not isinstance(data, dict) or not examples:
        return ""
    kept = {name: one.get("digest") if isinstance(one, dict) else None for name, one in data.items()}
    whole = fingerprint(examples)
    if whole == kept.get("dev"):
        return "these are the rows that selected the prompts (dev)"
    if whole == kept.get("pool"):
        return "these are the rows that the search drew from (pool)"
    seed = provenance.get("seed")
    if isinstance(seed, int):
        with suppress(BurnishError):
            again = split(examples, seed=seed)
            if all(fingerprint(getattr(again, name)) == kept.get(name) for name in ("pool", "dev", "holdout")):
                used = len(again.pool) + len(again.dev)
                return f"{used} of {len(examples)} rows were used in the search for the prompts"
    return ""


def _shown(document: Mapping[str, JSON]) -> list[dict[str, JSON]]:
    """The inputs of each demonstration."""
    return [
        {field["name"]: demo["values"][field["name"]] for field in fields if field["name"] in demo["values"]}
        for predictor in document["predictors"].values()
        for fields in [predictor["template"]["schema"]["inputs"]]
        for demo in predictor["source"]["demos"]
    ]


def _agree(inputs: Mapping[str, JSON], shown: Mapping[str, JSON]) -> bool:
    """Whether a demonstration shows this row; one without any input shows none."""
    return bool(shown) and all(name in inputs and inputs[name] == value for name, value in shown.items())
