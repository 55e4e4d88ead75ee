"""The texts that are sent to the optimizer LM: one file each, easy to read and to replace."""

from __future__ import annotations

import os
import re
from collections.abc import Set
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path

_SLOT = re.compile(r"\{\{\s*(\w+)\s*\}\}")


@dataclass(frozen=True)
class MetaPrompt:
    """A text with `{{slots}}`. A slot is filled once: braces in what fills it are left as they are."""

    text: str

    @cached_property
    def slots(self) -> frozenset[str]:
        return frozenset(_SLOT.findall(self.text))

    def fill(self, **values: str) -> str:
        """The text with every slot filled. Raises KeyError when a slot has no value."""
        return _SLOT.sub(lambda slot: values[slot[1]], self.text)


def load(name: str) -> MetaPrompt:
    """One of the texts that come with the package, by the name of its file without the ending."""
    return MetaPrompt(files(__package__).joinpath(f"{name}.md").read_text(encoding="utf-8").strip())


def own(given: str | os.PathLike[str], slots: Set[str], optional: Set[str] = frozenset()) -> str:
    """The text of a user's own meta-prompt: `given` itself when it has slots, else what the file of that name holds.

    Raises ValueError when the file cannot be read, or when the text's slots are not exactly `slots`, any of the
    `optional` ones beside them.
    """
    text = given = os.fspath(given)
    if not _SLOT.search(given):
        try:
            text = Path(given).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise ValueError(
                f"metaprompt {given[:80]!r} has no {_listed(slots)} in it and is no file that can be read: {error}."
            ) from error
    found = MetaPrompt(text).slots
    if found - optional != slots:
        raise ValueError(f"metaprompt {text[:40]!r}... has {_listed(found)}; it needs {_listed(slots)}, each of them.")
    return text


def _listed(slots: Set[str]) -> str:
    return ", ".join(f"{{{{{slot}}}}}" for slot in sorted(slots)) or "no slots"
