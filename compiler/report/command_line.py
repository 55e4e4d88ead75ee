"""The command that a run was started with, as its user would type it again."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

WIDE = 88  # characters of a command that stands on one line


def command(argv: Sequence[str]) -> str:
    """The command line of this process, as far as it can be shown to others: without the values of options and
    parameters that may be a key, and without what stands before the @ of an address. "" where there is none, as in a
    notebook. A long one is broken before its options, so that a shell still takes it as one command."""
    if not argv or argv[0] in ("", "-c") or _is_machinery(Path(argv[0])):
        return ""
    words = [*_program(argv[0]), *_arguments(argv[1:])]
    line = shlex.join(words)
    return line if len(line) <= WIDE else " \\\n  ".join(_broken(words))


def _is_machinery(path: Path) -> bool:
    """A notebook's kernel or a runner of tests, which nobody would type."""
    return any(name in part for name in ("ipykernel", "pytest") for part in (path.name, path.parent.name))


def _program(started: str) -> list[str]:
    path = Path(started)
    if path.name == "__main__.py":  # python -m NAME, for which the interpreter gives the path of the file
        return ["burnish"] if path.parent.name == "burnish" else ["python", "-m", _module(path)]
    if path.suffix == ".py":
        return ["python", _as_typed(path)]
    return [path.name]


def _module(path: Path) -> str:
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return path.parent.name if spec is None else str(spec.name).removesuffix(".__main__")


def _as_typed(path: Path) -> str:
    """A path under the current folder from there, as it would be typed here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _arguments(given: Sequence[str]) -> Iterator[str]:
    before = ""
    for word in given:
        is_value = before.startswith("--") and "=" not in before and _is_secret(before)
        yield "..." if is_value and not word.startswith("--") else _without_secrets(word)
        before = word


def _broken(words: Sequence[str]) -> list[str]:
    """One line for each option with its value."""
    lines: list[list[str]] = [[]]
    for word in words:
        if word.startswith("-") and lines[-1] and word != "-m":
            lines.append([])
        lines[-1].append(word)
    return [shlex.join(line) for line in lines]


def _without_secrets(word: str) -> str:
    *names, _ = word.split("=", 2 if word.startswith("--") else 1)  # --param=NAME=VALUE has two
    for number, name in enumerate(names, 1):
        if _is_secret(name):
            return "=".join([*names[:number], "..."])
    scheme, there, rest = word.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if there else word


def _is_secret(name: str) -> bool:
    plain = name.lower().lstrip("-").replace("-", "_")
    if plain in ("max_tokens", "max_completion_tokens"):
        return False
    return any(part in plain for part in ("key", "token", "secret", "password", "header"))
