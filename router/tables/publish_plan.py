"""Plan what is written to the tables topic when a draft is saved, a version goes live, or an older one comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.tables.formats.loader import version_of
from schemas.published_tables import (
    MOST_MOVES,
    LiveChangeKind,
    LivePointer,
    TableDraft,
    TableVersion,
    draft_key,
    sha256_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from router.tables.versions import PublishedTables, Record
    from schemas.published_tables import LiveChange, TableKind

LARGEST = 900_000  # bytes of one record; Kafka's own limit for a message is 1,048,588


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishPlan:
    """Records to be written together, oldest first; None takes a key away.

    `expects`: what must still stand under these keys, or the plan was made in ignorance of somebody else's.
    """

    records: Mapping[str, bytes | None]
    expects: Mapping[str, Record | None]

    def holds(self, published: PublishedTables) -> bool:
        """Say whether everything still stands as it did."""
        return all(published.records.get(key) == record for key, record in self.expects.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorship:
    """Who does it, why, and when."""

    author: str
    comment: str = ""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSubmission:
    """A table as an operator wrote it."""

    table: str
    kind: TableKind
    text: str

    @property
    def version(self) -> str:
        """The name of exactly this content."""
        return version_of(self.text)


def plan_draft(written: TableSubmission, signed: Authorship) -> PublishPlan:
    """Save a draft; a draft has no history, so whoever saves last is right."""
    draft = TableDraft(**_content(written, signed), saved_at=signed.at)
    return PublishPlan(records={draft.key: _json(draft)}, expects={})


def plan_publish(published: PublishedTables, written: TableSubmission, signed: Authorship) -> PublishPlan:
    """Make a version live: its text if it is new, then the pointer; a draft of the same text has served its purpose."""
    records: dict[str, bytes | None] = {}
    version = TableVersion(**_content(written, signed), published_at=signed.at)
    if not isinstance(published.version(written.table, version.version), TableVersion):
        records[version.key] = _json(version)
    pointer = _pointer(published, written.table, written.kind, version.version, signed, LiveChangeKind.PUBLISH)
    records[pointer.key] = _json(pointer)
    draft = published.draft(written.table)
    if isinstance(draft, TableDraft) and draft.version == version.version:
        records[draft_key(written.table)] = None
    return PublishPlan(records=records, expects={pointer.key: published.live(written.table)})


def plan_rollback(published: PublishedTables, to: TableVersion, signed: Authorship) -> PublishPlan:
    """Make a version live that is on the topic already."""
    pointer = _pointer(published, to.table, to.kind, to.version, signed, LiveChangeKind.ROLLBACK)
    return PublishPlan(records={pointer.key: _json(pointer)}, expects={pointer.key: published.live(to.table)})


def version_before(moves: tuple[LiveChange, ...]) -> str | None:
    """Name the version to go back to; `moves` are newest first. Going back twice goes back two versions."""
    standing: list[str] = []
    for move in reversed(moves):
        if move.how is LiveChangeKind.ROLLBACK and move.version in standing:
            while standing[-1] != move.version:
                standing.pop()
        elif move.version not in standing[-1:]:
            standing.append(move.version)
    return standing[-2] if len(standing) > 1 else None


def too_large(plan: PublishPlan) -> str | None:
    """Say that a record would not fit into Kafka with room to spare."""
    for key, value in plan.records.items():
        if value is not None and len(value) > LARGEST:
            return (
                f"{key} would take {len(value):,} bytes and {LARGEST:,} is the most: split the table, or move what its"
                " rows have in common into fewer rows"
            )
    return None


def _pointer(
    published: PublishedTables, table: str, kind: TableKind, version: str, signed: Authorship, how: LiveChangeKind
) -> LivePointer:
    live = published.live(table)
    known = live if isinstance(live, LivePointer) else None
    return LivePointer(
        table=table,
        kind=kind,
        version=version,
        previous=known.version if known else None,
        how=how,
        author=signed.author,
        comment=signed.comment,
        at=signed.at,
        revision=known.revision + 1 if known else 1,
        earlier=known.moves[:MOST_MOVES] if known else (),
    )


def _content(written: TableSubmission, signed: Authorship) -> dict[str, str]:
    return {
        "table": written.table,
        "kind": written.kind,
        "version": written.version,
        "sha256": sha256_of(written.text),
        "text": written.text,
        "author": signed.author,
        "comment": signed.comment,
    }


def _json(record: TableVersion | TableDraft | LivePointer) -> bytes:
    return record.model_dump_json().encode()
