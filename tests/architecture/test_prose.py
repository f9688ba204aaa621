"""Docstrings are plain technical English, and a class name has one meaning."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
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


def test_a_name_of_a_class_or_a_type_exists_once() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        classes = ((node.name, node.lineno) for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
        for name, line in (*classes, *type_names(tree)):
            places[name].append(f"{path.relative_to(ROOT)}:{line}")
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("Pairs = dict[str, int]", ["Pairs"]),
        ("if TYPE_CHECKING:\n    Pairs = dict[str, int]", ["Pairs"]),
        ("Pairs: TypeAlias = dict[str, int]", ["Pairs"]),
        ("T = TypeVar('T')\nKey = TypeVar('Key')\nLIMIT = 5\nlog = get_logger()", []),
    ],
)
def test_names_of_types_are_found(code: str, names: list[str]) -> None:
    assert [name for name, _ in type_names(ast.parse(code))] == names


def type_names(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the capitalised names that a module assigns, with their lines; a type variable has none but locally."""
    blocks = [tree.body, *(node.body for node in tree.body if isinstance(node, ast.If))]
    for node in (node for block in blocks for node in block):
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=value)
            ):
                of_type_variable = isinstance(value, ast.Call) and ast.unparse(value.func) == "TypeVar"
                if re.fullmatch(r"_?[A-Z]\w*[a-z]\w*", name) and not of_type_variable:
                    yield name, node.lineno
            case _:
                pass
