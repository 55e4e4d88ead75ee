from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE_FOLDERS = ("compiler", "signatures", "teleprompters", "testing")
MAY_IMPORT_DSPY = re.compile(r"signatures/(dspy_\w+|pipeline)\.py|compiler/lm/dspy_engine\.py")
PROMPT = re.compile(r"burnish\.signatures\.(formats\b|prompt$|rules$)")


def sources() -> list[str]:
    paths = [path for folder in PACKAGE_FOLDERS for path in (ROOT / folder).rglob("*.py")]
    return ["__init__.py", *sorted(str(path.relative_to(ROOT)) for path in paths)]


def imports(source: str) -> Iterator[str]:
    """Every module that a file imports anywhere, with relative imports written out from the package's root."""
    package = ["burnish", *Path(source).parent.parts]
    tree = ast.parse((ROOT / source).read_text(encoding="utf-8"), source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def imported(source: str, *modules: str) -> list[str]:
    return [name for name in imports(source) if any(name == m or name.startswith(m + ".") for m in modules)]


@pytest.mark.parametrize(
    ("folder", "above"),
    [
        ("signatures", ("burnish.teleprompters", "burnish.compiler", "burnish.testing")),
        ("teleprompters", ("burnish.compiler", "burnish.testing")),
        ("compiler", ("burnish.testing",)),
    ],
)
def test_arrows_point_from_compiler_to_teleprompters_to_signatures(folder: str, above: tuple[str, ...]) -> None:
    wrong = {source: imported(source, *above) for source in sources() if source.startswith(folder + "/")}
    assert {source: names for source, names in wrong.items() if names} == {}


def test_files_import_each_other_in_no_circles() -> None:
    def module(source: str) -> str:
        return ".".join(["burnish", *Path(source).with_suffix("").parts]).removesuffix(".__init__")

    def node(name: str) -> str:
        # A prompt asks its format for a template, and a format's template is made of the prompt's parts.
        return "burnish.signatures.prompt" if PROMPT.match(name) else name

    modules = {module(source) for source in sources()}
    arrows: dict[str, set[str]] = {}
    for source in sources():
        found = {node(name) for name in imports(source) if name in modules}
        arrows.setdefault(node(module(source)), set()).update(found - {node(module(source))})
    TopologicalSorter(arrows).prepare()


def test_the_package_imports_itself_relatively() -> None:
    own = ("burnish", "compiler", "signatures", "teleprompters", "testing")
    wrong = {}
    for source in sources():
        tree = ast.parse((ROOT / source).read_text(encoding="utf-8"))
        names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        names += [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and not n.level]
        found = [name for name in names if name.split(".")[0] in own]
        if found:
            wrong[source] = found
    assert wrong == {}


def test_dspy_is_imported_only_where_dspy_is_met() -> None:
    met = [source for source in sources() if imported(source, "dspy", "litellm")]
    assert [source for source in met if not MAY_IMPORT_DSPY.fullmatch(source)] == []


def test_a_teleprompter_knows_no_lm_client_and_no_files() -> None:
    for source in sources():
        if source.startswith("teleprompters/"):
            assert not imported(source, "aiohttp", "urllib3", "openai", "diskcache", "sqlite3", "threading", "asyncio")


def test_nothing_is_pickled_evaluated_or_executed() -> None:
    for source in sources():
        assert not imported(source, "pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib"), source
        for node in ast.walk(ast.parse((ROOT / source).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("eval", "exec"), f"{source}:{node.lineno}"


def test_only_random_dot_random_is_used_and_never_the_global_generator() -> None:
    for source in sources():
        text = (ROOT / source).read_text(encoding="utf-8")
        if source.startswith(("teleprompters/", "signatures/")):
            assert not re.search(r"\brandom\.(random|choice|choices|shuffle|sample|randint|seed)\(", text), source
            assert not re.search(r"\brng\.(choice|choices|shuffle|sample|randint|randrange|uniform)\(", text), source


def test_no_file_names_a_machine_or_an_index() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git clone")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    pattern = re.compile(r"/(?:work|root|farm|home)/|index-" + r"url|://[^ ]*/simple\b")
    for name in names.split("\0"):
        path = ROOT / name
        if not name or not path.is_file() or name.endswith((".jsonl", ".gz", ".xz", ".png", ".svg")):
            continue
        found = pattern.search(path.read_text(encoding="utf-8"))
        assert found is None, f"{name}: {found}"
