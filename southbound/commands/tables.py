"""Commands about decision tables."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that `--help` is quick

from typing import Annotated

import typer

from southbound.commands.words import EXIT_CODES, Config, settings_from

tables = typer.Typer(help="Check decision tables and spoke selectors.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(tables, name="tables")


@tables.callback()
def _only_below() -> None:
    """Check decision tables and spoke selectors."""


@tables.command(epilog=EXIT_CODES)
def check(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="An outbound policy, a selector or any table.")],
    config: Config = None,
) -> int:
    """Load tables, check every cell, run their saved tests, and say what they are.

    Every mistake of every file is told at once, as `file:line: what is wrong`. A selector may only name spokes that
    have a profile in `routing.spokes`.

    **Examples**

    - `southbound tables check my-policy.yaml`
    - `southbound tables check tables/*.yaml`
    """
    settings = settings_from(config)
    from southbound.operations.tables import check_tables

    return check_tables(settings, files)
