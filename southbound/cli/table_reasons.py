"""Commands that explain tables: the decision for an event, saved tests, and the changes that a draft would make."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that `--help` is quick

from typing import Annotated

import typer

from southbound.cli.options import EXIT_CODES, ConfigOption, JsonOption, read_settings


def add_to(tables: typer.Typer) -> None:
    """Add these commands to those about tables."""
    tables.command(epilog=EXIT_CODES)(explain)
    tables.command("test", epilog=EXIT_CODES)(run_saved_tests)
    tables.command(epilog=EXIT_CODES)(backtest)


def explain(
    table: Annotated[
        str, typer.Argument(metavar="TABLE", help="A file, or a published table: ID, ID@VERSION, ID@draft.")
    ],
    event: Annotated[
        str, typer.Option(metavar="FILE|-", help="Events, or a run document or part of one, in JSON or YAML.")
    ],
    row: Annotated[str | None, typer.Option(metavar="ID", help="Also explain why this row did not decide.")] = None,
    json: JsonOption = False,  # noqa: FBT002 - an option
    config: ConfigOption = None,
) -> int:
    """Show what a table decides for an event, why, and which rows nearly matched.

    The event has the format of `southbound produce`, or is the run document in it, or a part of one as in a saved test.
    Omitted fields are missing. The saved tests of the table need not pass. Thresholds are not counted.

    The exit code is 0 whether or not the table decides; with `--json`, `decided` is true or false.

    **Examples**

    - `southbound tables explain policy.yaml --event run.yaml`
    - `southbound tables explain spoke-selector@draft --event run.json --row S40`
    - `echo '{test_specification: {id: fibre-line}}' | southbound tables explain policy.yaml --event -`
    """
    settings = read_settings(config)
    from southbound.operations.tables.explain import explain_table

    return explain_table(settings, table, event, row=row, as_json=json)


def run_saved_tests(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="An outbound policy, a selector or any table.")],
    json: JsonOption = False,  # noqa: FBT002 - an option
) -> int:
    """Run the saved tests of tables, and show for each what was expected, what was found, and why.

    `tables check`, `tables publish` and the service refuse a table if one of its tests fails; this command shows all
    tests. The exit code is 2 if a test fails or a file cannot be used.

    **Examples**

    - `southbound tables test my-policy.yaml`
    - `southbound tables test tables/*.yaml --json | jq 'select(.passed | not)'`
    """
    from southbound.operations.tables.run_tests import test_tables

    return test_tables(files, as_json=json)


def backtest(
    table: Annotated[
        str, typer.Argument(metavar="TABLE", help="The draft: a file, or a published table: ID@draft, ID@VERSION.")
    ],
    since: Annotated[
        str, typer.Option(metavar="SPAN", help="Start of the period, counted back from now: 90m, 24h, 7d.")
    ] = "7d",
    against: Annotated[
        str,
        typer.Option(
            metavar="TABLE|live", help="The table to compare with; live: the one by which the gateway decides."
        ),
    ] = "live",
    limit: Annotated[int, typer.Option(min=0, max=10_000, help="Maximum number of runs that are named.")] = 50,
    json: JsonOption = False,  # noqa: FBT002 - an option
    config: ConfigOption = None,
) -> int:
    """Decide the recorded lifecycle events again with a draft, and list which runs would go elsewhere.

    Reads `testrun.lifecycle` from the given time to its present end, on all cores, and changes nothing. A run goes
    elsewhere if its outputs differ; another row with the same outputs is not a difference. Only requests of roots are
    decided: children follow their root, and changes and cancellations keep the decision of their run. Thresholds are
    not counted: the first definition that matches is taken. The saved tests of the draft need not pass.

    **Examples**

    - `southbound tables backtest draft.yaml --since 7d`
    - `southbound tables backtest spoke-selector@draft --since 24h --json | jq .changes`
    - `southbound tables backtest new.yaml --against old.yaml --since 7d`
    """
    settings = read_settings(config)
    from southbound.operations.backtest.compare import backtest_table

    return backtest_table(settings, table, since=since, against=against, limit=limit, json=json)
