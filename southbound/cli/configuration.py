"""The commands `southbound config check` and `southbound config show`."""

import os

import typer

from southbound.cli.options import EXIT_CODES, ConfigOption, JsonOption, read_settings_with_origins

configuration = typer.Typer(help="Check and show the settings.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.add_typer(configuration, name="config")


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
