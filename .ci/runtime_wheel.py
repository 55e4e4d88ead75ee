"""Builds burnish_runtime: what a frozen program needs of this tree and nothing of the compiler, as a wheel of its own.

    python .ci/runtime_wheel.py [FOLDER]        writes FOLDER/burnish_runtime-VERSION-py3-none-any.whl, prints its path
    python .ci/runtime_wheel.py --list          prints the modules in it, and those that it leaves out

What is in it follows from the imports: from ENTRIES, every import is followed, also those inside functions. A module
that is only reached from inside a function and that cannot be imported without a package of NEEDS_COMPILER, or that is
named in LEFT_OUT, gets a stand-in that says to install burnish. Imports in the package are relative, so files are
copied as they are; in texts for users the package's name is changed. Needs Python's standard library alone. Equal trees
give equal bytes.
"""

from __future__ import annotations

import argparse
import ast
import base64
import hashlib
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
NAME, PACKAGE, COMMAND = "burnish-runtime", "burnish_runtime", "burnish-runtime"

COMMANDS = ("running", "serving", "showing", "verifying")  # of compiler/cli
ENTRIES = (
    "compiler.runtime.program",
    "compiler.callbacks",
    "compiler.otel",
    "compiler.serve.app",
    *(f"compiler.cli.{name}" for name in COMMANDS),
)
NEEDS_COMPILER = {"aiohttp", "dask", "datasets", "diskcache", "dspy", "numpy", "optuna", "pandas", "polars"}
# Reached from inside functions, and nothing that a frozen program does.
LEFT_OUT = {
    "compiler.budget",
    "compiler.export",
    "compiler.lm.client",
    "compiler.lm.local",  # needs an engine that is as large as all the rest may be
    "compiler.lm.sentence_transformers",
    "compiler.metrics",
    "compiler.notebook",
    "compiler.report",
    "compiler.to_dspy",
    "signatures.examples",
    "teleprompters",
}
EXTRAS = ("serve", "sign", "otel")  # of the whole package, taken over with what they need

STAND_IN = '''"""No part of {name}: what is here in burnish needs {reason}."""

from {dots}signatures.errors import BurnishError

raise BurnishError(
    "{name} runs frozen programs, and this needs more: {module} of the whole package. "
    "Install that ({install}) and import burnish{otherwise}."
)
'''


# Where the remedy is not the whole package alone.
INSTALLS = {
    "compiler.lm.local": ("pip install 'burnish[local]'", ", or name the model of a server: lm=, or --lm MODEL")
}


class Module:
    """One module of the tree by its dotted name without the package's own ("" is the root) and what it imports."""

    def __init__(self, name: str) -> None:
        folder = ROOT.joinpath(*name.split(".")) if name else ROOT
        self.name = name
        self.is_package = (folder / "__init__.py").is_file()
        self.file = folder / "__init__.py" if self.is_package else folder.with_suffix(".py")
        self.tree = ast.parse(self.file.read_text(encoding="utf-8"), str(self.file))
        # Names that a package imports when they are first used, and from where.
        self.lazy_names: dict[str, str] = {}
        for node in self.tree.body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_HOMES":
                self.lazy_names = ast.literal_eval(node.value)

    def imports(self) -> Iterator[tuple[str, bool, bool]]:
        """(name, whether it is of this tree, whether it is imported with the module and not later)."""
        for node, at_once in _import_nodes(self.tree, True):
            if isinstance(node, ast.Import):
                yield from ((alias.name.split(".")[0], False, at_once) for alias in node.names)
            elif not node.level:
                yield (node.module or "").split(".")[0], False, at_once
            else:
                base = self.name.split(".") if self.name else []
                up = base[: len(base) - node.level + self.is_package]
                source = ".".join([*up, *(node.module or "").split(".")]).strip(".")
                for alias in node.names:
                    yield from ((name, True, at_once) for name in self._homes(source, alias.name))

    @staticmethod
    def _homes(source: str, name: str) -> Iterator[str]:
        """The modules that importing a name from one of this tree imports."""
        yield source
        below = f"{source}.{name}".strip(".")
        if exists(below):
            yield below
        elif (home := module(source).lazy_names.get(name)) is not None:
            yield f"{source}.{home}".strip(".")


