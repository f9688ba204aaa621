"""The commands `southbound spokes list`, `check`, `show`, `probe`, `preview`, `schema` and `new`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from southbound.cli.options import EXIT_CODES, ConfigOption, JsonOption, read_file_settings

SpokeArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="The name of a spoke, or the file of its profile, such as ./lab.yaml.")
]

spokes = typer.Typer(help="Connect external systems: check, show and try their profiles.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.add_typer(spokes, name="spokes")


@spokes.command("list", epilog=EXIT_CODES)
def list_(json: JsonOption = False, config: ConfigOption = None) -> int:
    """List the spokes of `routing.spokes` with their address, credentials and ways of reporting results.

    **Examples**

    - `southbound spokes list`
    - `southbound spokes list --json | jq -r .base_url`
    """
    settings = read_file_settings(config)
    from southbound.operations.spokes.show import list_spokes

    return list_spokes(settings, as_json=json)


@spokes.command(epilog=EXIT_CODES)
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file of one profile.")],
) -> int:
    """Check one profile and its secrets, without any connection. Every mistake is named with its line.

    **Example**

    - `southbound spokes check spokes/fibre-lab.yaml`
    """
    from southbound.operations.spokes.show import check_profile

    return check_profile(file, os.environ)


@spokes.command(epilog=EXIT_CODES)
def show(name: SpokeArgument, json: JsonOption = False, config: ConfigOption = None) -> int:
    """Show every field of a profile with its value, and whether it is set or the default. There are no secrets in it.

    The digest is that in the timelines of runs (`southbound runs show`).

    **Examples**

    - `southbound spokes show fibre-lab`
    - `southbound spokes show ./lab.yaml --json | jq .retry`
    """
    settings = read_file_settings(config)
    from southbound.operations.spokes.show import show_spoke

    return show_spoke(settings, name, as_json=json)


@spokes.command(epilog=EXIT_CODES)
def probe(name: SpokeArgument, json: JsonOption = False, config: ConfigOption = None) -> int:
    """Find out whether a system can be reached: its name, the connection, TLS, and the credentials, in this order.

    Then the rules of the profile are tried (`rules`, `run`): a GET of the list of runs, whose first 20 are read, and
    one of its first run. What they show is printed: id, name, what the state means, and the verdict. With
    `hub.register`, a GET of the hub follows. None of them changes anything. The first step that fails is named with its
    cause, and ends the probe with exit code 3. No secret is printed. Through a proxy, names are the proxy's to resolve.

    **Examples**

    - `southbound spokes probe fibre-lab`
    - `southbound spokes probe ./lab.yaml --json`
    """
    settings = read_file_settings(config)
    from southbound.operations.spokes.probe import probe_spoke

    return probe_spoke(settings, name, os.environ, as_json=json)


@spokes.command(epilog=EXIT_CODES)
def preview(
    name: SpokeArgument,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A file of events, as for `southbound produce`, or `-`.")],
    every: Annotated[
        bool, typer.Option("--all", help="Show also how each run is looked up, asked for, and cancelled.")
    ] = False,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Print the requests that events would lead to at a system, without a connection to it, to Kafka or to a service.

    Every run is shown as if it was sent there on its own, whatever the tables decide: a `RunRequested` is a POST, a
    `RunChanged` after it what differs, a `RunCancelled` the cancellation. What a system gives is a placeholder
    (`EXTERNAL-ID-OF-TR1`), and secrets are `***`; they need not be there. What a test specification adds is not shown.

    **Examples**

    - `southbound spokes preview fibre-lab run.yaml`
    - `southbound spokes preview ./lab.yaml run.yaml --all`
    - `southbound spokes preview ./lab.yaml run.yaml --json | jq .body`
    """
    settings = read_file_settings(config)
    from southbound.operations.spokes.preview import preview_requests

    return preview_requests(settings, name, file, every=every, as_json=json)


@spokes.command(epilog=EXIT_CODES)
def schema() -> int:
    """Print the JSON Schema of profiles, for editors.

    An editor with the YAML language server uses it for a profile whose first line is
    `# yaml-language-server: $schema=profile.schema.json`.

    **Example**

    - `southbound spokes schema > profile.schema.json`
    """
    from southbound.operations.spokes.show import print_schema

    return print_schema()


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
