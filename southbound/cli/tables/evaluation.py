"""The commands that evaluate a table: `southbound tables explain`, `test` and `backtest`."""

from typing import Annotated

import typer

from southbound.cli.options import EXIT_CODES, ConfigOption, JsonOption, read_settings, read_settings_for_tables


def add_to(tables: typer.Typer) -> None:
    """Add the commands of this module to the group `tables`."""
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
    json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Explain what a table decides for an event, why, and which rows came close.

    The event is written as for `southbound produce`. It may also be a run document, or a part of one as in a saved
    test; omitted fields are missing values. The table's saved tests need not pass. Thresholds are not counted.

    Exits with 0 whether or not the table decides; `--json` has `decided`.

    **Examples**

    - `southbound tables explain policy.yaml --event run.yaml`
    - `southbound tables explain spoke-selector@draft --event run.json --row S40`
    - `echo '{test_specification: {id: fibre-line}}' | southbound tables explain policy.yaml --event -`
    """
    settings = read_settings_for_tables(config, table)
    from southbound.operations.tables.explain import explain_table

    return explain_table(settings, table, event, row=row, as_json=json)


def run_saved_tests(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="An outbound policy, a selector or any table.")],
    json: JsonOption = False,
) -> int:
    """Run the tests that are saved with tables, and show each with the expected and the actual result.

    `check`, and everything that uses a table, refuses a table with a failing test; this command shows all of its tests.
    Exits with 2 if a test fails or a file cannot be used.

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
    since: Annotated[str, typer.Option(metavar="DURATION", help="How far back: 90m, 24h, 7d.")] = "7d",
    against: Annotated[
        str, typer.Option(metavar="TABLE|live", help="The table to compare with; live: the one that the gateway uses.")
    ] = "live",
    limit: Annotated[int, typer.Option(min=0, max=10_000, help="The largest number of runs to name.")] = 50,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Decide the recorded lifecycle events again with a draft, and list the runs that it would route differently.

    Reads `testrun.lifecycle` from `--since` up to its current end, on all cores, and changes nothing. A run is routed
    differently if its outputs differ; another row with the same outputs makes no difference. Only requests of roots are
    decided: children follow their root, and changes and cancellations keep their decision. Thresholds are not counted:
    the first definition that matches is used. The draft's saved tests need not pass yet.

    **Examples**

    - `southbound tables backtest draft.yaml --since 7d`
    - `southbound tables backtest spoke-selector@draft --since 24h --json | jq .changes`
    - `southbound tables backtest new.yaml --against old.yaml --since 7d`
    """
    settings = read_settings(config)
    from southbound.operations.backtest.compare import backtest_table

    return backtest_table(settings, table, since=since, against=against, limit=limit, json=json)
