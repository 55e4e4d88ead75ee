"""What -o may overwrite: nothing that the command reads, and without --force only what the same command wrote."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...signatures.errors import BurnishError


@dataclass(frozen=True)
class Kind:
    """A kind of file that a command writes. name: in words. begins: how one begins; holds: what stands further down."""

    name: str
    begins: re.Pattern[bytes]
    holds: bytes = b""

    def is_kind_of(self, content: bytes) -> bool:
        return self.begins.match(content) is not None and self.holds in content


FROZEN = Kind("frozen file of Burnish", re.compile(rb'\s*\{\s*"format"\s*:\s*"burnish/\d'))
SIGNATURE = Kind("signature of Burnish", re.compile(rb'\s*\{\s*"format"\s*:\s*"burnish-signature/\d'))
REPORT = Kind("report of Burnish", re.compile(rb"<!doctype html>"), b"Burnish report</title>")


def force_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--force", action="store_true", help="let -o overwrite a file of any kind (never one that the command reads)"
    )


def check_output(output: str, kind: Kind, reads: Mapping[str, str | None], force: bool) -> None:
    """Raises BurnishError where the file at `output` would be lost, or cannot be put there.

    For commands that put a whole new file in the place of the old one, and run before anything is paid for.
    kind: what may be overwritten. reads: the files that the command reads, by the option that names each; None where
    it is not given.
    """
    place = Path(output)
    _check_folder(output)
    if not place.exists():
        return
    _check_reads(place, output, reads)
    if not place.is_file():
        raise BurnishError(f"-o {output} is there already and is no file. Give another name. Nothing was written.")
    if not force and place.stat().st_size and not kind.is_kind_of(_content(place)):
        raise BurnishError(
            f"-o {output} is there already and is no {kind.name}. Give another name, or overwrite it with --force. "
            "Nothing was written."
        )


def check_new(output: str, text: str, reads: Mapping[str, str | None], force: bool) -> None:
    """The same for what cannot be told by its look: a file that is there already must hold this text, or nothing."""
    place = Path(output)
    if not place.exists():
        return
    _check_reads(place, output, reads)
    if force or not place.is_file() or not place.stat().st_size or _content(place) == text.encode("utf-8"):
        return
    raise BurnishError(f"-o {output} is there already. Give another name, or overwrite it with --force.")


def source_of(name: str | None) -> str | None:
    """The file that `file.py:attribute`, or `module:attribute` from this folder, is read from."""
    if name is None:
        return None
    source = name.rpartition(":")[0]
    return source if source.endswith(".py") else source.replace(".", os.sep) + ".py"


def _check_folder(output: str) -> None:
    folder = Path(output).parent
    if not folder.is_dir():
        raise BurnishError(f"-o {output}: there is no folder {str(folder)!r}. Create it first. Nothing was written.")


def _check_reads(place: Path, output: str, reads: Mapping[str, str | None]) -> None:
    for option, path in reads.items():
        if path is not None and Path(path).exists() and place.samefile(path):
            raise BurnishError(
                f"-o {output} would overwrite what the command reads as {option}. Give another name. "
                "Nothing was written."
            )


def _content(place: Path) -> bytes:
    try:
        return place.read_bytes()
    except OSError as error:
        raise BurnishError(
            f"-o {place} is there already and cannot be read: {error.strerror}. Give another name. Nothing was written."
        ) from None
