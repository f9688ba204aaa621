"""Read the records of the tables topic: which version of a table is live, its draft, and all its versions."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from pydantic import ValidationError

from consumers.table_topic.latest_records import with_later_records
from schemas.published_tables import DRAFT, LivePointer, TableDraft, TableVersion, draft_key, version_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableRecord:
    """A record of the tables topic that cannot be read, with the reason."""

    sentence: str


PublishedRecord = TableVersion | LivePointer | TableDraft | UnreadableRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTables:
    """The last record of every key of the tables topic.

    Compaction deletes only older ones, so it changes nothing here.
    """

    records: Mapping[str, PublishedRecord] = field(default_factory=lambda: MappingProxyType({}))

    def with_records(self, records: Iterable[tuple[bytes | None, bytes | None]]) -> PublishedTables:
        """Return the state after more records (key and value), in the order of the topic."""
        return PublishedTables(records=with_later_records(self.records, records, _parse_record))

    @property
    def tables(self) -> tuple[str, ...]:
        """The ids of all tables that have a record."""
        return tuple(sorted({key.partition("@")[0] for key in self.records}))

    def live(self, table: str) -> LivePointer | UnreadableRecord | None:
        """Return the pointer to the live version of a table; None if there is none."""
        record = self.records.get(table)
        return record if isinstance(record, LivePointer | UnreadableRecord) else None

    def version(self, table: str, version: str) -> TableVersion | UnreadableRecord | None:
        """Return one version of a table; None if it is not on the topic."""
        record = self.records.get(version_key(table, version))
        return record if isinstance(record, TableVersion | UnreadableRecord) else None

    def versions(self, table: str) -> tuple[TableVersion, ...]:
        """Return all versions of a table, newest first."""
        versions = (each for each in self.records.values() if isinstance(each, TableVersion) and each.table == table)
        return tuple(sorted(versions, key=lambda version: version.published_at, reverse=True))

    def draft(self, table: str) -> TableDraft | UnreadableRecord | None:
        """Return the draft of a table; None if there is none."""
        record = self.records.get(draft_key(table))
        return record if isinstance(record, TableDraft | UnreadableRecord) else None


def _parse_record(key: str, value: bytes) -> PublishedRecord:
    _, at, name = key.partition("@")
    model = TableDraft if name == DRAFT else TableVersion if at else LivePointer
    try:
        record: TableVersion | LivePointer | TableDraft = model.model_validate_json(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))
        return UnreadableRecord(sentence=f"record {key} cannot be read: {f'{field}: ' if field else ''}{first['msg']}")
    if record.key != key:
        return UnreadableRecord(sentence=f"record {key} contains the key {record.key}")
    return record
