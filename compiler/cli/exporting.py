"""burnish export."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ...signatures.errors import FrozenError
from .options import command
from .writing import check_new, force_option

if TYPE_CHECKING:
    from ..frozen.compiled import CompiledProgram
    from .options import Commands

TARGETS = ("openai", "markdown", "promptfoo", "dspy", "langchain", "curl")

EXAMPLES = """\
  burnish export sentiment.json --to openai -o request.json
  burnish export sentiment.json --to markdown
  burnish export pipeline.json --to curl -o scripts/
  burnish export pipeline.json --to langchain --predictor classify --leave-out hint"""


def add(commands: Commands) -> None:
    parser = command(commands, "export", export, "Write a frozen file's prompts as another tool takes them.", EXAMPLES)
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--to", required=True, choices=TARGETS, help="the tool")
    parser.add_argument("-o", "--output", metavar="PATH", help="a file, or a folder (NAME/) for one file a predictor")
    parser.add_argument("--predictor", metavar="PATH", help="of several predictors the one to export")
    parser.add_argument(
        "--leave-out",
        metavar="INPUT",
        action="append",
        default=[],
        help="an optional input that is not given in calls; may be repeated",
    )
    force_option(parser)


def export(parsed: argparse.Namespace) -> int:
    from ..frozen.compiled import CompiledProgram

    compiled = CompiledProgram.load(parsed.file)
    if parsed.output is not None and (parsed.output.endswith(("/", "\\")) or os.path.isdir(parsed.output)):
        _into_folder(compiled, parsed, Path(parsed.output))
        return 0
    text = compiled.export(parsed.to, parsed.predictor, parsed.leave_out)
    if parsed.output is None:
        print(text, end="")
    else:
        check_new(parsed.output, text, {"FILE": parsed.file}, parsed.force)
        _write(Path(parsed.output), text)
    return 0


def _into_folder(compiled: CompiledProgram, parsed: argparse.Namespace, folder: Path) -> None:
    """One file a predictor, named for its path; nothing is written unless all of them can be."""
    from ..export import TARGETS as KNOWN

    target = KNOWN[parsed.to]
    texts: dict[str, str] = {}
    paths = [parsed.predictor] if parsed.predictor or target.whole else compiled.candidate.predictors
    for path in paths:
        stem = re.sub(r"\W+", "_", path or "program").strip("_") or "predictor"
        while f"{stem}{target.suffix}" in texts:
            stem += "_"
        texts[f"{stem}{target.suffix}"] = compiled.export(parsed.to, path, parsed.leave_out)
    for name, text in texts.items():
        check_new(str(folder / name), text, {"FILE": parsed.file}, parsed.force)
    for name, text in texts.items():
        _write(folder / name, text, folder=True)
        print(folder / name)


def _write(place: Path, text: str, folder: bool = False) -> None:
    try:
        if folder:
            place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise FrozenError(f"{place} cannot be written: {error.strerror}. Give another place with -o.") from None
