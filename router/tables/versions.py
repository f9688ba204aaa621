"""Know from the records of the tables topic what is live, what is drafted, and which versions there are."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from schemas.published_tables import DRAFT, LivePointer, TableDraft, TableVersion, draft_key, version_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schemas.published_tables import TableRecord

    R = TypeVar("R", bound=TableRecord)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableRecord:
    """A record that is none of ours, or damaged."""

    sentence: str


Record = TableVersion | LivePointer | TableDraft | UnreadableRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTables:
    """The last record of every key. Compaction takes away nothing else, so it changes nothing here."""

    records: Mapping[str, Record] = field(default_factory=lambda: MappingProxyType({}))

    def after(self, records: Iterable[tuple[bytes | None, bytes | None]]) -> PublishedTables:
        """Take in records, key and value, in the order of the topic."""
        known = dict(self.records)
        for raw, value in records:
            key = (raw or b"").decode("utf-8", "backslashreplace")
            if value is None:
                known.pop(key, None)
            else:
                known[key] = _record(key, value)
        return PublishedTables(records=MappingProxyType(known))

    @property
    def tables(self) -> tuple[str, ...]:
        """Every table that has any record."""
        return tuple(sorted({key.partition("@")[0] for key in self.records}))

    def live(self, table: str) -> LivePointer | UnreadableRecord | None:
        """Say which version is live."""
        found = self.records.get(table)
        return found if isinstance(found, LivePointer | UnreadableRecord) else None

    def version(self, table: str, version: str) -> TableVersion | UnreadableRecord | None:
        """Give one version."""
        found = self.records.get(version_key(table, version))
        return found if isinstance(found, TableVersion | UnreadableRecord) else None

    def versions(self, table: str) -> tuple[TableVersion, ...]:
        """Give all versions, newest first."""
        found = (one for one in self.records.values() if isinstance(one, TableVersion) and one.table == table)
        return tuple(sorted(found, key=lambda one: one.published_at, reverse=True))

    def draft(self, table: str) -> TableDraft | UnreadableRecord | None:
        """Give the draft."""
        found = self.records.get(draft_key(table))
        return found if isinstance(found, TableDraft | UnreadableRecord) else None


def _record(key: str, value: bytes) -> Record:
    _, at, name = key.partition("@")
    model = TableDraft if name == DRAFT else TableVersion if at else LivePointer
    try:
        record: TableVersion | LivePointer | TableDraft = model.model_validate_json(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        return UnreadableRecord(sentence=f"record {key} cannot be read: {f'{where}: ' if where else ''}{first['msg']}")
    if record.key != key:
        return UnreadableRecord(sentence=f"record {key} says that it is {record.key}")
    return record
