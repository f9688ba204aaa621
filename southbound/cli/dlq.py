"""The commands `southbound dlq list`, `stats`, `show`, `redrive`, `drop` and `export`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from southbound.cli.options import EXIT_CODES, ConfigOption, JsonOption, read_settings
from southbound.cli.shell.unread_output import StreamingCommand

if TYPE_CHECKING:
    from southbound.operations.dlq.letter_filter import LetterOptions

dlq = typer.Typer(help="Find, explain, redrive, drop and export dead letters.", no_args_is_help=True)

IdsArgument = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Dead letters as `list` shows them: 0-12.")]
CodeOption = Annotated[
    list[str] | None, typer.Option("--reason", "--code", metavar="CODE", help="Only with this code, such as IN_DOUBT.")
]
ClassOption = Annotated[
    list[str] | None,
    typer.Option("--class", metavar="CLASS", help="undecodable, rejected, routing, dispatch, report or internal."),
]
SpokeOption = Annotated[list[str] | None, typer.Option("--spoke", metavar="NAME", help="Only of this external system.")]
TopicOption = Annotated[
    list[str] | None,
    typer.Option("--topic", metavar="TOPIC", help="Only from lifecycle, dispatch, dispatch.SPOKE, inbound, or a name."),
]
SourceOption = Annotated[
    list[str] | None,
    typer.Option("--source", metavar="NAME", help="Only events of this producer, as their ce_source names it."),
]
RunOption = Annotated[list[str] | None, typer.Option("--run", metavar="ID", help="Only those that name this run.")]
SinceOption = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="Only from then on: 2h, 7d or 2026-11-29T08:00Z.")
]
UntilOption = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Only before then; as --since.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and write nothing.")]
EveryOption = Annotated[bool, typer.Option("--all", help="Every open dead letter, where no filter is given.")]
ClosedOption = Annotated[bool, typer.Option("--all", help="Also those that were redriven or dropped.")]
DeciderOption = Annotated[
    str | None, typer.Option("--author", metavar="NAME", help="Who does it; without it the user of this system.")
]
DecisionCommentOption = Annotated[str, typer.Option("--comment", metavar="TEXT", help="Why; `show` tells it.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.add_typer(dlq, name="dlq")


@dlq.command("list", cls=StreamingCommand, epilog=EXIT_CODES)
def list_(  # noqa: PLR0913 - the filters
    ids: IdsArgument = None,
    *,
    code: CodeOption = None,
    class_: ClassOption = None,
    spoke: SpokeOption = None,
    topic: TopicOption = None,
    source: SourceOption = None,
    run: RunOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    closed_too: ClosedOption = False,
    held: Annotated[
        bool, typer.Option("--held", help="Instead the records that wait behind dead letters of their key.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, max=100_000, help="So many of the newest: 50, and all with --json.")
    ] = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """List the open dead letters, the newest last.

    Filters of one kind are alternatives, those of different kinds must all match.

    **Examples**

    - `southbound dlq list --class dispatch --since 2h`
    - `southbound dlq list --reason NO_ROW_MATCHES --json | jq -r .run`
    - `southbound dlq list --held`: on topics of `worker.hold`
    """
    settings = read_settings(config)
    from southbound.operations.dlq.list_held import list_held
    from southbound.operations.dlq.list_letters import list_letters

    chosen = _chosen(ids, code, class_, spoke, topic, source, run, since, until)
    if held:
        return list_held(settings, chosen, limit=limit, as_json=json)
    return list_letters(settings, chosen, closed_too=closed_too, limit=limit, as_json=json)


@dlq.command(epilog=EXIT_CODES)
def stats(  # noqa: PLR0913 - the filters
    *,
    code: CodeOption = None,
    class_: ClassOption = None,
    spoke: SpokeOption = None,
    topic: TopicOption = None,
    source: SourceOption = None,
    run: RunOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Count the open dead letters by class, code, topic and spoke, with their producers and an example of each.

    **Examples**

    - `southbound dlq stats`
    - `southbound dlq stats --since 1d --json`
    """
    settings = read_settings(config)
    from southbound.operations.dlq.list_letters import show_stats

    return show_stats(settings, _chosen(None, code, class_, spoke, topic, source, run, since, until), as_json=json)


