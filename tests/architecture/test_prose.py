"""Docstrings are plain technical English, and a class name has one meaning."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for folder in ("schemas", "router", "producers", "consumers", "southbound", "docs", "tests")
    for path in (ROOT / folder).rglob("*.py")
)
REFUSED_OPENINGS = re.compile(r"(?:Give(?! up\b)|Tell|Say|Know|Note|Hear|Whoever)\b")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_docstring_begins_with_what_the_code_does(path: Path) -> None:
    refused = [
        f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}: {text.splitlines()[0]}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if (text := ast.get_docstring(node)) and REFUSED_OPENINGS.match(text)
    ]
    assert refused == [], "write what it does: Return, Raise, Write, Read, Yield …"


def test_a_class_name_exists_once() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
