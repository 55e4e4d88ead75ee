"""Every place of the package that raises, and the literal words of its message."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("compiler", "signatures", "teleprompters", "testing")


def error_classes() -> list[str]:
    """The names of all classes of error in the package."""
    bases = {}
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases[node.name] = {name_of(base) for base in node.bases}
    known = ["BurnishError", "BudgetSpent"]
    for each in known:
        known += [name for name, those in bases.items() if each in those]
    return known


def modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


WHOLE_MESSAGES = ("str(reply)", "said", "refusal")  # expressions that hold one that was made elsewhere


@dataclass(frozen=True)
class Site:
    """Where an error is made, and the literal words of its message; {...} stands for values."""

    place: str
    error: str
    text: str
    passed_on: bool


def words(node: ast.expr, module: ast.Module) -> str:
    """The literal text of an expression, also where a constant or a function of the module gives it."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(
            part.value if isinstance(part, ast.Constant) else " {} " + words(part.value, module) for part in node.values
        )
    if isinstance(node, ast.BinOp | ast.Subscript | ast.IfExp | ast.BoolOp):
        return " ".join(words(part, module) for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr))
    if isinstance(node, ast.Name):
        given = [
            each.value
            for each in ast.walk(module)
            if isinstance(each, ast.Assign) and name_of(each.targets[0]) == node.id
        ]
        return " ".join(strings(value) for value in given)
    if isinstance(node, ast.Call):
        if name_of(node.func) in ("rstrip", "format", "get"):
            return words(node.func.value, module)
        made = [
            each for each in ast.walk(module) if isinstance(each, ast.FunctionDef) and each.name == name_of(node.func)
        ]
        return " ".join(strings(each) for each in made)
    return ""


def strings(node: ast.AST) -> str:
    return " ".join(
        each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)
    )


def name_of(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")


def sites() -> list[Site]:
    classes = error_classes()
    found = []
    for path in modules():
        known = [*classes, "refuse"] if path.name in ("examples.py", "example_sources.py") else classes
        module = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and name_of(node.func) in known:
                place = f"{path.relative_to(ROOT)}:{node.lineno}"
                text = " ".join(words(each, module) for each in node.args)
                passed_on = bool(node.args) and ast.unparse(node.args[-1]) in WHOLE_MESSAGES
                found.append(Site(place, name_of(node.func), text, passed_on))
    return found
