"""Where rows come from: files, data frames, datasets and lists, each read into dictionaries."""

from __future__ import annotations

import csv
import difflib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from .canonical import JSON
from .errors import ExampleError

# A row's place in its source ("row 17 of reviews.jsonl") and its values. A value may be any Python object.
Row: TypeAlias = tuple[str, Mapping[str, Any]]

NOTHING_SPENT = "Nothing was spent."


def rows_of(source: object, limit: int | None, name: str = "the list") -> Iterator[Row]:
    """The rows of anything that `load_examples` takes, at most `limit` of them.

    name: what messages call a source that has no name of its own. Raises ExampleError naming file, row and remedy.
    """
    return islice(_all_rows(source, limit, name), limit)


def source_name(source: object, name: str = "the list") -> str:
    """What messages call a source."""
    if isinstance(source, str | os.PathLike):
        return Path(source).name
    return {"pandas": "the data frame", "polars": "the data frame", "datasets": "the dataset"}.get(
        _library(source), name
    )


def refuse(message: str) -> NoReturn:
    raise ExampleError(f"{message}\n{NOTHING_SPENT}")


def _all_rows(source: object, limit: int | None, name: str) -> Iterator[Row]:
    library = _library(source)
    named = source_name(source, name)
    if isinstance(source, str | os.PathLike):
        return _file_rows(Path(source))
    if library == "pandas":
        return _pandas_rows(source, named)
    if library == "polars":
        return _numbered((_without_nan(row) for row in source.iter_rows(named=True)), named)  # type: ignore[attr-defined]
    if library == "datasets":
        return _dataset_rows(source, limit, named)
    if isinstance(source, Mapping) or not isinstance(source, Iterable):
        refuse(
            f"{source!r:.80} is not a set of rows. Pass a path (.jsonl, .json, .csv), a pandas or polars frame, a "
            "Hugging Face dataset, or a list of dictionaries or dspy.Examples."
        )
    return _listed(source, named)


def _library(source: object) -> str:
    # By name, so that nothing is imported that the caller has not imported.
    return type(source).__module__.partition(".")[0]


def _numbered(rows: Iterable[Mapping[str, Any]], name: str) -> Iterator[Row]:
    for number, row in enumerate(rows, 1):
        yield f"row {number} of {name}", row


def _listed(rows: Iterable[object], name: str) -> Iterator[Row]:
    for number, row in enumerate(rows, 1):
        place = f"row {number} of {name}"
        if not isinstance(row, Mapping) and not _is_example(row):
            refuse(f"{place} is {row!r:.80}, neither a dictionary nor a dspy.Example. Pass such rows.")
        yield getattr(row, "_burnish_place", None) or place, row  # type: ignore[misc]


def _is_example(row: object) -> bool:
    return hasattr(row, "_input_keys") and hasattr(row, "with_inputs")


# Files


def _file_rows(path: Path) -> Iterator[Row]:
    readers: dict[str, Callable[[Path], Iterator[Row]]] = {
        ".jsonl": _jsonl_rows,
        ".json": _json_rows,
        ".csv": _csv_rows,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        refuse(
            f"{path.name} ends in {path.suffix!r}; rows are read from {', '.join(readers)}. "
            "Load it yourself and pass a list of dictionaries or a data frame."
        )
    if not path.is_file():
        refuse(_missing(path))
    try:
        yield from reader(path)
    except UnicodeDecodeError as error:
        refuse(f"{path.name} is not UTF-8 text (byte {error.start}: {error.reason}). Save it as UTF-8.")
    except OSError as error:
        refuse(f"{path.name} cannot be read: {error.strerror}. Make it readable, or pass the rows themselves.")


def _missing(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"There is no file {path} (and no folder {folder}). Give the path of one that there is."
    names = [each.name for each in folder.iterdir() if each.is_file()]
    alike = difflib.get_close_matches(path.name, names, n=3, cutoff=0.6)
    where = "in the current folder" if folder == Path(".") else f"in {folder}"
    return f"There is no file {path.name} {where}. " + (
        f"There is: {', '.join(alike)}." if alike else "Give the path of one that there is."
    )


def _jsonl_rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                place = f"row {number} of {path.name}"
                yield place, _object(_json(line, place), place)


def _json_rows(path: Path) -> Iterator[Row]:
    rows = _json(path.read_text(encoding="utf-8-sig"), path.name)
    if not isinstance(rows, list):
        refuse(f"{path.name} holds {_shown(rows)}, not a list of objects. Save one object a line as .jsonl, or a list.")
    for number, row in enumerate(rows, 1):
        place = f"row {number} of {path.name}"
        yield place, _object(row, place)


def _csv_rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines, strict=True)
        header: list[str] = []
        number = 0
        try:
            header = next(reader, [])
            _check_columns(header, path.name)
            for values in reader:
                if not values:
                    continue
                number += 1
                if len(values) != len(header):
                    refuse(
                        f"row {number} of {path.name} has {len(values)} values for {len(header)} columns "
                        f"({', '.join(header)}). Put quotes around values that hold commas or line breaks."
                    )
                yield f"row {number} of {path.name}", dict(zip(header, values, strict=True))
        except csv.Error as error:
            refuse(f"row {number + 1} of {path.name} is not CSV: {error}. Mend it, or save the rows as .jsonl.")


def _json(text: str, place: str) -> JSON:
    try:
        return json.loads(text, parse_constant=_not_json)
    except (ValueError, RecursionError) as error:
        refuse(f"{place} is not JSON: {error}. Mend it, or leave it out.")


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON, write null")


def _object(row: JSON, place: str) -> Mapping[str, JSON]:
    if not isinstance(row, dict):
        refuse(f"{place} is {_shown(row)}, not an object with a value for each field. Write it as one.")
    return row


def _shown(value: JSON) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:56]} ..."


def _check_columns(names: Iterable[Any], where: str) -> None:
    seen = set()
    for name in names:
        if not isinstance(name, str):
            refuse(f"{where} has a column named {name!r}. Name columns with text.")
        if name in seen:
            refuse(f"{where} has two columns named {name!r}. Rename one.")
        seen.add(name)


# Frames and datasets


def _pandas_rows(frame: Any, name: str) -> Iterator[Row]:
    if not hasattr(frame, "columns"):
        refuse(f"{name} is a {type(frame).__name__}, not a DataFrame. Pass a DataFrame.")
    _check_columns(frame.columns, name)
    # A missing value is NaN, NaT or NA, after the column's type; all of them mean that there is no value.
    present = frame.astype(object).where(frame.notna(), None)
    columns = [[_plain(value) for value in present[column]] for column in frame.columns]
    names = list(frame.columns)
    rows = (dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))
    return _numbered((_without_nan(row) for row in rows), name)


def _plain(value: Any) -> Any:
    """A numpy scalar or array, or a pandas time, as plain Python has it."""
    for method in ("to_pydatetime", "to_pytimedelta", "tolist"):
        if hasattr(value, method):
            return getattr(value, method)()
    return value


def _without_nan(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(value, float) and value != value else value for name, value in row.items()}


def _dataset_rows(dataset: Any, limit: int | None, name: str) -> Iterator[Row]:
    if isinstance(dataset, Mapping):
        splits = ", ".join(repr(split) for split in dataset)
        first = next(iter(dataset), "train")
        refuse(f"This is a DatasetDict with the splits {splits}. Pass one of them: dataset[{first!r}].")
    if not hasattr(dataset, "__len__") and limit is None:
        refuse("This dataset is streamed and may have no end. Pass load_examples(dataset, limit=1000).")
    return _numbered(dataset, name)
