"""Prints constraints.txt: one version of every dependency, for every supported Python found on this machine.

A package that needs different versions on different Pythons gets one line for each, with a marker.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ["build", "setuptools>=77"]  # what `make` needs before the package is there
MINORS = (10, 11, 12, 13)


def requirements(python: str) -> list[str]:
    """Dependencies and extras of pyproject.toml. tomllib came with Python 3.11, pip carries the same reader."""
    code = (
        "import json, sys\n"
        "try:\n import tomllib\nexcept ImportError:\n from pip._vendor import tomli as tomllib\n"
        "project = tomllib.load(open(sys.argv[1], 'rb'))['project']\n"
        "extras = project['optional-dependencies']\n"
        "extras.pop('encoders', None)\n"  # brings torch, which nobody needs to work on this
        "print(json.dumps(project['dependencies'] + [line for extra in extras.values() for line in extra]))\n"
    )
    out = subprocess.run([python, "-c", code, str(ROOT / "pyproject.toml")], check=True, capture_output=True, text=True)
    found: list[str] = json.loads(out.stdout)
    return found


def resolved(python: str) -> dict[str, str]:
    """Package name -> the version that pip would install into a fresh environment of this Python."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python, "-m", "venv", f"{folder}/env"], check=True)
        report = Path(folder, "report.json")
        command = [f"{folder}/env/bin/python", "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        subprocess.run([*command, "--report", str(report), *requirements(python), *TOOLS], check=True)
        metadata = [item["metadata"] for item in json.loads(report.read_text(encoding="utf-8"))["install"]]
    return {item["name"].lower().replace("_", "-"): item["version"] for item in metadata}


def lines(versions: dict[int, dict[str, str]]) -> list[str]:
    """versions: minor version of Python -> package -> version."""
    packages: dict[str, dict[int, str]] = defaultdict(dict)
    for minor, pins in versions.items():
        for package, version in pins.items():
            packages[package][minor] = version
    written = []
    for package, by_minor in sorted(packages.items()):
        for version in dict.fromkeys(by_minor.values()):
            minors = [minor for minor in by_minor if by_minor[minor] == version]
            written.append(f"{package}=={version}{marker(minors, list(by_minor))}")
    return written


def marker(minors: list[int], all_minors: list[int]) -> str:
    """The environment marker for a run of minor versions; none when the package has one version everywhere."""
    if minors == all_minors:
        return ""
    terms = []
    if minors[0] > MINORS[0]:
        terms.append(f'python_version >= "3.{minors[0]}"')
    if minors[-1] < MINORS[-1]:
        terms.append(f'python_version < "3.{minors[-1] + 1}"')
    return " ; " + " and ".join(terms)


def main() -> None:
    found = subprocess.run([str(ROOT / ".ci/pythons")], check=True, capture_output=True, text=True).stdout
    versions = {}
    for line in found.splitlines():
        version, python = line.split(maxsplit=1)
        print(f"resolving for Python {version}", file=sys.stderr)
        versions[int(version.split(".")[1])] = resolved(python)
    missing = [f"3.{minor}" for minor in MINORS if minor not in versions]
    if missing:
        raise SystemExit(f"Pins for Python {', '.join(missing)} cannot be found: it is not on this machine.")
    print("\n".join(lines(versions)))


if __name__ == "__main__":
    main()
