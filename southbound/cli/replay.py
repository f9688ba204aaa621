"""The command `southbound replay`."""

from typing import Annotated

import typer

from southbound.cli.options import EXIT_CODES, ConfigOption, JsonOption, read_settings


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.command(epilog=EXIT_CODES)(replay)


def replay(  # noqa: PLR0913 - the modes and what they choose
    *,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Fill the empty run store of store.url with what the topics say.")
    ] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Name every run and field in which the store and the topics differ.")
    ] = False,
    other: Annotated[
        str | None, typer.Option("--with", metavar="URL", help="Compare with this run store, not with the topics.")
    ] = None,
    topic: Annotated[
        list[str] | None,
        typer.Option("--topic", metavar="TOPIC", help="lifecycle, dispatch, dispatch.SPOKE or inbound: replay these."),
    ] = None,
    re_emit: Annotated[
        bool, typer.Option("--re-emit", help="Publish updates and results again; --topic is inflight or results.")
    ] = False,
    from_store: Annotated[
        bool, typer.Option("--from-store", help="With --re-emit: the last ones that the run store has of each run.")
    ] = False,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Only from then on: 2h, 7d or 2026-11-29T08:00Z.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Only before then; as --since.")] = None,
    partition: Annotated[
        int | None, typer.Option("--partition", min=0, metavar="N", help="Only this partition of the one topic.")
    ] = None,
    offsets: Annotated[
        str | None, typer.Option("--offsets", metavar="A-B", help="Only from A to B of the partition; A-: to its end.")
    ] = None,
    key: Annotated[list[str] | None, typer.Option("--key", metavar="KEY", help="Only records with this key.")] = None,
    run: Annotated[
        list[str] | None,
        typer.Option("--run", metavar="ID", help="Only what names this run; of a root, also what is below it."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every record of the topics, where no filter is given.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be decided and sent, and publish nothing.")
    ] = False,
    rate: Annotated[
        float | None, typer.Option(min=0.1, max=100_000, metavar="N", help="At most so many records per second.")
    ] = None,
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="ID", help="Go on with an interrupted replay; `last`: the newest.")
    ] = None,
    author: Annotated[
        str | None, typer.Option("--author", metavar="NAME", help="Who does it; without it the user of this system.")
    ] = None,
    comment: Annotated[str, typer.Option("--comment", metavar="TEXT", help="Why.")] = "",
    json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Process recorded events again, publish notifications again, rebuild a lost run store, or compare one.

    **Records** of `--topic` are published again: bytes, key, partition and headers as they were, and headers that say
    who replayed them, when, and from where. The gateway processes them as if it had read them twice: what is known is
    not sent again. A run that the store does not have is looked up at its system before it is POSTed.

    `--re-emit` publishes updates and results again, with their ids, on the topics that they were on. `--from-store`
    takes them from the run store, where the topics do not have them any more.

    Both write each batch and how far they are in one transaction, so after an interruption `--resume` publishes exactly
    the rest. `--dry-run` shows what would be published; of records, what the gateway would decide and send now.

    `--rebuild` needs an empty store, and every process of the gateway stopped. Runs that were commanded and are not
    known to be accepted become `inDoubt`: they are looked up at their systems before anything is sent. The store is
    written as a whole: after an interruption it is empty, and the command can be started again. Then `southbound run`
    starts without `--accept-empty-store`.

    `--compare` compares what decides how a run goes on, and exits with 2 if anything differs. While processes run, runs
    that move meanwhile differ. These two collect the events in a temporary file about as large as what they read;
    `TMPDIR` names its folder.

    **Examples**

    - `southbound replay --topic lifecycle --since 2h --until 1h --dry-run`
    - `southbound replay --topic dispatch.fibre-lab --partition 3 --offsets 1200-1300 --rate 20`
    - `southbound replay --topic lifecycle --topic dispatch --topic inbound --run TR0001`
    - `southbound replay --re-emit --topic results --since 1d`
    - `southbound replay --resume last`
    - `southbound replay --rebuild`
    - `southbound replay --compare --with sqlite:///restored.db --json`
    """
    settings = read_settings(config)
    from southbound.operations.replay.replay_records import ReplayOptions
    from southbound.operations.replay.run_replay import run_replay
    from southbound.operations.replay.selection import SelectionOptions

    chosen = SelectionOptions(
        topics=topic or (),
        since=since,
        until=until,
        partition=partition,
        offsets=offsets,
        keys=key or (),
        runs=run or (),
        every=every,
    )
    options = ReplayOptions(
        chosen=chosen,
        re_emit=re_emit,
        from_store=from_store,
        dry_run=dry_run,
        resume=resume,
        rate=rate,
        author=author,
        comment=comment,
        as_json=json,
    )
    return run_replay(settings, options, rebuild=rebuild, compare=compare, other=other)
