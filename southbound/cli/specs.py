"""The commands about test specifications: `southbound specs list`, `show`, `apply` and `delete`."""

from typing import Annotated

import typer

from southbound.cli.options import EXIT_CODES, AuthorOption, ConfigOption, JsonOption, read_settings

SpecIdArgument = Annotated[str, typer.Argument(metavar="ID", help="The id of a test specification.")]

specs = typer.Typer(help="Show and change the test specifications that runs take from.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.add_typer(specs, name="specs")


@specs.command("list", epilog=EXIT_CODES)
def list_(json: JsonOption = False, config: ConfigOption = None) -> int:
    """List the test specifications with their version, status and number of measures.

    **Examples**

    - `southbound specs list`
    - `southbound specs list --json | jq -r .id`
    """
    settings = read_settings(config)
    from southbound.operations.specifications.show import list_specifications

    return list_specifications(settings, as_json=json)


@specs.command(epilog=EXIT_CODES)
def show(spec_id: SpecIdArgument, json: JsonOption = False, config: ConfigOption = None) -> int:
    """Print a test specification as it was written, and its author on standard error.

    With `--json`, its record is one line: the document with author, comment, time and revision.

    **Examples**

    - `southbound specs show fibre-line > fibre-line.json`
    - `southbound specs show fibre-line --json | jq .document.testMeasureDefinition`
    """
    settings = read_settings(config)
    from southbound.operations.specifications.show import show_specification

    return show_specification(settings, spec_id, as_json=json)


@specs.command(epilog=EXIT_CODES)
def apply(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="One or more specifications in JSON or YAML; - is standard input.")
    ],
    author: AuthorOption = None,
    comment: Annotated[str, typer.Option(metavar="TEXT", help="The reason; it is stored with the record.")] = "",
    json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Write test specifications: new ones are added, known ones replaced, all of the file together or none.

    A specification is a TMF653 `ServiceTestSpecification` with an `id`. Those that are unchanged are not written.
    Runs that are routed from then on take from it; a run that was routed keeps what it took.
    Workers follow specifications where `routing.specifications` is `topic`.

    **Examples**

    - `southbound specs apply specifications.yaml --comment "gigabit lines have a threshold"`
    - `curl -s https://catalog.example/serviceTestSpecification | southbound specs apply -`
    """
    settings = read_settings(config)
    from southbound.operations.specifications.apply import apply_specifications

    return apply_specifications(settings, file, author, comment, as_json=json)


@specs.command(epilog=EXIT_CODES)
def delete(spec_id: SpecIdArgument, config: ConfigOption = None) -> int:
    """Delete a test specification. A run that was routed keeps what it took; later ones are of an unknown one.

    **Example**

    - `southbound specs delete fibre-line`
    """
    settings = read_settings(config)
    from southbound.operations.specifications.apply import delete_specification

    return delete_specification(settings, spec_id)
