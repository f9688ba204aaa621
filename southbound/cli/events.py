"""The commands `southbound produce` and `southbound tail`."""

from typing import Annotated

import typer

from southbound.cli.options import EXIT_CODES, ConfigOption, JsonOption, read_settings
from southbound.cli.shell.unread_output import StreamingCommand


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.command(epilog=EXIT_CODES)(produce)
    app.command(cls=StreamingCommand, epilog=EXIT_CODES)(tail)


def produce(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="JSON, JSON Lines or YAML; - is standard input.")],
    redrive: Annotated[
        bool, typer.Option("--redrive", help="Marks the events as dead letters whose cause is corrected.")
    ] = False,
    config: ConfigOption = None,
) -> int:
    """Publish the events of a file, all or none.

    Each event is `{type: RunRequested, data: {…}}`, with `id`, `source`, `time` and `subject` if wanted; a file
    holds one, a list, or one per line. Everything is checked before anything is sent, and every mistake is
    reported with its line. Prints one line per event that Kafka acknowledged: id, type, key and topic.

    `--redrive` marks events that were dead letters. It matters for one kind: a POST whose outcome is unknown
    (`IN_DOUBT`) is sent again, because the person who redrives it has asked the system's operators first.

    **Examples**

    - `southbound produce runs.yaml`
    - `jq -c .events[] export.json | southbound produce -`
    """
    settings = read_settings(config)
    from southbound.operations.events.produce import produce_file

    return produce_file(settings, file, redrive=redrive)


def tail(
    topics: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TOPIC",
            help="lifecycle, dispatch, dispatch.SPOKE, inbound, inflight, results, dlq, or a full name; default: all.",
        ),
    ] = None,
    run: Annotated[str | None, typer.Option(metavar="ID", help="Only this run; of a root, also those below.")] = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with the oldest record.")] = False,
    follow: Annotated[bool, typer.Option(help="Continue until Ctrl-C, or stop at the current end.")] = True,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Show the records of topics, decoded, as they arrive.

    A value that cannot be decoded is shown with the reason, a dead letter with its reason and its origin.
    No consumer group is joined and no offset is committed. Records are in order within each partition only.

    **Examples**

    - `southbound tail results inflight dlq`
    - `southbound tail --run TR0001 --from-start --no-follow`
    - `southbound tail dlq --from-start --no-follow --json | jq .dead_letter.reason`
    """
    settings = read_settings(config)
    from southbound.operations.events.tail import TailOptions, tail_topics

    return tail_topics(
        settings, TailOptions(topics=topics or (), from_start=from_start, follow=follow, run=run, as_json=json)
    )
