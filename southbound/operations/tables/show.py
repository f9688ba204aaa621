"""Show published tables to people and programs: which there are, what they say, how they came to be, what differs."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic_core import to_json
from rich.table import Table

from consumers.table_topic.published_tables import PublishedTables, UnreadableRecord
from router.selection.load import document_of
from router.tables.diff import compare_tables
from schemas.published_tables import DRAFT, LivePointer, TableDraft
from southbound.cli.exit_codes import CommandFailedError, ExitCode, invalid_input
from southbound.operations.console import print_result, print_status
from southbound.operations.tables.lookup import (
    find_draft,
    find_live,
    find_version,
    is_file,
    load_named_file,
    load_named_version,
    read_published,
)

if TYPE_CHECKING:
    from schemas.published_tables import LiveChange
    from southbound.operations.tables.lookup import NamedTable
    from southbound.settings.settings import Settings

HISTORY_FIELDS = {"version", "previous", "action", "author", "comment", "at"}
DIFF_FIELDS = ("change", "kind", "name", "field", "column", "before", "after")


def list_tables(settings: Settings, *, as_json: bool) -> int:
    """Show each table with its live version and its draft."""
    published = read_published(settings)
    rows = [_overview_row(published, table) for table in published.tables]
    if as_json:
        for row in rows:
            print(to_json(row).decode())  # noqa: T201 - it was asked for
        return ExitCode.SUCCESS
    shown = Table("table", "kind", "live", "since", "by", "comment", "draft", "versions", box=None, pad_edge=False)
    for row in rows:
        shown.add_row(*[_cell(value) for value in row.values()])
    print_result(shown)
    return ExitCode.SUCCESS


def _overview_row(published: PublishedTables, table: str) -> dict[str, object]:
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
    """Print the text exactly as it was published, and its author on standard error."""
    table, _, named = table.partition("@")
    published, wanted = read_published(settings), version or named
    found = find_draft(published, table) if wanted == DRAFT else find_version(published, table, wanted)
    if as_json:
        print(found.model_dump_json())  # noqa: T201 - it was asked for
        return ExitCode.SUCCESS
    live = published.live(table)
    state = DRAFT if isinstance(found, TableDraft) else "live" if _is_live(live, found.version) else "not live"
    print_status(f"{table}@{found.version} ({found.kind}, {state}) by {found.author}{_quoted(found.comment)}")
    sys.stdout.write(found.text)  # not a sign more: its hash is its version
    return ExitCode.SUCCESS


def history(settings: Settings, table: str, *, as_json: bool) -> int:
    """Show which versions were live, newest first."""
    live = find_live(read_published(settings), table)
    if as_json:
        for move in live.changes:
            print(to_json(move.model_dump(include=HISTORY_FIELDS)).decode())  # noqa: T201 - it was asked for
        return ExitCode.SUCCESS
    shown = Table("at", "version", "action", "previous", "by", "comment", box=None, pad_edge=False)
    for move in live.changes:
        shown.add_row(*_history_row(move))
    print_result(shown)
    if live.revision > len(live.changes):
        print_status(f"the newest {len(live.changes)} of {live.revision} changes are kept; every version is kept")
    return ExitCode.SUCCESS


def diff(settings: Settings, before: str, after: str, *, as_json: bool) -> int:
    """Describe what differs between two tables, files or published ones."""
    needs_topic = not (is_file(before) and is_file(after))
    published = read_published(settings) if needs_topic else PublishedTables()
    old, new = _load_both(settings, published, (before, after))
    changes = compare_tables(document_of(old.loaded), document_of(new.loaded))
    for change in changes:
        content = {key: getattr(change, key) for key in DIFF_FIELDS}
        print(to_json({**content, "sentence": change.sentence}).decode() if as_json else change.sentence)  # noqa: T201
    if not changes:
        print_status(f"{before} and {after} decide alike: they differ in layout and comments at most")
    return ExitCode.SUCCESS


def _load_both(settings: Settings, published: PublishedTables, names: tuple[str, str]) -> list[NamedTable]:
    """Load two tables, or end the command with what is wrong with either."""
    found: list[NamedTable] = []
    mistakes: list[str] = []
    for name in names:
        try:
            found.append(_load_one(settings, published, name))
        except CommandFailedError as failure:
            mistakes += failure.sentences
    if mistakes:
        raise invalid_input(dict.fromkeys(mistakes))
    return found


def _load_one(settings: Settings, published: PublishedTables, name: str) -> NamedTable:
    return load_named_file(name, settings.routing, None) if is_file(name) else load_named_version(published, name)


def _is_live(live: LivePointer | UnreadableRecord | None, version: str) -> bool:
    return isinstance(live, LivePointer) and live.version == version


def _quoted(comment: str) -> str:
    return f": {comment}" if comment else ""


def _history_row(move: LiveChange) -> tuple[str, ...]:
    return _local_time(move.at), move.version, move.action, move.previous or "", move.author, move.comment


def _cell(value: object) -> str:
    return "" if value is None else _local_time(value) if isinstance(value, datetime) else str(value)


def _local_time(at: datetime) -> str:
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
