"""Commands that run until they are stopped: the service, the demo, a broker, the external systems."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that `--help` is quick

from pathlib import Path
from typing import Annotated

import typer

from southbound.cli.options import EXIT_CODES, ConfigOption, read_settings
from southbound.service.roles import ROLES, Role

ROLES_HELP = "; ".join(f"`{role}` {description.meaning}" for role, description in ROLES.items())


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(epilog=EXIT_CODES)(run)
    app.command(epilog=EXIT_CODES)(demo)
    app.command(epilog=EXIT_CODES)(broker)
    app.command(epilog=EXIT_CODES)(simulate)


def run(
    roles: Annotated[
        list[Role] | None,
        typer.Argument(metavar="ROLE", help=f"The roles of this process; all if omitted: {ROLES_HELP}."),
    ] = None,
    spoke: Annotated[str | None, typer.Option(metavar="NAME", help="Dispatch to this external system only.")] = None,
    config: ConfigOption = None,
) -> int:
    """Run the service: every role in this process, or only the given roles.

    Any number of processes may run; those with the same role share the work.

    SIGTERM or Ctrl-C stops it: no new work starts, running work finishes and is committed, and the exit code is 0. The
    exit code is 4 if work did not finish within `worker.drain` seconds. A second signal ends the process at once.

    **Examples**

    - `southbound run`: every role
    - `southbound run routing inbound listener`: only these roles
    - `southbound run dispatch --spoke fibre-lab`: dispatch to one system only
    """
    settings = read_settings(config)
    from southbound.operations.serve import run_service

    return run_service(settings, roles or (), spoke)


def demo(config: ConfigOption = None) -> int:
    """Run ten example stories on a real Kafka, with two simulated external systems.

    Uses the Kafka of `kafka.bootstrap` if that is set, else a broker in Docker if an engine responds, else a broker in
    a local JVM. The demo uses its own topics and the shipped tables and profiles, and does not change other runs in a
    configured store. It stops everything that it started. The exit code is 0 only if every story ended as expected.

    **Examples**

    - `southbound demo`
    - `SOUTHBOUND_KAFKA__BOOTSTRAP=127.0.0.1:9092 southbound demo`
    """
    settings = read_settings(config)
    from southbound.operations.local import show_demo

    return show_demo(settings)


def broker(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on, at 127.0.0.1.")] = 9092,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for its data; without it, the data are deleted at the end."),
    ] = None,
    config: ConfigOption = None,
) -> int:
    """Run a local Apache Kafka until Ctrl-C: in Docker if an engine responds, else in a JVM.

    Prints the address for `kafka.bootstrap` as soon as the broker responds. For development, not for production.

    **Examples**

    - `southbound broker`
    - `southbound broker --port 19092 --data ./kafka-data`
    """
    settings = read_settings(config)
    from southbound.operations.local import run_broker

    return run_broker(settings, port, data)


def simulate(
    script: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Behaviour of the systems by specification (YAML).")
    ] = None,
    latency: Annotated[float, typer.Option(min=0, help="Seconds added to every response.")] = 0.0,
    port: Annotated[
        int, typer.Option(min=1, max=65534, help="Port of fibre-lab; copper-lab uses the next one.")
    ] = 8701,
    config: ConfigOption = None,
) -> int:
    """Simulate two external systems until Ctrl-C: fibre-lab on port 8701, copper-lab on 8702.

    They implement TMF653 v4.1, validate requests by its official definition, and call back the listener of the
    settings. Without a script they behave as in the demo: `fibre-quick` responds with the result, `fibre-line` calls
    back, `copper-refused` refuses the run, `copper-busy` is busy twice. `GET /_simulator/received` lists the requests.

    **Examples**

    - `southbound simulate`
    - `southbound simulate --script behaviours.yaml --latency 0.2`
    """
    settings = read_settings(config)
    from southbound.operations.local import simulate as play

    return play(settings, script, latency, port)
