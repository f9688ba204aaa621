"""The command `southbound replay`."""

from typing import Annotated

import typer

from southbound.cli.options import EXIT_CODES, ConfigOption, JsonOption, read_settings


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.command(epilog=EXIT_CODES)(replay)


def replay(
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Fill the empty run store of store.url with what the topics say.")
    ] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Name every run and field in which the store and the topics differ.")
    ] = False,
    other: Annotated[
        str | None, typer.Option("--with", metavar="URL", help="Compare with this run store, not with the topics.")
    ] = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Read the topics again: rebuild a run store that was lost, or compare one with the topics.

    `--rebuild` needs an empty store, and every process of the gateway stopped. Runs that were commanded and are not
    known to be accepted become `inDoubt`: they are looked up at their systems before anything is sent. The store is
    written as a whole: after an interruption it is empty, and the command can be started again. Then `southbound run`
    starts without `--accept-empty-store`.

    `--compare` compares what decides how a run goes on, and exits with 2 if anything differs. While processes run, runs
    that move meanwhile differ.

    Both collect the events in a temporary file about as large as what they read; `TMPDIR` names its folder.

    **Examples**

    - `southbound replay --rebuild`
    - `southbound replay --compare`
    - `southbound replay --compare --with sqlite:///restored.db --json`
    """
    settings = read_settings(config)
    from southbound.operations.replay.run_replay import run_replay

    return run_replay(settings, rebuild=rebuild, compare=compare, other=other, as_json=json)
