"""The command `southbound`."""

from __future__ import annotations

import typer

from southbound.cli import (
    configuration,
    dlq,
    events,
    processes,
    replay,
    runs,
    specs,
    spokes,
    subscriptions,
    topics,
    why,
)
from southbound.cli.options import EXIT_CODES
from southbound.cli.shell.command_group import CommandGroup
from southbound.cli.tables import tables

app = typer.Typer(
    name="southbound",
    cls=CommandGroup,
    help="The gateway between the services that order test runs and the external systems that execute them.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
processes.add_to(app)
events.add_to(app)
runs.add_to(app)
subscriptions.add_to(app)
why.add_to(app)
dlq.add_to(app)
replay.add_to(app)
topics.add_to(app)
tables.add_to(app)
specs.add_to(app)
spokes.add_to(app)
configuration.add_to(app)


def main() -> None:
    """Run the command line and exit with its code."""
    app()
