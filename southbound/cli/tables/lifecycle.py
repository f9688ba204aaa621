"""The commands about published tables.

`southbound tables list`, `show`, `publish`, `history`, `rollback` and `diff`.
"""

from typing import Annotated

import typer

from southbound.cli.options import (
    EXIT_CODES,
    AuthorOption,
    ConfigOption,
    JsonOption,
    read_settings,
    read_settings_for_tables,
)

CommentOption = Annotated[str, typer.Option(metavar="TEXT", help="The reason; the history keeps it.")]
TableIdArgument = Annotated[str, typer.Argument(metavar="ID", help="The id of a published table.")]


def add_to(tables: typer.Typer) -> None:
    """Add the commands of this module to the group `tables`."""
    tables.command("list", epilog=EXIT_CODES)(list_)
    for command in (show, publish, history, rollback, diff):
        tables.command(epilog=EXIT_CODES)(command)


def list_(json: JsonOption = False, config: ConfigOption = None) -> int:
    """List published tables with their live version and their draft.

    **Examples**

    - `southbound tables list`
    - `southbound tables list --json | jq -r .table`
    """
    settings = read_settings(config)
    from southbound.operations.tables.show import list_tables

    return list_tables(settings, as_json=json)


def show(
    table: TableIdArgument,
    version: Annotated[
        str | None, typer.Option(metavar="VERSION", help="A version other than the live one, or `draft`.")
    ] = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Print a published table as it was written, and its author on standard error.

    **Examples**

    - `southbound tables show outbound-policy > outbound-policy.yaml`: a file with exactly this version
    - `southbound tables show outbound-policy --version draft`, or `outbound-policy@draft`
    """
    settings = read_settings(config)
    from southbound.operations.tables.show import show_table

    return show_table(settings, table, version, as_json=json)


def publish(
    source: Annotated[str, typer.Argument(metavar="FILE|ID", help="A table file, or the id of a table with a draft.")],
    author: AuthorOption = None,
    comment: CommentOption = "",
    draft: Annotated[bool, typer.Option("--draft", help="Save FILE as the draft; no worker uses it yet.")] = False,
    backtest: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="First backtest the table with the events of this duration, such as `7d`; refuse it if it drops runs.",
        ),
    ] = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Make a table live: every worker uses it from the next run on, without a restart.

    It is checked first: cells, saved tests, and that a selector names only spokes with a profile in `routing.spokes`.
    A table with errors is not published; warnings are printed. Runs under way keep their decision.
    With `--backtest` the recorded runs are decided again, and a table that would drop some of them is not published.
    Workers follow published tables where `routing.tables` is `topic`.

    **Examples**

    - `southbound tables publish outbound-policy.yaml --comment "send gigabit lines as one hierarchy"`
    - `southbound tables publish spoke-selector.yaml --backtest 7d`
    - `southbound tables publish spoke-selector.xlsx --draft`, then `southbound tables publish spoke-selector`
    """
    settings = read_settings(config)
    from southbound.operations.tables.lookup import make_authorship
    from southbound.operations.tables.publish import publish_table, save_draft

    if draft:
        return save_draft(settings, source, make_authorship(author, comment), as_json=json)
    return publish_table(settings, source, author, comment, backtest=backtest, as_json=json)


def history(table: TableIdArgument, json: JsonOption = False, config: ConfigOption = None) -> int:
    """Show which versions were live, with author and comment, newest first.

    **Examples**

    - `southbound tables history outbound-policy`
    """
    settings = read_settings(config)
    from southbound.operations.tables.show import show_history

    return show_history(settings, table, as_json=json)


def rollback(
    table: TableIdArgument,
    version: Annotated[
        str | None, typer.Argument(metavar="[VERSION]", help="Without it, the version before the live one.")
    ] = None,
    author: AuthorOption = None,
    comment: CommentOption = "",
    json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Make an older version live again. A second rollback goes back one version further.

    **Examples**

    - `southbound tables rollback outbound-policy --comment "proactive runs went nowhere"`
    - `southbound tables rollback outbound-policy 1a2b3c4d`
    """
    settings = read_settings(config)
    from southbound.operations.tables.lookup import make_authorship
    from southbound.operations.tables.publish import roll_back_table

    return roll_back_table(settings, table, version, make_authorship(author, comment), as_json=json)


def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A file, `ID` (live), `ID@VERSION` or `ID@draft`.")],
    after: Annotated[str, typer.Argument(metavar="B", help="As A.")],
    json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Describe the differences between two tables: rows, cells, results, columns, defaults, tests.

    Two files are compared without Kafka.

    **Examples**

    - `southbound tables diff outbound-policy outbound-policy.yaml`: the changes that publishing the file would make
    - `southbound tables diff outbound-policy@1a2b3c4d outbound-policy`
    """
    settings = read_settings_for_tables(config, before, after)
    from southbound.operations.tables.show import show_diff

    return show_diff(settings, before, after, as_json=json)
