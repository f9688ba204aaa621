"""The commands that run until they are stopped: `southbound run`, `demo`, `broker` and `simulate`."""

from pathlib import Path
from typing import Annotated

import typer

from southbound.cli.options import EXIT_CODES, ConfigOption, read_settings
from southbound.cli.shell.unread_output import StreamingCommand
from southbound.exit_codes import invalid_input
from southbound.service.roles import ROLES, Role

DEFAULT_PORT = 8701


def _describe(role: Role) -> str:
    row = ROLES[role]
    condition = f", only if it is named or `{row.enabled_by}` is set" if row.enabled_by else ""
    return f"`{role}` {row.meaning}{condition}"


ROLES_HELP = "; ".join(map(_describe, ROLES))


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.command(cls=StreamingCommand, epilog=EXIT_CODES)(run)
    app.command(cls=StreamingCommand, epilog=EXIT_CODES)(demo)
    app.command(cls=StreamingCommand, epilog=EXIT_CODES)(broker)
    app.command(cls=StreamingCommand, epilog=EXIT_CODES)(simulate)


def run(
    roles: Annotated[
        list[Role] | None,
        typer.Argument(metavar="ROLE", help=f"The roles of this process; the default ones if omitted: {ROLES_HELP}."),
    ] = None,
    spoke: Annotated[str | None, typer.Option(metavar="NAME", help="Dispatch to this external system only.")] = None,
    accept_empty_store: Annotated[
        bool,
        typer.Option(
            "--accept-empty-store",
            help="Start although the run store was lost or restored: runs that may have been sent are looked up first.",
        ),
    ] = False,
    config: ConfigOption = None,
) -> int:
    """Run the service with every default role in this process, or with the named roles.

    Any number of processes may run: those with the same role share the work.

    SIGTERM or Ctrl-C stops it: no new work is started, work under way is finished and committed, and it exits
    with 0. With 4 it could not finish within `worker.drain` seconds. A second signal ends it at once.

    It refuses to start with a run store that is empty, older or another one than it worked with, or that belongs to
    another gateway. If no backup can be restored, start it once with `--accept-empty-store`, before all others.

    **Examples**

    - `southbound run`: every role that needs no setting, or whose setting is set
    - `southbound run routing inbound listener`: everything except dispatch
    - `southbound run dispatch --spoke fibre-lab`: dispatch to one system only
    """
    settings = read_settings(config)
    from southbound.operations.run_service import run_service

    return run_service(settings, roles or (), spoke, accept_empty_store=accept_empty_store)


def demo(config: ConfigOption = None) -> int:
    """Run twelve scenarios on a real Kafka with two simulated systems, and show their results.

    Two of them begin at a simulated ServiceNow instance: its service desk orders over HTTP and is notified, and the
    measures are captured in its table of test runs. The keys and secrets for that exist as long as the demo runs.

    Uses the Kafka of `kafka.bootstrap` if that is set, else starts one in Docker or in a local JVM. It creates topics
    of its own and uses the shipped tables and profiles; runs that a configured store already has are not changed.
    Nothing is left running. Exits with 0 only if every scenario ended as expected.

    **Examples**

    - `southbound demo`
    - `SOUTHBOUND_KAFKA__BOOTSTRAP=127.0.0.1:9092 southbound demo`
    """
    settings = read_settings(config)
    from southbound.operations.local_processes import show_demo

    return show_demo(settings)


def broker(
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port on 127.0.0.1 that it listens on.")] = 9092,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The folder that keeps its data; without it the data is deleted at the end."),
    ] = None,
    config: ConfigOption = None,
) -> int:
    """Run a local Apache Kafka until Ctrl-C: in Docker if an engine answers, else in a JVM.

    Prints the address for `kafka.bootstrap` as soon as the broker responds. For development, not for production.

    **Examples**

    - `southbound broker`
    - `southbound broker --port 19092 --data ./kafka-data`
    """
    settings = read_settings(config)
    from southbound.operations.local_processes import run_broker

    return run_broker(settings, port, data)


def simulate(
    scenario: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Play the systems of this scenario (YAML) instead of the three below."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="With --scenario: check the file and its secrets, and start nothing.")
    ] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of scenarios, for editors.")] = False,
    script: Annotated[
        Path | None, typer.Option(metavar="FILE", help="How the systems behave, by test specification (YAML).")
    ] = None,
    latency: Annotated[float, typer.Option(min=0, help="Seconds added to every response.")] = 0.0,
    port: Annotated[
        int, typer.Option(min=1, max=65532, help="The port of fibre-lab; copper-lab and servicenow use the next two.")
    ] = DEFAULT_PORT,
    open_slice: Annotated[
        bool,
        typer.Option("--open-slice", help="Also simulate a system like OpenSlice, on the port after servicenow's."),
    ] = False,
    config: ConfigOption = None,
) -> int:
    """Simulate until Ctrl-C: the systems fibre-lab on port 8701, copper-lab on 8702, a ServiceNow instance on 8703.

    They implement TMF653 v4.1, validate requests with the official definition, and call back the listener of the
    settings. Without a script they behave as in the demo: `fibre-quick` answers immediately, `fibre-line` calls back,
    `fibre-slow` violates a threshold, `copper-refused` is refused, `copper-busy` is busy twice.
    `GET /_simulator/received` shows the received requests.

    The instance has the Service Test Management Open API and a table of test runs, shown by `GET /_simulator/table`. It
    refuses what breaks the documented rules.

    A scenario describes other systems, as many as you like, with versions, deviations and faults: see the page
    `docs/how-to/test-against-simulated-systems.md`. It needs no settings.

    **Examples**

    - `southbound simulate`
    - `southbound simulate --script behaviours.yaml --latency 0.2`
    - `southbound simulate --open-slice`
    - `southbound simulate --scenario systems.yaml --check`
    - `southbound simulate --schema > scenario.schema.json`
    """
    if schema:
        from southbound.operations.local_processes import print_scenario_schema

        return print_scenario_schema()
    if scenario is not None:
        if script is not None or latency or open_slice or port != DEFAULT_PORT:
            raise invalid_input(
                ["--scenario describes all systems: leave out --script, --latency, --port and --open-slice"]
            )
        from southbound.operations.local_processes import run_scenario

        return run_scenario(scenario, check=check)
    if check:
        raise invalid_input(["--check needs --scenario FILE: it checks a scenario"])
    settings = read_settings(config)
    from southbound.operations.local_processes import run_simulator

    return run_simulator(settings, script, latency, port, open_slice=open_slice)
