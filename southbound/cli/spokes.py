"""The command `southbound spokes new`."""

from pathlib import Path
from typing import Annotated

import typer

from southbound.cli.options import EXIT_CODES

spokes = typer.Typer(help="Connect external systems.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.add_typer(spokes, name="spokes")


@spokes.command(epilog=EXIT_CODES)
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the dialect: lower-case letters, digits, '-'.")],
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Where to write the package. Default: ./NAME.")
    ] = None,
) -> int:
    """Write a package with a dialect of its own, for a system that does not speak TMF653.

    It has the spoke in Python, a profile, recorded answers and tests that pass: change them to what the system speaks.

    **Examples**

    - `southbound spokes new line-tester`
    - `southbound spokes new line-tester --folder dialects/line-tester`
    """
    from southbound.operations.spokes.new_dialect import write_new_dialect

    return write_new_dialect(name, folder)
