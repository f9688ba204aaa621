"""Run `southbound tables list`, `show`, `history` and `diff`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pydantic_core import to_json
from rich.table import Table

from consumers.table_topic.published_tables import PublishedTables, UnreadableRecord
from router.selection.load import document_of
from router.tables.diff import compare_tables
from schemas.published_tables import DRAFT, LivePointer, TableDraft
from schemas.text.counts import count_noun
from southbound.exit_codes import CommandFailedError, ExitCode, invalid_input
from southbound.operations.console import print_content, print_json, print_result, print_status, print_text
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
    """Run `southbound tables list`.

    Raises:
        CommandFailedError: Kafka does not answer.
    """
    published = read_published(settings)
    rows = [_overview_row(published, table) for table in published.tables]
    if as_json:
        for row in rows:
            print_json(to_json(row).decode())
        return ExitCode.SUCCESS
    overview = Table("table", "kind", "live", "since", "by", "comment", "draft", "versions", box=None, pad_edge=False)
    for row in rows:
        overview.add_row(*[_cell(value) for value in row.values()])
    print_result(overview)
    return ExitCode.SUCCESS


def _overview_row(published: PublishedTables, table: str) -> dict[str, object]:
    live, draft = published.live(table), published.draft(table)
    pointer = live if isinstance(live, LivePointer) else None
    kind = pointer.kind if pointer else draft.kind if isinstance(draft, TableDraft) else None
    return {
        "table": table,
        "kind": kind,
        "live": "unreadable" if isinstance(live, UnreadableRecord) else pointer.version if pointer else None,
        "since": pointer.at if pointer else None,
        "author": pointer.author if pointer else None,
        "comment": pointer.comment if pointer else None,
        "draft": f"{draft.version} by {draft.author}" if isinstance(draft, TableDraft) else None,
        "versions": len(published.versions(table)),
    }


def show_table(settings: Settings, table: str, version: str | None, *, as_json: bool) -> int:
    """Run `southbound tables show`. `version` None is the live version.

    Raises:
        CommandFailedError: Kafka does not answer, or there is no such table or version.
    """
    table, _, version_in_name = table.partition("@")
    published, wanted_version = read_published(settings), version or version_in_name
    record = find_draft(published, table) if wanted_version == DRAFT else find_version(published, table, wanted_version)
    if as_json:
        print_json(record.model_dump_json())
        return ExitCode.SUCCESS
    live = published.live(table)
    state = DRAFT if isinstance(record, TableDraft) else "live" if _is_live(live, record.version) else "not live"
    print_status(f"{table}@{record.version} ({record.kind}, {state}) by {record.author}{_quoted(record.comment)}")
    print_content(record.text)  # exactly as published: its hash is its version
    return ExitCode.SUCCESS


def show_history(settings: Settings, table: str, *, as_json: bool) -> int:
    """Run `southbound tables history`.

    Raises:
        CommandFailedError: Kafka does not answer, or no version of the table is live.
    """
    live = find_live(read_published(settings), table)
    if as_json:
        for move in live.changes:
            print_json(to_json(move.model_dump(include=HISTORY_FIELDS)).decode())
        return ExitCode.SUCCESS
    moves_table = Table("at", "version", "action", "previous", "by", "comment", box=None, pad_edge=False)
    for move in live.changes:
        moves_table.add_row(*_history_row(move))
    print_result(moves_table)
    if live.revision > len(live.changes):
        changes = count_noun(live.revision, "change")
        print_status(f"the history has the newest {len(live.changes)} of {changes}; every version is kept")
    return ExitCode.SUCCESS


def show_diff(settings: Settings, before: str, after: str, *, as_json: bool) -> int:
    """Run `southbound tables diff`.

    Raises:
        CommandFailedError: a table is wrong or does not exist, or Kafka does not answer.
    """
    needs_topic = not (is_file(before) and is_file(after))
    published = read_published(settings) if needs_topic else PublishedTables()
    old, new = _load_both(settings, published, (before, after))
    changes = compare_tables(document_of(old.loaded), document_of(new.loaded))
    for change in changes:
        fields = {key: getattr(change, key) for key in DIFF_FIELDS}
        if as_json:
            print_json(to_json({**fields, "sentence": change.sentence}).decode())
        else:
            print_text(change.sentence)
    if not changes:
        print_status(f"{before} and {after} decide the same: they differ in layout and comments at most")
    return ExitCode.SUCCESS


def _load_both(settings: Settings, published: PublishedTables, names: tuple[str, str]) -> list[NamedTable]:
    """Load two tables.

    Raises:
        CommandFailedError: with everything that is wrong with either.
    """
    loaded: list[NamedTable] = []
    mistakes: list[str] = []
    for name in names:
        try:
            loaded.append(_load_one(settings, published, name))
        except CommandFailedError as failure:
            mistakes += failure.sentences
    if mistakes:
        raise invalid_input(dict.fromkeys(mistakes))
    return loaded


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
