"""The command `southbound why`."""

from typing import Annotated

import typer

from southbound.cli.options import EXIT_CODES, ConfigOption, JsonOption, read_settings


def add_to(app: typer.Typer) -> None:
    """Add the command of this module to `app`."""
    app.command(epilog=EXIT_CODES)(why)


def why(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="The run's id.")] = None,
    topic: Annotated[
        str | None,
        typer.Option(metavar="TOPIC", help="lifecycle, inbound, dispatch.SPOKE, ingress.SOURCE, or a full name."),
    ] = None,
    partition: Annotated[int | None, typer.Option(min=0, metavar="N", help="One partition of the topic.")] = None,
    spoke: Annotated[str | None, typer.Option(metavar="NAME", help="The commands for one external system.")] = None,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Health address of the process that is asked for attempts and retries; default: that of the settings.",
        ),
    ] = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Explain in one sentence why a run, a partition or a system makes no progress, and show what it follows from.

    Without a run or an option it looks at every topic that a role consumes. Kafka names the frontier of each
    partition, the offsets above it that are finished, the oldest unfinished record and the member of the group that
    holds the partition. The run store names the phase of a run. Attempts, the next retry and the last problem are known
    only to the process that holds the partition: `/debug/lanes` of its health address is asked.

    Of a run it also explains why it was routed as it was. The explanation was stored with the decision, so later
    changes of the tables do not affect it. A child follows the decision for its root.

    **Examples**

    - `southbound why TR0001`
    - `southbound why --spoke fibre-lab --url http://10.0.0.7:8709`
    - `southbound why --topic lifecycle --partition 3`
    - `southbound why TR0001 --json | jq .decisions`
    """
    settings = read_settings(config)
    from southbound.operations.why.run_why import WhyOptions
    from southbound.operations.why.run_why import why as explain

    return explain(
        settings,
        WhyOptions(run=run, topic=topic, partition=partition, spoke=spoke, url=url, as_json=json),
    )
