"""The group `southbound tables`, with the commands `check`, `analyse`, `export` and `import`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from southbound.cli.options import EXIT_CODES, ConfigOption, JsonOption, read_file_settings, read_settings_for_tables
from southbound.cli.tables import evaluation, lifecycle

OutOption = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="OUT", help="The file to write; standard output without it.")
]

tables = typer.Typer(help="Check, compare and publish decision tables and spoke selectors.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add the group to `app`."""
    lifecycle.add_to(tables)
    evaluation.add_to(tables)
    app.add_typer(tables, name="tables")


@tables.command(epilog=EXIT_CODES)
def check(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="Tables of any kind in YAML, CSV, XLSX or DMN.")],
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Load tables, check every cell, run their saved tests, and describe them.

    All mistakes of all files are reported at once, as `file:line: mistake`. A selector may only name spokes that have a
    profile in `routing.spokes`.

    **Examples**

    - `southbound tables check my-policy.yaml`
    - `southbound tables check tables/*.yaml`
    """
    settings = read_file_settings(config)
    from southbound.operations.tables.check import check_tables

    return check_tables(settings, files, as_json=as_json)


@tables.command(epilog=EXIT_CODES)
def analyse(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="Tables of any kind in YAML, CSV or XLSX.")],
    as_json: JsonOption = False,
) -> int:
    """Find rows that are never reached, rows that overlap, and values that no row matches.

    An error ends the command with exit code 2, as `file: what is wrong`: a row that is never reached, or rows that
    overlap where the hit policy forbids it. Warnings and notes are printed and do not change the exit code. What could
    not be checked in time is reported. Saved tests are not run.

    **Examples**

    - `southbound tables analyse my-policy.yaml`
    - `southbound tables analyse tables/*.yaml --json`
    """
    from southbound.operations.tables.analyse import analyse_tables

    return analyse_tables(files, as_json=as_json)


@tables.command(epilog=EXIT_CODES)
def export(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE|ID", help="A table in YAML, CSV, XLSX or DMN, or a published one."),
    ],
    to: Annotated[Literal["yaml", "csv", "xlsx", "dmn"], typer.Option("--to", help="The format to write.")],
    out: OutOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Write a table in another format, with its columns, rows, default and saved tests.

    In XLSX every cell is text, so that Excel does not change `1-2` and `007`. In CSV, a cell that a spreadsheet would
    run as a formula starts with an apostrophe, which `tables import` removes.

    **Examples**

    - `southbound tables export outbound-policy.yaml --to xlsx -o outbound-policy.xlsx`
    - `southbound tables export outbound-policy.xlsx --to csv`
    - `southbound tables export outbound-policy@draft --to xlsx -o draft.xlsx`
    """
    settings = read_settings_for_tables(config, file)
    from southbound.operations.tables.convert import export_table
    from southbound.operations.tables.formats import Format

    return export_table(settings, file, Format(to), out, as_json=as_json)


@tables.command(name="import", epilog=EXIT_CODES)
def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A table of any kind in CSV, XLSX, DMN or YAML.")],
    out: OutOption = None,
    decision: Annotated[
        str,
        typer.Option("--decision", metavar="NAME", help="The decision to import from a DMN model that has several."),
    ] = "",
    path: Annotated[
        list[str] | None,
        typer.Option("--path", metavar="INPUT=FACT", help="The fact of a run for an input of a DMN model."),
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Check a table of any format, run its saved tests, and write it as YAML.

    Every mistake is reported at once, with its cell. For a spreadsheet with mistakes, a copy `NAME.errors.xlsx` with
    the reasons beside the cells is written, and nothing else.

    **Examples**

    - `southbound tables import outbound-policy.xlsx -o outbound-policy.yaml`
    - `southbound tables import spoke-selector.csv`
    - `southbound tables import model.dmn --decision Dispatch --path 'Line speed=characteristic[speed]'`
    """
    settings = read_file_settings(config)
    from southbound.operations.tables.check import known_spokes
    from southbound.operations.tables.convert import import_table
    from southbound.operations.tables.dmn import DmnOptions, parse_paths

    options = DmnOptions(decision=decision, paths=parse_paths(path or []))
    return import_table(file, out, known_spokes(settings.routing.spokes), options, as_json=as_json)
