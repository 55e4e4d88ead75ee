"""burnish run."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ...signatures.canonical import JSON
from ...signatures.errors import ExampleError, ReplyError
from .arguments import lm_of, lm_of_file, named_object
from .options import command, file_options

if TYPE_CHECKING:
    from ...signatures.schema import Field
    from .options import Commands

STREAM_BLOCK = 64  # rows of standard input that are sent together


def add(commands: Commands) -> None:
    parser = command(
        commands,
        "run",
        run,
        "Call a frozen file: on one JSON object, or on JSON lines from standard input.",
        '  burnish run sentiment.json \'{"review": "Nothing about this movie works."}\'\n'
        "  burnish run sentiment.json < reviews.jsonl > labels.jsonl",
    )
    parser.add_argument("file", metavar="FILE", help="a frozen file")
    parser.add_argument(
        "inputs", metavar="JSON", nargs="?", help="an object with the input fields (default: read lines)"
    )
    file_options(parser, offline=False)


def run(parsed: argparse.Namespace) -> int:
    from ..runtime.program import load

    program = named_object(parsed.program, "--program") if parsed.program else None
    encoder = lm_of(parsed.encoder, parsed.encoder and parsed.base_url, [])
    lm = lm_of_file(parsed, parsed.file)
    frozen = load(parsed.file, lm=lm, program=program, encoder=encoder)
    if parsed.inputs is not None:
        print(_line(frozen(**_inputs(parsed.inputs, frozen.input_fields, "the argument"))))
        return 0
    failures = 0
    for block in _blocks(sys.stdin, frozen.input_fields):
        # Rows with labels are taken as they are: an output that is in them already is no input.
        rows = [
            {name: row[name] for name in row if name in frozen.inputs or name not in frozen.outputs} for row in block
        ]
        for result in frozen.batch(rows, concurrency=parsed.concurrency):
            failures += isinstance(result, ReplyError)
            print(_line(result), flush=True)
    if failures:
        print(f"burnish: {failures} replies did not parse; their lines hold the reason under 'error'.", file=sys.stderr)
    return 1 if failures else 0


def _blocks(lines: Any, fields: Mapping[str, Field]) -> Iterator[list[dict[str, JSON]]]:
    block: list[dict[str, JSON]] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                block.append(_inputs(line, fields, f"line {number}"))
            except ExampleError:
                yield block  # the lines before it are answered
                raise
        if len(block) == STREAM_BLOCK:
            yield block
            block = []
    if block:
        yield block


_OBJECT = 'Give an object with the input fields, such as {"review": "Nothing works."}'


def _inputs(text: str, fields: Mapping[str, Field], where: str) -> dict[str, JSON]:
    """The object, its inputs in the form that the compile gave such values. Raises ExampleError where they have none.

    fields: the program's inputs; empty for a module, whose code decides.
    """
    return {
        name: _fitted(fields[name], value, where) if name in fields else value
        for name, value in _object(text, where).items()
    }


def _fitted(field: Field, value: JSON, where: str) -> JSON:
    from ...signatures.values import Mismatch, coerce

    if field.is_text and isinstance(value, list):
        return value  # shown as numbered passages
    try:
        return coerce(field.json_schema, value, field.name)
    except Mismatch as mismatch:
        raise ExampleError(f"{where}: {mismatch}. The program takes {field.name} as {field.type_name}.") from None


def _object(text: str, where: str) -> dict[str, JSON]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ExampleError(f"{where} is not JSON ({error}): {_shown(text)}. {_OBJECT}") from None
    if not isinstance(value, dict):
        raise ExampleError(f"{where} is JSON and no object: {_shown(text)}. {_OBJECT}")
    return value


def _shown(text: str) -> str:
    return repr(text.strip()[:80])


def _line(result: Any) -> str:
    from ...signatures.values import to_json

    values = {"error": str(result)} if isinstance(result, ReplyError) else to_json(result.to_dict())
    return json.dumps(values, ensure_ascii=False)
