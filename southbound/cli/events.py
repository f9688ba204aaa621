"""Commands about events: put them on Kafka, and see what travels there."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that `--help` is quick

from typing import Annotated

import typer

from southbound.cli.options import EXIT_CODES, ConfigOption, JsonOption, read_settings


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(epilog=EXIT_CODES)(produce)
    app.command(epilog=EXIT_CODES)(tail)


def produce(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="JSON, JSON Lines or YAML; - is standard input.")],
    redrive: Annotated[bool, typer.Option("--redrive", help="Redrive dead letters; the cause is repaired.")] = False,  # noqa: FBT002 - an option
    config: ConfigOption = None,
) -> int:
    """Publish the events of a file, all or none.

    Each event is `{type: RunRequested, data: {…}}`; `id`, `source`, `time` and `subject` are optional. A file contains
    one event, a list, or one per line. All events are checked before any is published, and every mistake is reported
    with its line. Prints one line per event that Kafka has acknowledged: id, type, key and topic.

    `--redrive` marks events that were dead letters. It makes a difference for `IN_DOUBT`, a POST that could not be
    looked up: it is made again, because the person who redrives it has asked the operators of the system first.

    **Examples**

    - `southbound produce runs.yaml`
    - `jq -c .events[] export.json | southbound produce -`
    """
    settings = read_settings(config)
    from southbound.operations.produce import produce as publish

    return publish(settings, file, redrive=redrive)


def tail(
    topics: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TOPIC",
            help="lifecycle, dispatch, dispatch.SPOKE, inbound, inflight, results, dlq, or a full name; default: all.",
        ),
    ] = None,
    run: Annotated[str | None, typer.Option(metavar="ID", help="Only this run; for a root also its children.")] = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with the oldest record.")] = False,  # noqa: FBT002 - an option
    follow: Annotated[bool, typer.Option(help="Continue until Ctrl-C, or stop at the present end.")] = True,  # noqa: FBT002 - an option
    json: JsonOption = False,  # noqa: FBT002 - an option
    config: ConfigOption = None,
) -> int:
    """Print the records of topics, decoded, as they arrive.

    For a value that is not an event, the reason is printed; for a dead letter, its reason and its origin. The command
    joins no consumer group and commits nothing. Order is only kept within each partition.

    **Examples**

    - `southbound tail results inflight dlq`
    - `southbound tail --run TR0001 --from-start --no-follow`
    - `southbound tail dlq --from-start --no-follow --json | jq .dead_letter.reason`
    """
    settings = read_settings(config)
    from southbound.operations.tail import TailOptions
    from southbound.operations.tail import tail as watch

    return watch(
        settings, TailOptions(topics=topics or (), from_start=from_start, follow=follow, run=run, as_json=json)
    )
