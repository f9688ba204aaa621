"""A command is described in one place, its help; the function that runs it names the command."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from southbound.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Iterator

OPERATIONS = Path(__file__).parents[2] / "southbound" / "operations"
COMMAND_NAME = re.compile(r"Run `southbound ([a-z ]+)`")


def commands(command: Any, path: str = "") -> Iterator[str]:  # noqa: ANN401 - typer does not type its own commands
    """Yield the names of all commands, without `southbound`."""
    for name, subcommand in getattr(command, "commands", {}).items():
        yield from commands(subcommand, f"{path} {name}".strip())
    if not hasattr(command, "commands"):
        yield path


def named_commands() -> Iterator[str]:
    """Yield the command that each function of the operations names in the first line of its docstring."""
    for file in OPERATIONS.rglob("*.py"):
        functions = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)]
        matches = (COMMAND_NAME.match(ast.get_docstring(function) or "") for function in functions)
        yield from (match[1] for match in matches if match)


def test_every_command_is_run_by_one_function_that_names_it() -> None:
    assert Counter(named_commands()) == Counter(commands(typer.main.get_command(app)))
