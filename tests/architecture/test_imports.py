"""Import rules beyond the layers: each external interface is used by one part of the code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from importlinter.cli import lint_imports

from tests.architecture.allowed_imports import needed_modules
from tests.architecture.import_circles import circles_of

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "router", "producers", "consumers", "southbound")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

KAFKA_MODULES = (
    "producers/kafka_",
    "consumers/runtime/kafka/",
    "consumers/hold/kafka_",
    "consumers/table_topic/kafka_",
    "southbound/",
)
# An identity provider is no spoke: its keys are fetched without a profile, credentials or a circuit breaker.
AIOHTTP_CLIENT_MODULES = ("consumers/spokes/", "consumers/northbound/tokens/jwks_fetcher.py", "southbound/simulator/")
ENVIRONMENT_MODULES = ("southbound/",)
# The parts of aiohttp that make calls. `aiohttp.web`, which answers calls, is not among them.
CLIENT_NAMES = {"ClientSession", "ClientTimeout", "TCPConnector", "request", "BasicAuth"}


def test_the_import_contracts_hold() -> None:
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


def test_only_the_kafka_adapters_import_the_kafka_client() -> None:
    assert modules_outside(KAFKA_MODULES, imports_of("confluent_kafka")) == []


def test_only_spokes_and_the_simulator_call_over_http() -> None:
    assert modules_outside(AIOHTTP_CLIENT_MODULES, set(filter(calls_over_http, SOURCES))) == []


def test_only_the_wiring_reads_the_environment() -> None:
    assert modules_outside(ENVIRONMENT_MODULES, set(filter(reads_environment, SOURCES))) == []


@pytest.mark.parametrize(
    ("description", "line"),
    [
        ("a plain import", "import confluent_kafka"),
        ("a name from it", "from confluent_kafka import Producer"),
        ("a submodule", "import confluent_kafka.admin as admin"),
    ],
)
def test_every_form_of_import_is_detected(description: str, line: str) -> None:
    assert "confluent_kafka" in {name.split(".")[0] for name in imported(ast.parse(line))}


@pytest.mark.parametrize("line", ["import os\nos.environ['A']", "from os import environ", "import os\nos.getenv('A')"])
def test_every_form_of_reading_the_environment_is_detected(line: str) -> None:
    assert names_environment(ast.parse(line))


def modules_outside(allowed: tuple[str, ...], paths: set[Path]) -> list[str]:
    names = sorted(path.relative_to(ROOT).as_posix() for path in paths)
    return [name for name in names if not name.startswith(allowed)]


def imports_of(module: str) -> set[Path]:
    return {
        path
        for path in SOURCES
        if any(name == module or name.startswith(f"{module}.") for name in imported(parse(path)))
    }


def calls_over_http(path: Path) -> bool:
    tree = parse(path)
    taken = {name.removeprefix("aiohttp.") for name in imported(tree) if name.startswith("aiohttp.")}
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "aiohttp"
    }
    return bool((taken | used) & CLIENT_NAMES) or any(name.startswith("client") for name in taken)


def reads_environment(path: Path) -> bool:
    return names_environment(parse(path))


def names_environment(tree: ast.AST) -> bool:
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return bool(used & {"environ", "getenv"}) or not {"os.environ", "os.getenv"}.isdisjoint(imported(tree))


def imported(tree: ast.AST) -> Iterator[str]:
    """Every imported name with its module: `from os import environ` is `os` and `os.environ`."""
    names: list[str] = []
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                names += [alias.name for alias in node.names]
            case ast.ImportFrom(module=str(module), level=0):
                names += [module, *(f"{module}.{alias.name}" for alias in node.names)]
            case _:
                pass
    return iter(names)


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@given(st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdef"))))
def test_a_module_is_in_an_import_circle_exactly_if_it_reaches_itself_through_another(
    drawn: dict[str, set[str]],
) -> None:
    imports = {name: drawn.get(name, set()) for name in "abcdef"}
    reached = {name: closure_of(name, imports) for name in imports}
    expected = {name for name in imports if any(name in reached[other] for other in reached[name] - {name})}
    assert {name for circle in circles_of(imports) for name in circle} == expected


def closure_of(name: str, imports: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = set(imports[name])
    while waiting:
        reached = waiting.pop()
        found.add(reached)
        waiting |= imports[reached] - found
    return found


def test_what_a_unit_needs_is_found_through_other_modules() -> None:
    imports = {"unit.a": {"unit.b", "base"}, "unit.b": set(), "base": {"far"}, "far": {"unit.a"}, "unity": {"other"}}
    assert needed_modules(imports, "unit") == {"base": "unit.a", "far": "base"}
