"""The commands `southbound runs list` and `show`."""

from typing import Annotated

import typer

from southbound.cli.options import EXIT_CODES, ConfigOption, JsonOption, read_settings

RunIdArgument = Annotated[str, typer.Argument(metavar="ID", help="The run's id.")]

runs = typer.Typer(help="Show the runs in the run store.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.add_typer(runs, name="runs")


@runs.command("list", epilog=EXIT_CODES)
def list_(
    phase: Annotated[str | None, typer.Option(metavar="PHASE", help="Only runs in this phase.")] = None,
    spoke: Annotated[str | None, typer.Option(metavar="NAME", help="Only runs of this external system.")] = None,
    ids: Annotated[
        str | None,
        typer.Option("--ids", metavar="FILE", help="Only runs whose ids are in this file, one per line; - is stdin."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The largest number of runs to list.")] = 50,
    count: Annotated[bool, typer.Option("--count", help="Print only how many runs there are in each phase.")] = False,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """List the runs that were updated last, or those with certain ids, or count them.

    With `--ids`, runs that the run store does not have are named, and the exit code is 2.

    **Examples**

    - `southbound runs list --phase fallout`: the runs that need a person
    - `southbound runs list --spoke fibre-lab --limit 10 --json`
    - `southbound dlq list --all --since 1h --json | jq -r '.key // empty' | southbound runs list --ids - --count`
    """
    settings = read_settings(config)
    from southbound.operations.runs import RunListOptions, list_runs

    options = RunListOptions(phase=phase, spoke=spoke, ids=ids, limit=limit, count=count, as_json=json)
    return list_runs(settings, options)


@runs.command(epilog=EXIT_CODES)
def show(
    run_id: RunIdArgument,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Show everything that is stored about one run: decision, phase, state, measures, reasons, timeline, documents.

    The timeline has every HTTP call about the run and every change of its phase and state: the last 50 of each, and how
    many there were before. The eight digits after *sent* are the beginning of the digest of what was sent: the same for
    the same body.

    **Examples**

    - `southbound runs show TR0001`
    - `southbound runs show TR0001 --json | jq .run.measures`
    - `southbound runs show TR0001 --json | jq '.timeline[] | select(.kind == "attempt")'`
    """
    settings = read_settings(config)
    from southbound.operations.runs import show_run

    return show_run(settings, run_id, as_json=json)
