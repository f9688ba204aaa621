"""Commands about runs: what the run store knows."""

from typing import Annotated

import typer

from southbound.cli.options import EXIT_CODES, ConfigOption, JsonOption, read_settings

RunIdArgument = Annotated[str, typer.Argument(metavar="ID", help="The run's id.")]

runs = typer.Typer(help="See the runs in the run store.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(runs, name="runs")


@runs.command("list", epilog=EXIT_CODES)
def list_(
    phase: Annotated[str | None, typer.Option(metavar="PHASE", help="Only runs in this phase.")] = None,
    spoke: Annotated[str | None, typer.Option(metavar="NAME", help="Only runs of this external system.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """List the runs that moved last.

    **Examples**

    - `southbound runs list --phase fallout`: what waits for a person
    - `southbound runs list --spoke fibre-lab --limit 10 --json`
    """
    settings = read_settings(config)
    from southbound.operations.runs import list_runs

    return list_runs(settings, phase=phase, spoke=spoke, limit=limit, as_json=json)


@runs.command(epilog=EXIT_CODES)
def show(
    run_id: RunIdArgument,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Show all that is known of one run: decision, phase, state, measures, reasons, documents.

    **Examples**

    - `southbound runs show TR0001`
    - `southbound runs show TR0001 --json | jq .run.measures`
    """
    settings = read_settings(config)
    from southbound.operations.runs import show_run

    return show_run(settings, run_id, as_json=json)


@runs.command(epilog=EXIT_CODES)
def why(
    run_id: RunIdArgument,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Explain why a run was sent as it was and where it was, and what it waits for.

    The explanation was stored when the decision was made, so it is shown although the tables have changed since. A
    child follows what was decided for its root.

    **Examples**

    - `southbound runs why TR0001`
    - `southbound runs why TR0001 --json | jq .decisions`
    """
    settings = read_settings(config)
    from southbound.operations.explain_run import explain_run

    return explain_run(settings, run_id, as_json=json)
