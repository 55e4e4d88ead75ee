"""The HTML file of a report, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ...signatures.canonical import JSON
from ...signatures.errors import BurnishError, RunError
from .material import Material
from .page import page
from .run_folder import find_run, of_document, read_run


def report(document: Mapping[str, JSON], path: str | os.PathLike[str], run_dir: str | os.PathLike[str] | None) -> Path:
    """The report of a compiled program, with the records in the folder of its run where there is one."""
    if run_dir is None:
        return write_report(of_document(document, document["digest"][:12]), Path(path))
    material = read_run(find_run(os.fspath(run_dir)))
    if material.document is None or material.document["digest"] != document["digest"]:
        raise RunError(
            f"The run in {os.fspath(run_dir)!r} did not end with this program ({document['digest'][:12]}). Pass the "
            "run_dir that it was compiled with, or none for a report of the file alone."
        )
    return write_report(material, Path(path))


def write_report(material: Material, path: Path) -> Path:
    """A link stays a link: the file that it leads to is written. Raises BurnishError where that cannot be."""
    target = Path(os.path.realpath(path)) if os.path.islink(path) else path
    if not os.path.isdir(target.parent):
        raise BurnishError(f"{path} cannot be written: there is no folder {str(target.parent)!r}. Create it first.")
    draft = target.with_name(f".{target.name}.{os.getpid()}.draft")
    try:
        try:
            draft.write_text(page(material), encoding="utf-8", errors="replace", newline="\n")
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)  # raises too, where the name is too long
    except OSError as error:
        raise BurnishError(f"{path} cannot be written: {error.strerror}. Pass another path.") from None
    return path