def exists(name: str) -> bool:
    place = ROOT.joinpath(*name.split("."))
    return place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()


_modules: dict[str, Module] = {}


def module(name: str) -> Module:
    if name not in _modules:
        _modules[name] = Module(name)
    return _modules[name]


def _import_nodes(tree: ast.AST, at_once: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for other in node.orelse:
                yield from _import_nodes(other, at_once)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield node, at_once
        else:
            inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _import_nodes(node, at_once and not inside)


def parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]


def is_other_command(importer: str, imported: str) -> bool:
    """Whether it is the command line that imports a command which is not in the wheel."""
    return (
        importer == "compiler.cli" and imported.startswith("compiler.cli.") and imported.split(".")[2] not in COMMANDS
    )


def reached_at_once(name: str) -> tuple[set[str], set[str]]:
    """All that importing a module imports: modules of this tree, and packages of others."""
    ours: set[str] = set()
    others: set[str] = set()
    waiting = [name, *parents(name)]
    while waiting:
        if (one := waiting.pop()) in ours or not one:
            continue
        ours.add(one)
        for imported, is_ours, at_once in module(one).imports():
            if is_other_command(one, imported):
                continue
            if at_once and is_ours:
                waiting += [imported, *parents(imported)]
            elif at_once:
                others.add(imported)
    return ours, others


def contents() -> tuple[list[str], dict[str, str]]:
    """The modules to copy, and those to stand in for, with the reason. Raises SystemExit where an entry needs what is
    left out."""
    kept: set[str] = set()
    left: dict[str, str] = {}
    waiting = list(ENTRIES)
    while waiting:
        name = waiting.pop()
        if name in kept or name in left or not name:
            continue
        ours, others = reached_at_once(name)
        reason = ", ".join(sorted((ours & LEFT_OUT) | (others & NEEDS_COMPILER)))
        if reason and (name in ENTRIES or (module(name).is_package and name not in LEFT_OUT)):
            raise SystemExit(
                f"{name} cannot be in {NAME}: importing it imports {reason}. Import that inside functions."
            )
        if reason:
            left[name] = reason
            continue
        for one in ours - kept:
            kept.add(one)
            waiting += [
                imported
                for imported, is_ours, _ in module(one).imports()
                if is_ours and not is_other_command(one, imported)
            ]
    return sorted(kept), {name: left[name] for name in sorted(left) if name not in kept}


def text_of(name: str, kept: list[str]) -> str:
    source = module(name).file.read_text(encoding="utf-8")
    if name == "compiler.cli":
        source = _cli(source)
    if name.startswith("compiler.cli"):
        source = re.sub(r"\bburnish (?=run|serve|show|diff|verify|sign|key)", f"{COMMAND} ", source)
        source = source.replace('prog="burnish"', f'prog="{COMMAND}"').replace('f"burnish {', f'f"{COMMAND} {{')
        source = source.replace('"burnish: ', f'"{COMMAND}: ').replace('["burnish", ', f'["{COMMAND}", ')
    return re.sub(rf"burnish\[(?={'|'.join(EXTRAS)})", f"{NAME}[", source)


def _cli(source: str) -> str:
    """The command line with the commands that are there."""
    tree, lines = ast.parse(source), source.splitlines(keepends=True)
    for node in reversed(tree.body):
        first, last = node.lineno - 1, node.end_lineno
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module is None:
            lines[first:last] = [f"from . import {', '.join(COMMANDS)}\n"]
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "COMMANDS":
            lines[first:last] = [f"COMMANDS = ({', '.join(COMMANDS)})\n"]
    return re.sub(
        r'description="A compiler [^"]*"', 'description="Runs programs that burnish has compiled."', "".join(lines)
    )


