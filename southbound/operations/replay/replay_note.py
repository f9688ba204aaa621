"""The note of a replay on its topic: who started it, what was chosen, and how far it is.

It is written in the transaction of the records that it counts, so an interrupted replay goes on with exactly the rest.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from consumers.runtime.kafka.offset_range import OffsetRange
from producers.publisher import Message
from schemas.codec.cloudevents import REPLAY_HEADER
from southbound.operations.replay.selection import Selection, read_selection

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schemas.codec.cloudevents import KafkaHeaders


MARK_PREFIX = f"{REPLAY_HEADER}-"  # of the headers that only a copy has
COPY_OF = f"{MARK_PREFIX}of"


class ReplayKind(StrEnum):
    """What a replay publishes."""

    RECORDS = "records"  # that the gateway processes again
    NOTIFICATIONS = "notifications"  # that the topics have
    STORED = "stored"  # notifications that the run store has


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayNote:
    """One replay. `ranges` are what is left of each partition; `last_run` is the last one of the run store.

    `published` counts records by topic. `total` is the number of offsets at the start, or of runs.
    """

    id: str
    kind: ReplayKind
    by: str
    at: datetime
    comment: str
    selection: Selection
    ranges: tuple[OffsetRange, ...] = ()
    last_run: str = ""
    total: int = 0
    published: Mapping[str, int] = field(default_factory=dict)
    is_complete: bool = False

    @property
    def left(self) -> int:
        """The number of offsets that are left."""
        return sum(one.length for one in self.ranges)

    @property
    def published_count(self) -> int:
        """The number of records that were published."""
        return sum(self.published.values())

    def to_message(self, topic: str) -> Message:
        """Return the record of the note."""
        content = {
            "kind": self.kind.value,
            "by": self.by,
            "at": self.at.isoformat(timespec="milliseconds"),
            "comment": self.comment,
            "selection": self.selection.as_json(),
            "left": [[one.topic, one.partition, one.start, one.end] for one in self.ranges if one.length > 0],
            "last_run": self.last_run,
            "total": self.total,
            "published": dict(self.published),
            "complete": self.is_complete,
        }
        return Message(topic, self.id.encode(), json.dumps(content, ensure_ascii=False).encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayMark:
    """The headers of records that a replay publishes."""

    headers: KafkaHeaders

    @classmethod
    def of(cls, note: ReplayNote) -> ReplayMark:
        """Return the mark of a replay."""
        return cls(
            headers=(
                (REPLAY_HEADER, note.id.encode()),
                (f"{MARK_PREFIX}by", note.by.encode(errors="replace")),
                (f"{MARK_PREFIX}time", note.at.isoformat(timespec="milliseconds").encode()),
            )
        )

    def on(self, message: Message, origin: str) -> Message:
        """Return a message with the mark; `origin` says where it was before."""
        kept = tuple([one for one in message.headers if not is_mark(one[0])])
        return message._replace(headers=(*kept, *self.headers, (COPY_OF, origin.encode())))


def is_mark(name: str) -> bool:
    """Return whether a header belongs to a mark."""
    return name == REPLAY_HEADER or name.startswith(MARK_PREFIX)


def read_note(key: bytes | None, value: bytes | None) -> ReplayNote | None:
    """Return the note of a record; None if it is none."""
    try:
        # What a person or another program wrote there is no note.
        content = cast("dict[str, object]", json.loads(value or b"null"))
        left = cast("list[tuple[str, int, int, int]]", content["left"])
        return ReplayNote(
            id=(key or b"").decode(),
            kind=ReplayKind(str(content["kind"])),
            by=str(content["by"]),
            at=datetime.fromisoformat(str(content["at"])),
            comment=str(content["comment"]),
            selection=read_selection(cast("Mapping[str, object]", content["selection"])),
            ranges=tuple([OffsetRange(str(one[0]), *map(int, one[1:])) for one in left]),
            last_run=str(content["last_run"]),
            total=int(str(content["total"])),
            published={topic: int(n) for topic, n in cast("dict[str, int]", content["published"]).items()},
            is_complete=bool(content["complete"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return None


def newest_notes(records: Iterable[tuple[bytes | None, bytes | None]]) -> dict[str, ReplayNote]:
    """Return the newest note of each replay, in the order in which the replays were started."""
    notes: dict[str, ReplayNote] = {}
    for key, value in records:
        note = read_note(key, value)
        if note is not None:
            notes[note.id] = note
    return dict(sorted(notes.items(), key=lambda item: item[1].at))
