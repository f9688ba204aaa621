"""No other distribution ships our top-level packages, and every module states its purpose."""

import ast
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "router", "producers", "consumers", "southbound")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
CODE = sorted([*SOURCES, *(ROOT / "tests").rglob("*.py"), *(ROOT / ".ci").rglob("*.py")])
FORBIDDEN_NAMES = {"utils", "util", "helpers", "common", "manager", "base_classes", "misc"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_no_other_distribution_ships_one_of_our_package_names() -> None:
    rivals = {
        f"{other.metadata['Name']} ships {top}"
        for other in distributions()
        if other.metadata["Name"] != "southbound"
        for top in {file.parts[0] for file in other.files or ()}
        if top.removesuffix(".py") in {*PACKAGES, "tests"}
    }
    assert rivals == set()


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_a_module_has_a_docstring(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{name_of(path)} has no docstring"


@pytest.mark.parametrize("path", [path for path in SOURCES if path.name == "__init__.py"], ids=name_of)
def test_a_package_file_is_its_docstring_and_nothing_else(path: Path) -> None:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    assert len(body) == 1
    assert isinstance(body[0], ast.Expr)
    assert isinstance(body[0].value, ast.Constant)


def test_every_folder_with_code_is_a_package() -> None:
    folders = {path.parent for path in SOURCES}
    assert sorted(name_of(folder) for folder in folders if not (folder / "__init__.py").exists()) == []


def test_no_module_has_a_catch_all_name() -> None:
    assert [name_of(path) for path in SOURCES if path.stem in FORBIDDEN_NAMES] == []
