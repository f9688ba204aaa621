"""Show published tables to people and programs: which there are, what they say, how they came to be, what differs."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic_core import to_json
from rich.table import Table

from router.selection.load import document_of
from router.tables.diff import differences
from router.tables.versions import PublishedTables, UnreadableRecord
from schemas.published_tables import DRAFT, LivePointer, TableDraft
from southbound.cli.exit_codes import CommandFailedError, ExitCode, wrong
from southbound.operations.console import say, show
from southbound.operations.tables.lookup import (
    draft_of,
    from_file,
    from_topic,
    is_file,
    live_of,
    published_in,
    version_of,
)

if TYPE_CHECKING:
    from schemas.published_tables import LiveChange
    from southbound.operations.tables.lookup import NamedTable
    from southbound.settings.settings import Settings

FIELDS = {"version", "previous", "how", "author", "comment", "at"}


def list_tables(settings: Settings, *, as_json: bool) -> int:
    """Show each table with its live version and its draft."""
    published = published_in(settings)
    rows = [_entry(published, table) for table in published.tables]
    if as_json:
        for row in rows:
            print(to_json(row).decode())  # noqa: T201 - it was asked for
        return ExitCode.DONE
    shown = Table("table", "kind", "live", "since", "by", "comment", "draft", "versions", box=None, pad_edge=False)
    for row in rows:
        shown.add_row(*[_cell(value) for value in row.values()])
    show(shown)
    return ExitCode.DONE


def _entry(published: PublishedTables, table: str) -> dict[str, object]:
    live, draft = published.live(table), published.draft(table)
    known = live if isinstance(live, LivePointer) else None
    kind = known.kind if known else draft.kind if isinstance(draft, TableDraft) else None
    return {
        "table": table,
        "kind": kind,
        "live": "unreadable" if isinstance(live, UnreadableRecord) else known.version if known else None,
        "since": known.at if known else None,
        "author": known.author if known else None,
        "comment": known.comment if known else None,
        "draft": f"{draft.version} by {draft.author}" if isinstance(draft, TableDraft) else None,
        "versions": len(published.versions(table)),
    }


def show_table(settings: Settings, table: str, version: str | None, *, as_json: bool) -> int:
    """Print the text exactly as it was published, and beside it who did that."""
    table, _, named = table.partition("@")
    published, wanted = published_in(settings), version or named
    found = draft_of(published, table) if wanted == DRAFT else version_of(published, table, wanted)
    if as_json:
        print(found.model_dump_json())  # noqa: T201 - it was asked for
        return ExitCode.DONE
    live = published.live(table)
    state = DRAFT if isinstance(found, TableDraft) else "live" if _is_live(live, found.version) else "not live"
    say(f"{table}@{found.version} ({found.kind}, {state}) by {found.author}{_quoted(found.comment)}")
    sys.stdout.write(found.text)  # not a sign more: its hash is its version
    return ExitCode.DONE


def history(settings: Settings, table: str, *, as_json: bool) -> int:
    """Show which versions were live, newest first."""
    live = live_of(published_in(settings), table)
    if as_json:
        for move in live.moves:
            print(to_json(move.model_dump(include=FIELDS)).decode())  # noqa: T201 - it was asked for
        return ExitCode.DONE
    shown = Table("at", "version", "how", "before", "by", "comment", box=None, pad_edge=False)
    for move in live.moves:
        shown.add_row(*_line(move))
    show(shown)
    if live.revision > len(live.moves):
        say(f"the newest {len(live.moves)} of {live.revision} moves are remembered; every version is kept")
    return ExitCode.DONE


def diff(settings: Settings, before: str, after: str, *, as_json: bool) -> int:
    """Say in words what differs between two tables, wherever they are."""
    needs_topic = not (is_file(before) and is_file(after))
    published = published_in(settings) if needs_topic else PublishedTables()
    old, new = _both(settings, published, (before, after))
    changes = differences(document_of(old.loaded), document_of(new.loaded))
    for change in changes:
        said = {name: getattr(change, name) for name in ("what", "kind", "name", "part", "column", "before", "after")}
        print(to_json({**said, "sentence": change.sentence}).decode() if as_json else change.sentence)  # noqa: T201
    if not changes:
        say(f"{before} and {after} decide alike: they differ in layout and comments at most")
    return ExitCode.DONE


def _both(settings: Settings, published: PublishedTables, names: tuple[str, str]) -> list[NamedTable]:
    """Load two tables, or end the command with what is wrong with either."""
    found: list[NamedTable] = []
    mistakes: list[str] = []
    for name in names:
        try:
            found.append(_named(settings, published, name))
        except CommandFailedError as failure:
            mistakes += failure.sentences
    if mistakes:
        raise wrong(dict.fromkeys(mistakes))
    return found


def _named(settings: Settings, published: PublishedTables, name: str) -> NamedTable:
    return from_file(name, settings.routing, None) if is_file(name) else from_topic(published, name)


def _is_live(live: LivePointer | UnreadableRecord | None, version: str) -> bool:
    return isinstance(live, LivePointer) and live.version == version


def _quoted(comment: str) -> str:
    return f": {comment}" if comment else ""


def _line(move: LiveChange) -> tuple[str, ...]:
    return _moment(move.at), move.version, move.how, move.previous or "", move.author, move.comment


def _cell(value: object) -> str:
    return "" if value is None else _moment(value) if isinstance(value, datetime) else str(value)


def _moment(at: datetime) -> str:
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
