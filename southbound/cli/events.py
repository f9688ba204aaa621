"""Commands about events: put them on Kafka, and see what travels there."""

from typing import Annotated

import typer

from southbound.cli.options import EXIT_CODES, ConfigOption, JsonOption, read_settings


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(epilog=EXIT_CODES)(produce)
    app.command(epilog=EXIT_CODES)(tail)


def produce(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="JSON, JSON Lines or YAML; - is standard input.")],
    redrive: Annotated[bool, typer.Option("--redrive", help="These were dead letters; the cause is mended.")] = False,
    config: ConfigOption = None,
) -> int:
    """Publish the events of a file, all or none.

    Each event is `{type: RunRequested, data: {…}}`, with `id`, `source`, `time` and `subject` if you care; a file
    holds one, a list, or one per line. Everything is checked before anything is sent, and every mistake is
    reported with its line. Prints one line per event that Kafka has: id, type, key and topic.

    `--redrive` marks events that were dead letters. It matters for one of them: a POST that nobody could look up
    (`IN_DOUBT`) is made again, because the person who redrives it has asked the system's operators first.

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
            help="lifecycle, dispatch, dispatch.SPOKE, inbound, inflight, results, dlq, or a whole name; none: all.",
        ),
    ] = None,
    run: Annotated[str | None, typer.Option(metavar="ID", help="Only this run; of a root, also those below.")] = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with the oldest record.")] = False,
    follow: Annotated[bool, typer.Option(help="Go on until Ctrl-C, or stop at the present end.")] = True,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Show what travels on topics, decoded, as it comes.

    A value that is no event is shown as such, with the reason; a dead letter with why it is one and where it came from.
    Watching joins no consumer group and commits nothing. With several partitions the order is only that within each.

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
