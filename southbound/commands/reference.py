"""The command that writes the generated pages of the documentation."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that `--help` is quick

from pathlib import Path
from typing import Annotated

import typer

from southbound.commands.words import EXIT_CODES


def add_to(app: typer.Typer) -> None:
    """Add this command; it is for people who work on Southbound itself."""
    app.command(hidden=True, epilog=EXIT_CODES)(docs)


def docs(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where the pages are.")] = Path("docs"),
) -> int:
    """Write the pages that are made from the code: settings, metrics, states, topics, commands."""
    from southbound.pages.writing import write_pages

    return write_pages(folder)
