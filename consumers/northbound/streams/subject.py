"""Find what a dead letter of a source is about: its class, and the run that its record names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.dead_letter_subject import DeadLetterClass, class_of
from consumers.northbound.streams.profile import StreamFormat
from consumers.northbound.streams.read_record import (
    SOURCE_HEADER,
    RecordUnreadableError,
    SourceRecord,
    id_at,
    object_at,
    own_id_of,
)
from consumers.runtime.dead_letters import MAX_SUBJECT_LENGTH, DeadLetterSubject

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.northbound.streams.profile import StreamSource
    from consumers.runtime.handler import Record
    from schemas.problem import Problem
    from schemas.topics import TopicNames


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSubjects:
    """Finds what dead letters are about. `name` is that of the source; None: each record names its own."""

    sources: Mapping[str, StreamSource]
    names: TopicNames
    name: str | None = None

    async def find(self, record: Record, problem: Problem) -> DeadLetterSubject:
        """Return the class, and the run if the record can be read, with the source in the place of a spoke."""
        class_ = class_of(problem.code, record.partition.topic, self.names)
        if class_ is DeadLetterClass.ROUTING:  # no table decides here
            class_ = DeadLetterClass.DISPATCH
        name = self.name or source_named(record)
        source = self.sources.get(name)
        run = _run_of(source, record) if source is not None else ""
        return DeadLetterSubject(error_class=class_, spoke=name[:MAX_SUBJECT_LENGTH], run=run[:MAX_SUBJECT_LENGTH])


def source_named(record: Record) -> str:
    """Return the source that a redriven record names; empty if it names none."""
    found = next((value for key, value in reversed(record.headers) if key == SOURCE_HEADER), None)
    return (found or b"").decode(errors="replace")


def _run_of(source: StreamSource, record: Record) -> str:
    read = SourceRecord(source=source, record=record)
    if source.format is StreamFormat.CLOUDEVENTS or read.is_event_of_ours:
        return ""
    try:
        if source.format is StreamFormat.CHANGE_DATA:
            return id_at(read.json(), source.run_id)
        return own_id_of(object_at(read.json(), source.body)) or ""
    except RecordUnreadableError:
        return ""
