"""The commands `southbound config check`, `southbound config show` and `southbound access key`."""

import os

import typer

from southbound.cli.options import EXIT_CODES, ConfigOption, JsonOption, read_settings_with_origins

configuration = typer.Typer(help="Check and show the settings.", no_args_is_help=True)
access = typer.Typer(help="Make credentials for clients of the HTTP interface.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.add_typer(configuration, name="config")
    app.add_typer(access, name="access")


@configuration.command(epilog=EXIT_CODES)
def check(config: ConfigOption = None) -> int:
    """Check settings, tables, profiles and their secrets, without any connection.

    Each mistake is reported in one sentence with the file and line, or the variable, and the remedy.

    **Examples**

    - `southbound config check`
    - `southbound config check --config production.yaml`
    """
    loaded = read_settings_with_origins(config)
    from southbound.operations.configuration import check_configuration

    return check_configuration(loaded.settings, os.environ)


@configuration.command(epilog=EXIT_CODES)
def show(
    json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Show every setting, its value and where it comes from; secrets are masked.

    **Example**

    - `SOUTHBOUND_WORKER__DRAIN=5 southbound config show`
    """
    loaded = read_settings_with_origins(config)
    from southbound.operations.configuration import show_configuration

    return show_configuration(loaded, as_json=json)


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
