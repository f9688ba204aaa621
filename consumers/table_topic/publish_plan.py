"""Plan the records that save a draft, publish a version or roll back to an earlier one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.tables.formats.loader import version_of
from schemas.published_tables import (
    MAX_CHANGES,
    LiveAction,
    LivePointer,
    TableDraft,
    TableVersion,
    draft_key,
    sha256_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from consumers.table_topic.published_tables import PublishedTables
    from consumers.table_topic.topic_state import TopicState
    from schemas.published_tables import LiveChange, TableKind

MAX_RECORD_BYTES = 900_000  # of one record; Kafka's default limit for a message is 1,048,588 bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishPlan:
    """Records to write together to a compacted topic, in this order. The value None deletes a key.

    `expects` has the records under which the plan was made, by key. If one of them has changed since then, somebody
    else has written in the meantime and the plan must be made again.
    """

    records: Mapping[str, bytes | None]
    expected_records: Mapping[str, object]

    def is_current(self, published: TopicState) -> bool:
        """Return whether all expected records are still in place."""
        return all(published.records.get(key) == record for key, record in self.expected_records.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorship:
    """The author of a change, the reason and the time."""

    author: str
    comment: str = ""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSubmission:
    """The text of a table, as an operator submits it."""

    table: str
    kind: TableKind
    text: str

    @property
    def version(self) -> str:
        """The version of this exact content."""
        return version_of(self.text)


def plan_draft(submission: TableSubmission, authorship: Authorship) -> PublishPlan:
    """Plan saving a draft. A draft has no history: the last write wins."""
    draft = TableDraft(**_text_fields(submission, authorship), saved_at=authorship.at)
    return PublishPlan(records={draft.key: _json(draft)}, expected_records={})


def plan_publish(published: PublishedTables, submission: TableSubmission, authorship: Authorship) -> PublishPlan:
    """Plan publishing a version.

    Its text if it is new, the live pointer, and the deletion of a draft of the same text.
    """
    records: dict[str, bytes | None] = {}
    version = TableVersion(**_text_fields(submission, authorship), published_at=authorship.at)
    if not isinstance(published.version(submission.table, version.version), TableVersion):
        records[version.key] = _json(version)
    pointer = _next_pointer(
        published, submission.table, submission.kind, version.version, authorship, LiveAction.PUBLISH
    )
    records[pointer.key] = _json(pointer)
    draft = published.draft(submission.table)
    if isinstance(draft, TableDraft) and draft.version == version.version:
        records[draft_key(submission.table)] = None
    return PublishPlan(records=records, expected_records={pointer.key: published.live(submission.table)})


def plan_rollback(published: PublishedTables, version: TableVersion, authorship: Authorship) -> PublishPlan:
    """Plan making an earlier version live again. Its text is on the topic already."""
    pointer = _next_pointer(published, version.table, version.kind, version.version, authorship, LiveAction.ROLLBACK)
    return PublishPlan(
        records={pointer.key: _json(pointer)}, expected_records={pointer.key: published.live(version.table)}
    )


def rollback_version(changes: tuple[LiveChange, ...]) -> str | None:
    """Return the version to roll back to; `changes` are newest first.

    A second rollback goes back one version further.
    """
    history: list[str] = []
    for change in reversed(changes):
        if change.action is LiveAction.ROLLBACK and change.version in history:
            while history[-1] != change.version:
                history.pop()
        elif change.version not in history[-1:]:
            history.append(change.version)
    return history[-2] if len(history) > 1 else None


def size_problem(plan: PublishPlan) -> str | None:
    """Return a sentence if a record exceeds `MAX_RECORD_BYTES`, else None."""
    for key, value in plan.records.items():
        if value is not None and len(value) > MAX_RECORD_BYTES:
            return (
                f"{key} would take {len(value):,} bytes, the limit is {MAX_RECORD_BYTES:,}: split the table, or move"
                " what its rows have in common into fewer rows"
            )
    return None


def _next_pointer(
    published: PublishedTables, table: str, kind: TableKind, version: str, authorship: Authorship, action: LiveAction
) -> LivePointer:
    live = published.live(table)
    known = live if isinstance(live, LivePointer) else None
    return LivePointer(
        table=table,
        kind=kind,
        version=version,
        previous=known.version if known else None,
        action=action,
        author=authorship.author,
        comment=authorship.comment,
        at=authorship.at,
        revision=known.revision + 1 if known else 1,
        earlier=known.changes[:MAX_CHANGES] if known else (),
    )


def _text_fields(submission: TableSubmission, authorship: Authorship) -> dict[str, str]:
    return {
        "table": submission.table,
        "kind": submission.kind,
        "version": submission.version,
        "sha256": sha256_of(submission.text),
        "text": submission.text,
        "author": authorship.author,
        "comment": authorship.comment,
    }


def _json(record: TableVersion | TableDraft | LivePointer) -> bytes:
    return record.model_dump_json().encode()
