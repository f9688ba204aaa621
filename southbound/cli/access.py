"""The command `southbound access key`."""

import typer

from southbound.cli.options import EXIT_CODES, JsonOption

access = typer.Typer(help="Make credentials for clients of the HTTP interface.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.add_typer(access, name="access")


@access.callback()
def _group() -> None:
    """Keep the group although it has one command, which typer would put in its place."""


@access.command(epilog=EXIT_CODES)
def key(json: JsonOption = False) -> int:
    """Make an API key: print it, and the digest under which the file of `access.keys` lists it.

    The key is random (256 bits) and is stored nowhere: pass it to the client, and write the digest into the file.

    **Example**

    - `southbound access key`
    """
    from southbound.operations.access import make_key

    return make_key(as_json=json)
