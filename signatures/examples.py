"""Rows of data: loaded from wherever they are, and checked against the program before any call."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from .canonical import JSON
from .errors import ExampleError, SchemaError
from .example import Example
from .example_sources import NOTHING_SPENT, refuse, rows_of, source_name
from .schema import Field
from .values import Mismatch, coerce, to_json

if TYPE_CHECKING:
    from .dspy_bridge import Program

Role: TypeAlias = Literal["trainset", "valset", "holdout"]

_SURROGATE = re.compile("[\ud800-\udfff]")  # Python joins pairs, so one that is left stands alone


class Examples(list[Any]):
    """A list of `dspy.Example`s. source: what messages call where they came from. inputs: the input columns, or None
    when the program decides. Each example remembers its row, also when the list is cut, shuffled or split."""

    def __init__(self, examples: Iterable[Any], source: str, inputs: tuple[str, ...] | None) -> None:
        super().__init__(examples)
        self.source = source
        self.inputs = inputs


class CheckedExamples(tuple[Example, ...]):
    """Rows that fit the program, equal ones kept once. duplicates: how many were left out for being equal."""

    duplicates: int = 0


def load_examples(source: object, inputs: str | Sequence[str] | None = None, *, limit: int | None = None) -> Examples:
    """Rows as dspy.Examples, from a .jsonl, .json (a list of objects) or .csv file (all values are text), a pandas or
    polars frame, a Hugging Face dataset, or a list of dictionaries or dspy.Examples.

    inputs: names of the columns that are the program's inputs; None: the columns named like the program's inputs.
    limit: read at most so many rows. Missing values of frames (NaN, NaT) become None.
    Raises ExampleError that names file, row and field.
    """
    from .dspy_bridge import Example as DspyExample

    named = (inputs,) if isinstance(inputs, str) else None if inputs is None else tuple(inputs)
    if limit is not None and limit < 1:
        refuse(f"limit={limit} leaves no rows. Give a positive number, or leave it out.")
    examples = []
    for place, row in rows_of(source, limit):
        example = DspyExample(dict(row.items()))
        kept = named if named is not None else getattr(row, "_input_keys", None)
        if kept is not None:
            _check_present(kept, row, place)
            example = example.with_inputs(*kept)
        example._burnish_place = place
        examples.append(example)
    if not examples:
        refuse(f"{source_name(source)} has no rows. Give at least one.")
    return Examples(examples, source_name(source), named)


def check_examples(rows: object, program: Program, *, role: Role) -> CheckedExamples:
    """The rows as checked Examples: complete, typed as the program's fields say, equal ones once.

    rows: what `load_examples` returns or takes. The inputs of a row are those it was marked with (`inputs=` or
    `with_inputs`), else the columns named like the program's inputs, or like the parameters of a module's forward();
    all other columns are labels or metadata.
    Values that fit a field only in another spelling ("3" where an integer is due) are turned into what was meant.
    Raises ExampleError that names row and field: no rows, a missing or an unknown input, a value of a wrong type or
    that is not JSON, a text with a lone surrogate, or inputs that nobody stated and the program does not tell.
    """
    checked: dict[str, Example] = {}
    fields = {name: _Column(field, field.is_text, field.json_schema) for name, field in program.fields.items()}
    count = 0
    for place, row in rows_of(rows, None, role):
        inputs = _inputs(row, program, place, role)
        values = {name: _value(name, value, fields.get(name), name in inputs, place) for name, value in row.items()}
        example = Example.of(values, inputs, place)
        _check_unicode(example)
        checked.setdefault(example.digest, example)
        count += 1
    if not count:
        refuse(f"{role} has no rows. Pass at least one example.")
    found = CheckedExamples(checked.values())
    found.duplicates = count - len(found)
    return found


def split_overlap(a: Iterable[Example], b: Iterable[Example]) -> tuple[str, ...]:
    """Digests of the examples that are in both, in the order of `a`."""
    other = {example.digest for example in b}
    return tuple(dict.fromkeys(example.digest for example in a if example.digest in other))


def _inputs(row: Mapping[str, Any], program: Program, place: str, role: Role) -> tuple[str, ...]:
    marked = getattr(row, "_input_keys", None)
    taken = {name: program.fields[name].required for name in program.inputs}
    if marked is None:
        if program.kind == "module":
            taken = dict.fromkeys(_parameters(program, place, role), True)
        inputs = tuple(name for name in taken if name in row)
    else:
        _check_present(marked, row, place)
        inputs = tuple(name for name in row.keys() if name in marked)  # noqa: SIM118 - dspy.Example hides some keys
        unknown = [name for name in inputs if name not in program.inputs]
        if unknown and program.kind != "module":
            refuse(
                f"{place} has the input {unknown[0]!r}, which the program does not take. "
                f"It takes: {_names(program.inputs)}. Leave the column out of inputs=, or rename it."
            )
    for name, required in taken.items():
        if required and name not in inputs:
            marking = " among its inputs" if name in row else ""
            refuse(
                f"{place} has no field {name!r}{marking}, which the program takes.\n"
                f"It has: {_names(row.keys())}. Rename the column, or mark it with load_examples(..., inputs=[...])."
            )
    return inputs


def _parameters(program: Program, place: str, role: Role) -> tuple[str, ...]:
    """What a module's forward() must be given. What it may be given can be a label's name, which nobody means to show
    it, so a column is such an input only where the row says so."""
    if not program.parameters:
        refuse(
            f"{place} does not say which columns are inputs, and the parameters of the module's forward() do not tell. "
            f"Load the {role} with load_examples(..., inputs=[...]), or mark each row: example.with_inputs(...)."
        )
    return program.parameters


def _check_present(inputs: Iterable[str], row: Mapping[str, Any], place: str) -> None:
    for name in inputs:
        if name not in row:
            refuse(
                f"{place} has no field {name!r}, which was named as an input.\n"
                f"It has: {_names(row.keys())}. Give inputs= from these, or rename the column."
            )


class _Column(NamedTuple):
    """A field of the program, with what is asked of it for every row."""

    field: Field
    is_text: bool
    json_schema: Mapping[str, JSON]

    def takes(self, value: JSON, is_input: bool) -> bool:
        """Whether a value needs no check against the field's type."""
        if is_input:
            # A list in a text field is shown as numbered passages.
            return self.is_text and isinstance(value, str | list)
        # A label may be missing; and what stands beside a text output may be anything that the metric reads.
        return self.is_text or value is None


def _value(name: str, value: object, column: _Column | None, is_input: bool, place: str) -> JSON:
    try:
        plain = to_json(value)
        return plain if column is None or column.takes(plain, is_input) else coerce(column.json_schema, plain, name)
    except SchemaError as error:
        raise ExampleError(f"{place}, field {name!r}: {error}\n{NOTHING_SPENT}") from error
    except Mismatch as error:
        declared = f"{'an input' if is_input else 'an output'} of type {column.field.type_name}" if column else ""
        raise ExampleError(
            f"{place}: {error}. The program declares {declared}: mend the column, or change the signature.\n"
            f"{NOTHING_SPENT}"
        ) from error


def _check_unicode(example: Example) -> None:
    """Refuses a lone surrogate, in a column's name too: no request, file or page can hold one."""
    if _SURROGATE.search(example.data) is None:
        return
    for name, value in example.values.items():
        found = _SURROGATE.search(json.dumps([name, value], ensure_ascii=False))
        if found is not None:
            refuse(
                f"{example.place}, field {name!a}: the text holds a lone surrogate ({found[0]!a}), half of a "
                "character, which cannot be sent or written as UTF-8. Mend the text, or leave out the row."
            )


def _names(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names) or "nothing"
