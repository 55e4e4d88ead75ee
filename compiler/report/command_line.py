"""The command that a run was started with, as its user would type it again."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

WIDE = 88  # characters of a command that stands on one line
SECRET = ("key", "token", "secret", "passw", "passphrase", "credential", "auth", "bearer", "cookie", "header")
COUNTS = ("max_tokens", "max_completion_tokens")
_NAMES = re.compile(r"(?:[\w-]+=)*")  # before a value: "--param=base_url="


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
        is_value = before.startswith("--") and "=" not in before and sounds_secret(before)
        hidden = is_value and not word.startswith("--")
        yield "..." if hidden else _without_secrets(_without_user(word, before))
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
    start, brace, inside = word.partition("{")
    if brace and sounds_secret(inside):
        word = f"{start}..."
    parts = word.split("=")
    for number, part in enumerate(parts[:-1], 1):
        if sounds_secret(re.split("[,?&]", part)[-1]):  # calls=1,tokens=2 and http://host/?a=1&key=2
            return "=".join([*parts[:number], "..."])
    return word


def _without_user(word: str, before: str) -> str:
    """An address without what stands before its @. The @ before the commit of an encoder's files is kept."""
    scheme, there, rest = word.partition("://")
    if there:
        return f"{scheme}://{rest.rpartition('@')[2]}"
    value = _NAMES.sub("", word, count=1)
    names = word.removesuffix(value)
    user, at, host = value.rpartition("@")
    if not at or value.startswith("sentence-transformers:"):
        return word
    is_address = "url" in (names or before).lower() or (":" in user and " " not in user)
    return names + host if is_address else word


def sounds_secret(name: str) -> bool:
    """Whether what goes by this name may be a key, or hold one, as all may that is sent besides."""
    plain = name.lower().lstrip("-").replace("-", "_")
    if plain in COUNTS or name == "tokens":  # of a budget
        return False
    return any(part in plain for part in (*SECRET, "extra_body"))