def front_door(kept: list[str]) -> str:
    """The root: the names of the whole package that are there."""
    lines = []
    for line in (ROOT / "__init__.py").read_text(encoding="utf-8").splitlines():
        home = re.match(r'    "\w+": "([\w.]+)",$', line) or re.match(r"    from \.([\w.]+) import \w+ as \w+$", line)
        if (home is None or home[1] in kept) and not line.startswith("    # "):
            lines.append(line)
    text = "\n".join(lines) + "\n"
    text = re.sub(r'^""".*?"""', f'"""{NAME}: loads and runs programs that burnish has compiled."""', text, flags=re.S)
    return text.replace(
        "module 'burnish' has no attribute {name!r}",
        f"module '{PACKAGE}' has no attribute {{name!r}}. What declares and compiles programs is in the whole package: "
        "pip install burnish, and import burnish",
    )


def metadata(project: dict[str, object], version: str) -> str:
    extras = project["optional-dependencies"]
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {NAME}",
        f"Version: {version}",
        "Summary: Runs programs that burnish has compiled: nothing of the compiler, no dependency.",
        f"License-Expression: {project['license']}",
        "License-File: LICENSE",
        f"Requires-Python: {project['requires-python']}",
    ]
    for extra in (name for name in EXTRAS if name in extras):
        lines.append(f"Provides-Extra: {extra}")
        lines += [f"Requires-Dist: {line} ; extra == '{extra}'" for line in extras[extra]]
    return "\n".join(lines) + "\n\n" + README


README = f"""Loads and runs the files that burnish compiles.

    import {PACKAGE}
    classify = {PACKAGE}.load("sentiment.json")
    classify(review="Nothing about this film works.").label

It is built from burnish's own tree and can be installed beside it.
"""


def files() -> dict[str, str]:
    """The text of each file in the wheel but its list, by path."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = project["version"]
    kept, left = contents()
    info = f"{PACKAGE}-{version}.dist-info"
    held = {f"{PACKAGE}/__init__.py": front_door(kept), f"{PACKAGE}/py.typed": ""}
    for name in kept:
        place = module(name).file.relative_to(ROOT).as_posix()
        held[f"{PACKAGE}/{place}"] = text_of(name, kept)
    for name, reason in left.items():
        place = module(name).file.relative_to(ROOT)
        held[f"{PACKAGE}/{place.as_posix()}"] = STAND_IN.format(
            name=NAME,
            module=name,
            reason=reason,
            dots="." * len(place.parts),
            install=INSTALLS.get(name, ("pip install burnish", ""))[0],
            otherwise=INSTALLS.get(name, ("", ""))[1],
        )
    return {
        **dict(sorted(held.items())),
        f"{info}/METADATA": metadata(project, version),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: burnish\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{COMMAND} = {PACKAGE}.compiler.cli:main\n",
        f"{info}/licenses/LICENSE": (ROOT / "LICENSE").read_text(encoding="utf-8"),
    }


def build(folder: Path) -> Path:
    held = {name: text.encode("utf-8") for name, text in files().items()}
    (info,) = {name.split("/")[0] for name in held if name.endswith("/WHEEL")}
    rows = []
    for name, content in held.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={digest},{len(content)}\n")
    held[f"{info}/RECORD"] = ("".join(rows) + f"{info}/RECORD,,\n").encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{info.removesuffix('.dist-info')}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content in held.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            wheel.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "dist")
    parser.add_argument("--list", action="store_true")
    parsed = parser.parse_args()
    if not parsed.list:
        print(build(parsed.folder))
        return
    kept, left = contents()
    print("\n".join(kept))
    print("\n".join(f"left out: {name} ({reason})" for name, reason in left.items()))


if __name__ == "__main__":
    main()
