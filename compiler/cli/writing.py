"""What -o may overwrite: nothing that the command reads, and without --force only what the same command wrote."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.machinery import PathFinder
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
        "--force",
        action="store_true",
        help="let -o overwrite a file of any kind (never one that the command reads)",
    )


def check_output(output: str, kind: Kind, reads: Mapping[str, str | None], force: bool) -> None:
    """Raises BurnishError where the file at `output` would be lost, or cannot be put there.

    For commands that put a whole new file in the place of the old one, and run before anything is paid for.
    kind: what may be overwritten. reads: the files that the command reads, and folders that it reads whole, by the
    option that names each; None where it is not given.
    """
    place = Path(output)
    _check_no_device(output)
    _check_name(output, f"{output}.{os.getpid()}.draft.")  # as long as the name that it is first written under
    _check_folder(output)
    _check_reads(place, output, reads)
    if not place.exists():
        return
    _check_loaded(place, output)
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
    _check_no_device(output)
    _check_name(output, output)
    _check_reads(place, output, reads)
    if not place.exists():
        return
    if force or not place.is_file() or not place.stat().st_size or _content(place) == text.encode("utf-8"):
        return
    raise BurnishError(f"-o {output} is there already. Give another name, or overwrite it with --force.")


def source_of(name: str | None) -> str | None:
    """The file that `file.py:attribute` or `module:attribute` is read from; None where there is no such file."""
    source = (name or "").rpartition(":")[0]
    return source if source.endswith(".py") else _file_of_module(source)


def _file_of_module(module: str) -> str | None:
    """Where an import from this folder would find it. Runs no code, unlike `importlib.util.find_spec`."""
    places, file = [str(Path.cwd()), *sys.path], None
    for part in module.split("."):
        spec = PathFinder.find_spec(part, places)
        if spec is None:
            return None
        places, file = list(spec.submodule_search_locations or ()), spec.origin
    return file


def _check_no_device(output: str) -> None:
    """By the name as given: what /dev/stdout leads to may be an ordinary file, and the finished one takes the name."""
    path = Path(os.path.abspath(output))
    devices, memory = (Path("/dev"), Path("/proc")), Path("/dev/shm")  # a folder of ordinary files
    if any(folder in (path, *path.parents) for folder in devices) and memory not in path.parents:
        raise BurnishError(
            f"-o {output} is no place for a file: it would take the place of the device. Give the name of a file. "
            "Nothing was written."
        )


def _check_name(output: str, tried: str) -> None:
    try:
        os.lstat(tried)
    except (FileNotFoundError, NotADirectoryError):
        return  # told by what looks at the folder
    except OSError as error:
        raise BurnishError(
            f"-o {output} cannot be written: {error.strerror}. Give another name. Nothing was written."
        ) from None


def _check_folder(output: str) -> None:
    place = Path(os.path.realpath(output)) if os.path.islink(output) else Path(output)  # a link stays: see its target
    folder = place.parent
    if not folder.is_dir():
        raise BurnishError(f"-o {output}: there is no folder {str(folder)!r}. Create it first. Nothing was written.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BurnishError(
            f"-o {output}: the folder {str(folder)!r} cannot be written to. Change its permissions, or give another "
            "folder. Nothing was written."
        )


def _check_reads(place: Path, output: str, reads: Mapping[str, str | None]) -> None:
    for option, path in reads.items():
        if path is None or not os.path.exists(path):
            continue
        if os.path.isdir(path):
            if Path(path).resolve() in Path(os.path.realpath(place)).parents:
                raise BurnishError(
                    f"-o {output} lies in the folder that the command reads as {option}. Give another folder. "
                    "Nothing was written."
                )
        elif place.exists() and place.samefile(path):
            raise BurnishError(
                f"-o {output} would overwrite what the command reads as {option}. Give another name. "
                "Nothing was written."
            )


def _check_loaded(place: Path, output: str) -> None:
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__dict__", {}).get("__file__")  # getattr of the name itself may load a lazy module
        if isinstance(file, str) and os.path.exists(file) and place.samefile(file):
            raise BurnishError(
                f"-o {output} would overwrite the module {name}, which the command runs. Give another name. "
                "Nothing was written."
            )


def _content(place: Path) -> bytes:
    try:
        return place.read_bytes()
    except OSError as error:
        raise BurnishError(
            f"-o {place} is there already and cannot be read: {error.strerror}. Give another name. Nothing was written."
        ) from None
