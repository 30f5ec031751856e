"""Imports point down: errors < ir < ops < the five rooms < arguments < ... < api < check < cli."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "symdiff"
FLOORS = {
    "errors": 0,
    "ir": 1,
    "ops": 2,
    **dict.fromkeys(("parser", "autodiff", "passes", "codegen", "runtime"), 3),
    "arguments": 4,
    "cache": 4,
    "donation": 4,
    "numpy": 4,
    "functions": 5,
    "steps": 6,
    "polymorphic": 7,
    "api": 8,
    "points": 8,
    "check": 9,
    "flat": 9,
    "outputs": 9,
    "page": 9,
    "explain": 10,
    "graph": 9,
    "debugging": 10,
    "view": 10,
    "learn": 11,
    "__init__": 12,
    "cli": 13,
    "__main__": 14,
}
FILES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """The rooms of symdiff that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module]
            if node.module == "symdiff":
                names = [f"symdiff.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        parts = [name.split(".") for name in names]
        found |= {[*p, "__init__"][1] for p in parts if p[0] == "symdiff"}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    here = room(path)
    for there in imported_rooms(path) & FLOORS.keys():
        if there != here:
            assert FLOORS[there] < FLOORS[here], f"{path.name}: {here} must not import {there}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_llvmlite_is_known_in_two_rooms_only(path: Path) -> None:
    source = path.read_text()
    if "llvmlite" in source and "import" in source:
        uses = [line for line in source.splitlines() if "import" in line and "llvmlite" in line]
        assert not uses or room(path) in {"codegen", "runtime"}
