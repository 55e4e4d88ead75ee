from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

import burnish

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PACKAGE_FOLDERS = ("compiler", "signatures", "teleprompters", "testing")
SUFFIXES = (".py", ".md", ".js", ".css", ".txt")  # of files that the package is made of


def tracked() -> list[PurePosixPath]:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git clone, so there is no list of tracked files to compare with")
    out = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [PurePosixPath(name) for name in out.split("\0") if name]


def shipped_by_right() -> set[str]:
    """What the wheel must hold, by its path in the tree: all code of the package, its texts, its type marker."""
    in_packages = {str(p) for p in tracked() if p.parts[0] in PACKAGE_FOLDERS and p.suffix in SUFFIXES}
    return in_packages | {"__init__.py", "__main__.py", "py.typed"}


def installed() -> importlib.metadata.Distribution:
    try:
        distribution = importlib.metadata.distribution("burnish")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("burnish is not installed here; `make test` installs the wheel")
    url = json.loads(distribution.read_text("direct_url.json") or "{}")
    if url.get("dir_info", {}).get("editable"):
        pytest.skip("burnish is installed editable here; `make test` installs the wheel")
    return distribution


def project() -> dict[str, object]:
    loaded: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return loaded


def test_the_tests_run_on_the_installed_wheel_and_not_on_the_tree() -> None:
    installed()
    assert Path(burnish.__file__).resolve().parent != ROOT


def test_every_folder_with_code_is_in_the_package_list_and_no_other() -> None:
    folders = {PurePosixPath(path).parent for path in shipped_by_right() if path.endswith((".py", ".md"))}
    expected = {".".join(("burnish", *folder.parts)) for folder in folders}
    listed = project()["tool"]["setuptools"]["packages"]  # type: ignore[index]
    assert sorted(listed) == sorted(expected)


def test_the_wheel_holds_every_tracked_file_of_the_package_and_nothing_else() -> None:
    files = installed().files or []
    held = {str(PurePosixPath(*f.parts[1:])) for f in files if f.parts[0] == "burnish" and "__pycache__" not in f.parts}
    assert held == shipped_by_right()


def test_the_wheel_leaves_tests_examples_and_benchmarks_at_home() -> None:
    tops = {f.parts[0] for f in installed().files or []}
    assert not tops & {"tests", "examples", "benchmarks", "compiler", "signatures", "teleprompters", "testing"}


def test_every_direct_dependency_is_explained() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    settings = project()["project"]
    lines = [*settings["dependencies"]]  # type: ignore[index]
    for extra in settings["optional-dependencies"].values():  # type: ignore[index]
        lines += extra
    names = [line.split(">")[0].split("<")[0].split("=")[0].split("[")[0].strip() for line in lines]
    assert [name for name in names if f"`{name}`" not in page] == []


def test_pins_are_names_and_versions_only() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.split(" ; ")[0] for line in lines]
    assert pins
    assert [pin for pin in pins if pin.count("==") != 1 or "/" in pin or pin.startswith("-")] == []


def test_the_version_is_the_same_everywhere() -> None:
    assert project()["project"]["version"] == burnish.__version__  # type: ignore[index]
    assert f"## {burnish.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_command_is_installed_and_answers() -> None:
    installed()
    command = Path(sys.executable).with_name("burnish.exe" if os.name == "nt" else "burnish")
    out = subprocess.run([str(command), "--version"], check=True, capture_output=True, text=True).stdout
    assert out.split() == ["burnish", burnish.__version__]


def test_the_command_line_is_also_a_module() -> None:
    command = [sys.executable, "-m", "burnish", "--version"]
    environment = {**os.environ, "PYTHONPATH": str(Path(burnish.__file__).parents[1])}
    out = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    assert out.split() == ["burnish", burnish.__version__]


def test_everything_that_the_package_imports_is_a_declared_dependency() -> None:
    settings = project()["project"]
    extras = settings["optional-dependencies"]  # type: ignore[index]
    lines = [*settings["dependencies"]]  # type: ignore[index]
    for name, extra in extras.items():
        lines += [] if name == "dev" else extra
    declared = {re.split(r"[<>=\[ ]", line)[0].replace("-", "_") for line in lines}
    declared |= {"opentelemetry"} & {name.split("_")[0] for name in declared}  # a namespace of several distributions
    found = set()
    for path in shipped_by_right():
        if path.endswith(".py"):
            for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"), path)):
                if isinstance(node, ast.Import):
                    found |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    found.add(str(node.module).split(".")[0])
    assert found - set(sys.stdlib_module_names) - declared == set()


def test_a_pin_that_differs_between_pythons_gets_one_line_for_each() -> None:
    spec = importlib.util.spec_from_file_location("constraints", ROOT / ".ci" / "constraints.py")
    assert spec is not None
    assert spec.loader is not None
    constraints = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(constraints)
    versions = {
        10: {"numpy": "2.2", "six": "1.17", "tomli": "2.5"},
        11: {"numpy": "2.4", "six": "1.17"},
        12: {"numpy": "2.5", "six": "1.17"},
        13: {"numpy": "2.5", "six": "1.17"},
    }
    assert constraints.lines(versions) == [
        'numpy==2.2 ; python_version < "3.11"',
        'numpy==2.4 ; python_version >= "3.11" and python_version < "3.12"',
        'numpy==2.5 ; python_version >= "3.12"',
        "six==1.17",
        "tomli==2.5",
    ]
