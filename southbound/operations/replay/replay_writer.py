"""Publish what a replay chose, each batch in one transaction with the note of how far the replay is."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from producers.kafka_transaction import ProducerFencedError
from producers.publisher import PublishError, RecordTooLargeError
from schemas.text.counts import count_noun
from southbound.exit_codes import unreachable
from southbound.operations.progress import show_progress
from southbound.operations.publishing.transaction_batches import MAX_BYTES, batch_length, wait_for_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from consumers.runtime.kafka.offset_range import TopicAndPartition
    from producers.kafka_transaction import TransactionalWriter
    from producers.publisher import Message
    from southbound.operations.replay.replay_note import ReplayNote

_MAX_UNNOTED = 20_000  # items that are read before the note is written, whether or not one of them was chosen

MAX_NAMED = 20  # records that are too large and are named


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayItem:
    """One record or run, and what is published because of it; without messages it was not chosen.

    `place` and `offset` are of a record, `run_id` is a run of the store.
    """

    origin: str
    place: TopicAndPartition | None = None
    offset: int = 0
    run_id: str = ""
    messages: tuple[Message, ...] = ()
    partition: int | None = None

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return sum(len(each.value or b"") + len(each.key or b"") for each in self.messages)


@dataclass(slots=True, kw_only=True)
class ReplayWriter:
    """Publishes the items of one replay in their order. `note` is what Kafka has of it."""

    writer: TransactionalWriter
    topic: str  # of the notes
    note: ReplayNote
    rate: float | None = None  # records per second
    too_large: list[str] = field(default_factory=list)  # the first of those that do not fit on their topic
    too_large_count: int = 0

    def publish_all(self, items: Iterable[ReplayItem], total: int | None) -> None:
        """Publish the items, and note that the replay is complete. `total`: the largest number of items, if known.

        Raises:
            CommandFailedError: Kafka does not accept them, or another replay was started; says how it is resumed.
        """
        self._write((), self.note)
        with show_progress(self.note.id, total) as on_progress:
            self._publish(items, on_progress)
        self._write((), replace(self.note, is_complete=True))

    def so_far(self) -> str:
        """Return how many records were published, and how the replay is resumed."""
        count = count_noun(self.note.published_count, "record")
        return f"{count} published; `southbound replay --resume {self.note.id}` goes on with the rest"

    def _publish(self, items: Iterable[ReplayItem], on_progress: Callable[[int], None]) -> None:
        length, done, began = batch_length(self.rate), 0, time.monotonic()
        seen: list[ReplayItem] = []
        chosen = size = 0
        for item in items:
            seen.append(item)
            chosen += bool(item.messages)
            size += item.size
            if chosen >= length or size >= MAX_BYTES or len(seen) >= _MAX_UNNOTED:
                self._flush(seen)
                done += len(seen)
                on_progress(done)
                wait_for_rate(began, chosen, self.rate)
                seen, chosen, size, began = [], 0, 0, time.monotonic()
        self._flush(seen)
        on_progress(done + len(seen))

    def _flush(self, items: Sequence[ReplayItem]) -> None:
        chosen = [item for item in items if item.messages]
        try:
            self._write(chosen, _noted(self.note, items))
        except RecordTooLargeError:
            if len(chosen) == 1:
                self.too_large_count += 1
                if len(self.too_large) < MAX_NAMED:
                    self.too_large.append(chosen[0].origin)
                self._write((), _noted(self.note, items))
                return
            # Kafka refuses all of them: which one is too large shows only when each is sent alone.
            for item in items:
                if item.messages:
                    self._flush([item])
            self._write((), _noted(self.note, items))

    def _write(self, chosen: Sequence[ReplayItem], note: ReplayNote) -> None:
        messages: list[Message] = []
        partitions: dict[int, int] = {}
        for item in chosen:
            for message in item.messages:
                if item.partition is not None:
                    partitions[len(messages)] = item.partition
                messages.append(message)
        published = Counter(note.published) + Counter([message.topic for message in messages])
        note = replace(note, published=dict(published))
        try:
            self.writer.write([*messages, note.to_message(self.topic)], partitions)
        except ProducerFencedError:
            raise unreachable(f"Another replay was started and took over; {self.so_far()}") from None
        except RecordTooLargeError:
            raise
        except PublishError as error:
            raise unreachable(f"{error}; {self.so_far()}") from None
        self.note = note


def _noted(note: ReplayNote, items: Sequence[ReplayItem]) -> ReplayNote:
    """Return the note after these items."""
    after = {item.place: item.offset + 1 for item in items if item.place is not None}
    ranges = [
        replace(one, start=max(one.start, after[one.topic_partition])) if one.topic_partition in after else one
        for one in note.ranges
    ]
    last_run = next((item.run_id for item in reversed(items) if item.run_id), note.last_run)
    return replace(note, ranges=tuple(ranges), last_run=last_run)
