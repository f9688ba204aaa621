"""The page about the command line."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import typer

from docs.generate.markdown import table
from southbound.cli.app import app
from southbound.exit_codes import EXIT_CODE_MEANINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

INTRODUCTION = """# Commands

`southbound COMMAND --help` prints the same text. Results are written to standard output, and everything else to
standard error. Every expected failure is reported in one sentence with the cause and the remedy.

## Exit codes

"""


def page() -> str:
    """Return the text of the page."""
    codes = table(("code", "meaning"), [(str(code.value), meaning) for code, meaning in EXIT_CODE_MEANINGS.items()])
    return INTRODUCTION + codes + "".join(_sections())


def _sections() -> Iterator[str]:
    top: Any = typer.main.get_command(app)
    for name, command in top.commands.items():
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from (_section(f"{name} {below}", one) for below, one in command.commands.items())
        else:
            yield _section(name, command)


def _section(name: str, command: Any) -> str:  # noqa: ANN401 - typer's own commands are not typed for us
    usage = " ".join(f"southbound {name} {' '.join(_usage(command))}".split())
    parameters = table(
        ("parameter", "meaning", "default"), [_parameter(one) for one in command.params if one.name != "help"]
    )
    return f"\n## {name}\n\n```console\n$ {usage}\n```\n\n{inspect.cleandoc(command.help)}\n\n{parameters}"


def _usage(command: Any) -> Iterator[str]:  # noqa: ANN401 - as above
    yield "[OPTIONS]"
    for one in command.params:
        if one.param_type_name == "argument":
            yield _parameter_name(one)


def _parameter(one: Any) -> tuple[str, str, str]:  # noqa: ANN401 - as above
    default = "" if one.default is None or one.default in ((), [], False) else f"`{one.default}`"
    return f"`{_parameter_name(one)}`", one.help or "", default


def _parameter_name(one: Any) -> str:  # noqa: ANN401 - as above
    if one.param_type_name == "argument":
        name = str(one.metavar or one.name.upper())
        several = f"{name}..." if one.nargs == -1 else name
        return several if one.required else f"[{several}]"
    names = "/".join([*one.opts, *one.secondary_opts])
    return f"{names} {one.metavar}" if one.metavar else names