@dlq.command(epilog=EXIT_CODES)
def show(
    id_: Annotated[str, typer.Argument(metavar="ID", help="A dead letter as `list` shows it: 0-12.")],
    event: Annotated[bool, typer.Option("--event", help="Print only its event, as `redrive --edit` takes it.")] = False,
    value: Annotated[bool, typer.Option("--value", help="Write only the bytes of its value.")] = False,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Explain one dead letter: why, what it is about, where it came from, its content, and what to do.

    The values of headers that are named like credentials are not shown.

    **Examples**

    - `southbound dlq show 0-12`
    - `southbound dlq show 0-12 --event > event.json`, to correct it and `redrive 0-12 --edit event.json`
    """
    settings = read_settings(config)
    from southbound.operations.dlq.show_letter import show_letter

    return show_letter(settings, id_, event_only=event, value_only=value, as_json=json)


@dlq.command(epilog=EXIT_CODES)
def redrive(  # noqa: PLR0913 - the filters
    ids: IdsArgument = None,
    *,
    code: CodeOption = None,
    class_: ClassOption = None,
    spoke: SpokeOption = None,
    topic: TopicOption = None,
    source: SourceOption = None,
    run: RunOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    every: EveryOption = False,
    dry_run: DryRunOption = False,
    rate: Annotated[
        float | None, typer.Option(min=0.1, max=100_000, metavar="N", help="At most so many per second.")
    ] = None,
    max_redrives: Annotated[
        int, typer.Option(min=1, max=1_000, metavar="N", help="Leave those that were redriven so often.")
    ] = 3,
    edit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="One dead letter: send this event instead (as for `produce`).")
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="With --edit: send the bytes of the file as they are.")] = False,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="POINTER=VALUE", help="Change a field of each event: /run/mode=PROACTIVE."),
    ] = None,
    removals: Annotated[
        list[str] | None,
        typer.Option("--remove", metavar="POINTER", help="Remove a field of each event: /run/note."),
    ] = None,
    author: DeciderOption = None,
    comment: DecisionCommentOption = "",
    json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Publish the original records again on the topics they came from: bytes, key and headers as they were.

    Headers are added that say who redrove them, when and how often. Each record and the note that it was redriven are
    written in one transaction: after an interruption the same command goes on with the rest. Redriven dead letters are
    not open any more. A POST whose outcome is unknown (`IN_DOUBT`) is sent again: ask the system's operators first.

    `--set` and `--remove`, which can be repeated, change the data of the chosen events before they go back, also of
    events that Southbound could not read because a field was wrong. POINTER is a JSON pointer into `data` as `show ID
    --event` prints it; `*` is each item of a list, and `-` a new one at its end. VALUE is JSON, or else a text; write
    '"5"' for the text 5. Dead letters that would still not be valid events stay open, and a sentence says why.
    `--dry-run` shows what changes in the first five.

    **Examples**

    - `southbound dlq redrive --reason NO_ROW_MATCHES --dry-run`
    - `southbound dlq redrive --spoke fibre-lab --since 1d --rate 20`
    - `southbound dlq redrive 0-12 --edit event.json`
    - `southbound dlq redrive --reason INVALID_EVENT --set /run/mode=ONDEMAND --dry-run`
    """
    settings = read_settings(config)
    from southbound.operations.dlq.edits.edit_letters import EditOptions
    from southbound.operations.dlq.redrive import CloseOptions, redrive_letters

    options = CloseOptions(
        every=every,
        dry_run=dry_run,
        author=author,
        comment=comment,
        rate=rate,
        max_redrives=max_redrives,
        edit=EditOptions(file=edit, raw=raw, sets=sets or (), removals=removals or ()),
        as_json=json,
    )
    return redrive_letters(settings, _chosen(ids, code, class_, spoke, topic, source, run, since, until), options)


@dlq.command(epilog=EXIT_CODES)
def drop(  # noqa: PLR0913 - the filters
    ids: IdsArgument = None,
    *,
    code: CodeOption = None,
    class_: ClassOption = None,
    spoke: SpokeOption = None,
    topic: TopicOption = None,
    source: SourceOption = None,
    run: RunOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    every: EveryOption = False,
    dry_run: DryRunOption = False,
    author: DeciderOption = None,
    comment: DecisionCommentOption = "",
    json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Close dead letters that are not needed: they stay on their topic until it expires, and are not open any more.

    **Example**

    - `southbound dlq drop --reason UNDECODABLE --until 7d --comment "the producer was repaired and sent them again"`
    """
    settings = read_settings(config)
    from southbound.operations.dlq.redrive import CloseOptions, drop_letters

    options = CloseOptions(every=every, dry_run=dry_run, author=author, comment=comment, as_json=json)
    return drop_letters(settings, _chosen(ids, code, class_, spoke, topic, source, run, since, until), options)


@dlq.command(cls=StreamingCommand, epilog=EXIT_CODES)
def export(  # noqa: PLR0913 - the filters
    ids: IdsArgument = None,
    *,
    code: CodeOption = None,
    class_: ClassOption = None,
    spoke: SpokeOption = None,
    topic: TopicOption = None,
    source: SourceOption = None,
    run: RunOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    closed_too: ClosedOption = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write to this file, else to standard output.")
    ] = None,
    config: ConfigOption = None,
) -> int:
    """Write open dead letters as JSON, one per line: reason, headers, and the event or its bytes in Base64.

    The values of headers that are named like credentials are left out. Only its owner may read the file.

    **Example**

    - `southbound dlq export --class report --out letters.jsonl`
    """
    settings = read_settings(config)
    from southbound.operations.dlq.show_letter import export_letters

    return export_letters(
        settings, _chosen(ids, code, class_, spoke, topic, source, run, since, until), closed_too=closed_too, out=out
    )


def _chosen(  # noqa: PLR0913, PLR0917 - the filters
    ids: list[str] | None,
    code: list[str] | None,
    class_: list[str] | None,
    spoke: list[str] | None,
    topic: list[str] | None,
    source: list[str] | None,
    run: list[str] | None,
    since: str | None,
    until: str | None,
) -> "LetterOptions":
    from southbound.operations.dlq.letter_filter import LetterOptions

    return LetterOptions(
        ids=ids or (),
        codes=code or (),
        classes=class_ or (),
        spokes=spoke or (),
        topics=topic or (),
        sources=source or (),
        runs=run or (),
        since=since,
        until=until,
    )
